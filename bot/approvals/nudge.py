"""Reminding those who have not decided, for the requester."""

from bot.approvals import acting
from bot.interactions import Request
from bot.replies import Reply
from bot.requests import Click
from workflows.approvals.forms import Nudge


def nudge(click: Click, request: Request) -> Reply:
    """They get the card once more."""
    sentence = acting.act(click, request, Nudge)
    return acting.answer(click, request.approval_id, sentence)
