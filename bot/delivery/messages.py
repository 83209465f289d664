"""The administrators' card about messages that could not be sent."""

from bot import blocks, slack_errors
from bot.rendering import Rendered, Scene
from workflows.delivery.notices import LettersDied
from workflows.delivery.records import DeadLetters, OutboxRow

MOST = 5
"""Letters that are named one by one."""


def letters_died(record: DeadLetters, notice: LettersDied, scene: Scene) -> Rendered:
    """What could not be sent, to whom, why, and the commands that settle it."""
    where = _where(record)
    if not record.letters:
        text = f"All messages to {where} that could not be sent have been dealt with."
        return Rendered(text, [blocks.section(f":white_check_mark: {text}")])
    count = blocks.counted(len(record.letters), "message")
    text = f"{count} to {where} could not be sent"
    newest = record.letters[-1]
    body = [
        blocks.section(
            f":warning: *{text}.*\n{slack_errors.mend(newest.last_error or '')}"
        ),
        blocks.section("\n".join(_line(letter) for letter in record.letters[-MOST:])),
        blocks.context(
            f"`mlgov outbox show {newest.id}`, then `retry`, `mark-sent` or `cancel`."
            + (f" The newest {MOST} are shown." if len(record.letters) > MOST else "")
        ),
    ]
    return Rendered(
        f"{text}: {newest.last_error}. Message {newest.id}, {newest.kind}.", body
    )


def _where(record: DeadLetters) -> str:
    if record.slack_id is None:
        return "the anchor of the ledger"
    return f"<@{record.slack_id}>" if record.is_person else f"<#{record.slack_id}>"


def _line(letter: OutboxRow) -> str:
    reason = blocks.escape(letter.last_error or "no reason given", 200)
    return f"• {letter.id} `{letter.kind}` {blocks.when(letter.created_at)}: {reason}"
