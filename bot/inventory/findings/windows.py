"""The windows of findings and reviews. Pure."""

from datetime import date

from bot import blocks
from bot.blocks import Block
from bot.interactions import ask, ask_day, ask_person
from bot.inventory import fields, words
from storage.enums import FindingStatus, Severity
from workflows.inventory.forms import FileFinding, SettleFinding
from workflows.inventory.records import FindingRecord, ModelCard, ModelRecord


def finding_window(card: ModelCard, metadata: str) -> Block:
    """Something wrong."""
    owner = card.model.owner
    body = [
        blocks.section(f"*{words.model_name(card.model, card.version)}*"),
        ask(FileFinding, "words"),
        ask(
            FileFinding,
            "severity",
            fields.menu(fields.SEVERITY, words.SEVERITIES, Severity.MEDIUM),
        ),
        ask_person(FileFinding, "owner_id", owner.slack_id if owner else None, optional=True),
        ask_day(FileFinding, "due"),
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
        ask(
            SettleFinding,
            "how",
            blocks.radio(fields.HOW, [blocks.option(text, way) for way, text in ways.items()]),
        ),
        ask(SettleFinding, "word"),
        ask_day(SettleFinding, "until"),
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
