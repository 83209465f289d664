"""The windows of findings and reviews. Pure."""

from datetime import date

from bot import blocks
from bot.blocks import Block
from bot.inventory import fields, words
from storage.enums import FindingStatus, Severity
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord


def finding_window(card: ModelCard, metadata: str) -> Block:
    """Something wrong."""
    owner = card.model.owner
    body = [
        blocks.section(f"*{words.model_name(card.model, card.version)}*"),
        fields.text("What is wrong?", fields.WORD, optional=False, most=2000),
        blocks.input_(
            "How grave is it?",
            fields.menu(fields.SEVERITY, words.SEVERITIES, Severity.MEDIUM),
            block_id=fields.SEVERITY,
        ),
        blocks.input_(
            "Who mends it?",
            blocks.person_picker(
                fields.OWNER, placeholder="Its owner", initial=owner.slack_id if owner else None
            ),
            block_id=fields.OWNER,
            optional=True,
        ),
        blocks.input_(
            "By when?",
            blocks.date_picker(fields.DUE),
            block_id=fields.DUE,
            optional=True,
            hint="Left empty, the policy's time for that severity.",
        ),
    ]
    return blocks.modal(
        "File a finding", body, callback_id=fields.SUBMIT_FINDING, submit="File", metadata=metadata
    )


def settle_window(record: FindingRecord, today: date, *, metadata: str) -> Block:
    """What becomes of a finding."""
    ways = {
        "progress": "Somebody is on it",
        "resolve": "It is mended",
        "accept": "Accept it until a day (model risk)",
    }
    if record.status is FindingStatus.ACCEPTED:
        ways["reopen"] = "Open it again"
    body = [
        blocks.section(words.finding_line(record, today)),
        blocks.input_(
            "What becomes of it?",
            blocks.radio(fields.HOW, [blocks.option(text, way) for way, text in ways.items()]),
            block_id=fields.HOW,
        ),
        fields.text("How can one see it, or why?", fields.WORD),
        blocks.input_(
            "Accepted until",
            blocks.date_picker(fields.UNTIL),
            block_id=fields.UNTIL,
            optional=True,
            hint="Only where it is accepted.",
        ),
    ]
    return blocks.modal(
        "Settle a finding",
        body,
        callback_id=fields.SUBMIT_SETTLE,
        submit="Settle",
        metadata=metadata,
    )


def review_window(model: ModelRecord, today: date, metadata: str) -> Block:
    """A review that was done."""
    due = f" · due {words.day(model.next_review, today)}" if model.next_review else ""
    body = [
        blocks.section(
            f"*{words.model_name(model, model.lead)}*{due}\nA review approves nothing anew: it says that somebody looked."
        ),
        fields.text("What did you look at, and what did you see?", fields.WORD, optional=False),
    ]
    return blocks.modal(
        "Reviewed", body, callback_id=fields.SUBMIT_REVIEW, submit="Keep", metadata=metadata
    )
