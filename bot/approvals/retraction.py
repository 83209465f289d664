"""`Take back`: whoever decided can undo it while the request waits."""

from bot import door
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
    at = acting.seen(click)
    form = TakeBack(approval_id=at.approval_id, revision=at.revision)
    sentence = door.act(click.deps, click.actor, form, click.card)
    return acting.told(click, at.approval_id, sentence)
