"""The window that opens behind a line of a digest. Pure."""

from bot import blocks
from bot.blocks import Block, Element
from bot.digests import words
from bot.interactions import MilestoneChoice, MilestoneRef
from workflows.digests.phrases import LABELS
from workflows.digests.records import Row, ShownDigest

BREAK_DOWN, MILESTONE = "budgets.break_down", "milestones.more"
MOST = 90
"""Blocks of a window; Slack takes 100."""
ROW = 500


def detail(record: ShownDigest, part: str) -> Block:
    """All that stands behind one part, or behind all of them."""
    content = record.content
    parts = [name for name in content.details if part in (name, words.EVERYTHING)] or list(
        content.details
    )
    body: list[Block] = [blocks.section(f"*{blocks.escape(content.headline, 300)}*")]
    for name in parts:
        body.append(blocks.header(LABELS.get(name, name.title())))
        body += _rows(content.details[name])
    body = body[:MOST]
    body.append(
        blocks.context(f"As of {blocks.when(content.as_of)} · {blocks.escape(content.footer, 300)}")
    )
    return blocks.modal(f"Week {content.week}", body, callback_id=words.DETAIL_VIEW, close="Close")


def _rows(rows: tuple[Row, ...]) -> list[Block]:
    """Rows that lead further each have their button; those in between are told together."""
    sections: list[Block] = []
    together: list[str] = []

    def flush() -> None:
        if together:
            sections.append(blocks.section("\n".join(together)))
            together.clear()

    for row in rows:
        text = blocks.escape(row.text, ROW)
        further = _further(row)
        if further is None:
            together.append(text)
            continue
        flush()
        sections.append(blocks.section(text, accessory=further))
    flush()
    return sections


def _further(row: Row) -> Element | None:
    """The button that leads on from a row."""
    if row.budget_id is not None:
        return blocks.button("Break down", BREAK_DOWN, str(row.budget_id))
    if row.milestone_id is not None:
        return blocks.button(
            "Details", MILESTONE, MilestoneChoice("details", MilestoneRef(row.milestone_id, 0)).text
        )
    return None
