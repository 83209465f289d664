"""What people did about a request beside deciding: the lines of its thread, and the messages to those it concerns."""

from collections.abc import Callable

from bot import blocks
from bot.approvals import words
from bot.rendering import Rendered, Scene
from workflows.approvals.notices import ApprovalTold
from workflows.approvals.records import Card

Story = Callable[[Card, int], str | None]
"""From the record and the id of what happened: its line, mrkdwn; None when there is nothing to tell any more."""


def _taken_back(record: Card, item_id: int) -> str | None:
    line = next((item for item in record.taken_back if item.id == item_id), None)
    if line is None:
        return None
    who = blocks.mention(line.person.slack_id, line.person.name)
    return f"*{who} took their approval back* · {blocks.when(line.taken_back_at or line.at)} · now with {words.progress(record)}"


STORIES: dict[str, Story] = {
    "taken_back": _taken_back,
}


def story(record: Card, notice: ApprovalTold, scene: Scene) -> Rendered:
    """One line of the thread."""
    line = STORIES[notice.what](record, notice.item_id) or words.progress(record)
    return Rendered(line, [blocks.section(line)], is_final=True)
