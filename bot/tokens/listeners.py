"""`/mlgov token`: people make tokens of their own, see them once, and revoke them."""

from datetime import timedelta
from typing import Any

from bot.context import Deps
from bot.interactions import TokenRef
from bot.replies import Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from bot.tokens import views
from workflows.actors import Actor
from workflows.tokens import service


def register(router: Router) -> None:
    """Answer the word, the modal and its buttons."""
    router.word("token", "token", "tokens of your own for the command line", open_)
    router.submission(views.MAKE, make)
    router.action(views.REVOKE, revoke, TokenRef)


def open_(command: Command) -> Reply:
    """Your tokens, and making one. A modal is the one place that nobody else can read and nothing keeps."""
    if command.trigger_id is None:
        return Private(
            "A token is shown in a window, which only a slash command can open: type `/mlgov token` in any channel."
        )
    return Open(_mine(command.deps, command.actor))


def make(submission: Submission) -> Reply:
    """A token was asked for; it is shown in this answer and nowhere else."""
    deps = submission.deps
    days = submission.number(views.LASTS, 7)
    secret, token = deps.db.run(
        lambda session: service.create_personal(
            session, submission.actor, lasts=timedelta(days=days), now=deps.now(session)
        )
    )
    return Show(views.made(secret, token))


def revoke(click: Click, token: TokenRef) -> Reply:
    """End one of one's own tokens."""
    deps = click.deps
    deps.db.run(
        lambda session: service.revoke(session, click.actor, token.prefix, now=deps.now(session))
    )
    return Show(_mine(deps, click.actor))


def _mine(deps: Deps, actor: Actor) -> dict[str, Any]:
    with deps.db.read() as session:
        now = deps.now(session)
        return views.mine(service.list_tokens(session, person_id=actor.id), now=now)
