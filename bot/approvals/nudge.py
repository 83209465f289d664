"""Reminding those who have not decided, for the requester."""

from bot.approvals import acting
from bot.replies import Reply
from bot.requests import Click
from workflows.approvals.forms import Nudge


def nudge(click: Click) -> Reply:
    """They get the card once more."""
    approval_id = acting.id_of(click.value)
    said = acting.do(
        click.deps, click.actor, Nudge(approval_id=approval_id), click.card
    )
    return acting.told(click, approval_id, said)
