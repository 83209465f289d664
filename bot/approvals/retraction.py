"""`Take back`: whoever decided can undo it while the request waits."""

from bot.approvals import acting, words
from bot.interactions import Request
from bot.replies import Reply
from bot.requests import Click
from bot.router import Router
from workflows.approvals.forms import TakeBack


def register(router: Router) -> None:
    """Answer the button."""
    router.action(words.TAKE_BACK, take_back, Request)


def take_back(click: Click, request: Request) -> Reply:
    """The verdict counts no more."""
    sentence = acting.act(click, request, TakeBack)
    return acting.answer(click, request.approval_id, sentence)
