"""The button with which model risk accepts the registry as it is."""

from bot.interactions import RegistryRef
from bot.registry import messages
from bot.replies import Private, Reply
from bot.requests import Click
from bot.router import Router
from workflows.errors import Stale
from workflows.registry import service, telling


def register(router: Router) -> None:
    """Answer the button."""
    router.action(messages.ACCEPT, accept, RegistryRef)


def accept(click: Click, registry: RegistryRef) -> Reply:
    """What the card listed is taken; on an older card nothing is, and it shows what waits now."""
    deps = click.deps
    try:
        sentence = deps.db.run(
            lambda session: service.accept_offers(
                session,
                click.actor,
                -1 if registry.revision is None else registry.revision,
                policy=deps.policy,
                org_key=deps.team.org_key,
                now=deps.now(session),
            )
        )
    except Stale:
        deps.db.run(lambda session: telling.refresh_messages(session, now=deps.now(session)))
        raise
    return Private(sentence)
