"""The button with which model risk accepts the registry as it is."""

from bot.registry import messages
from bot.replies import Private, Reply
from bot.requests import Click
from bot.router import Router
from workflows.registry import service


def register(router: Router) -> None:
    """Answer the button."""
    router.action(messages.ACCEPT, accept)


def accept(click: Click) -> Reply:
    """The registry is taken as it was last seen."""
    deps = click.deps
    said = deps.db.run(
        lambda session: service.accept(
            session,
            click.actor,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=deps.now(session),
        )
    )
    return Private(said)
