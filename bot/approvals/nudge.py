"""Reminding those who have not decided, for the requester."""

from bot import door
from bot.approvals import acting
from bot.replies import Reply
from bot.requests import Click
from workflows.approvals.forms import Nudge


def nudge(click: Click) -> Reply:
    """They get the card once more."""
    at = acting.seen(click)
    form = Nudge(approval_id=at.approval_id, revision=at.revision)
    sentence = door.act(click.deps, click.actor, form, click.card)
    return acting.told(click, at.approval_id, sentence)
