"""`Take back`: whoever decided can undo it while the request waits."""

from bot.approvals import acting, words
from bot.replies import Reply
from bot.requests import Click
from bot.router import Router
from workflows.approvals.forms import TakeBack


def register(router: Router) -> None:
    """Answer the button."""
    router.action(words.TAKE_BACK, take_back)


def take_back(click: Click) -> Reply:
    """The verdict counts no more."""
    approval_id = acting.id_of(click.value)
    said = acting.do(
        click.deps, click.actor, TakeBack(approval_id=approval_id), click.card
    )
    return acting.told(click, approval_id, said)
