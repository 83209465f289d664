"""The administrators' card about messages that could not be sent."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks, errors
from workflows.delivery import dead_letters, holding
from workflows.delivery.notices import ClockSetBack, CopyRestored, LettersDied
from workflows.delivery.records import DeadLetters, HoldRecord, OutboxRow
from workflows.wording import span

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
        blocks.section(f":warning: *{text}.*\n{errors.mend(newest.last_error or '')}"),
        blocks.section("\n".join(_line(letter) for letter in record.letters[-MOST:])),
        blocks.context(
            f"`mlgov outbox show {newest.id}`, then `retry`, `mark-sent` or `cancel`."
            + (f" The newest {MOST} are shown." if len(record.letters) > MOST else "")
        ),
    ]
    return Rendered(f"{text}: {newest.last_error}. Message {newest.id}, {newest.kind}.", body)


def clock_set_back(record: ClockSetBack, notice: ClockSetBack, scene: Scene) -> Rendered:
    """That the clock ran back, what it means for the record, and what to do."""
    by = (
        span(timedelta(seconds=record.seconds))
        if record.seconds >= 60
        else blocks.counted(record.seconds, "second")
    )
    text = f"The clock that mlgov goes by went back by {by}"
    at = blocks.when(datetime.fromisoformat(record.at))
    return Rendered(
        f"{text}. Nothing is held up; check its time synchronisation.",
        [
            blocks.section(
                f":warning: *{text}*, to {at}.\nNothing is held up. What falls due by the calendar and the times on the"
                " ledger follow the clock, so a few entries may be dated after the ones that come next."
            ),
            blocks.context(
                "Check the time synchronisation of the machine that runs mlgov, or PostgreSQL. `mlgov doctor` compares it with Slack's."
            ),
        ],
        is_final=True,
    )


def copy_restored(record: HoldRecord, notice: CopyRestored, scene: Scene) -> Rendered:
    """That a copy is the record now, what it lacks, and what people have to do again."""
    text = "mlgov runs on a restored copy of its database"
    ends = blocks.when(record.window.governed_from)
    known = record.known_seq
    if known is not None and known > record.copy_seq:
        lost = (
            f"The ledger's entries {record.copy_seq + 1:,} to {known:,} aren't"
            if known > record.copy_seq + 1
            else f"The ledger's entry {known:,} isn't"
        )
        lacks = f"{lost} in it: decide again what was decided after {ends}."
    else:
        lacks = f"It ends at {ends}. Decide again what was decided after that."
    return Rendered(
        f"{text}. What was decided after it was made has to be decided again.",
        [
            blocks.section(f":warning: *{text}.*\n{lacks}"),
            blocks.context(
                "Requests that were decided since then wait again, with their buttons. A card that decides nothing any more"
                " says so when somebody presses it: ask again from there."
            ),
        ],
        is_final=True,
    )


def _where(record: DeadLetters) -> str:
    if record.slack_id is None:
        return "the anchor of the ledger"
    return f"<@{record.slack_id}>" if record.is_person else f"<#{record.slack_id}>"


def _line(letter: OutboxRow) -> str:
    reason = blocks.escape(letter.last_error or "no reason given", 200)
    return f"• {letter.id} `{letter.kind}` {blocks.when(letter.created_at)}: {reason}"


# --- How delivery's own notices are shown


def _load(session: Session, notice: LettersDied, scene: Scene) -> DeadLetters:
    return dead_letters.list_of_lane(session, notice.lane)


def _as_noticed(session: Session, notice: ClockSetBack, scene: Scene) -> ClockSetBack:
    return notice


def _hold(session: Session, notice: CopyRestored, scene: Scene) -> HoldRecord:
    return holding.find(session, notice.hold)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(LettersDied, _load, letters_died),
    Renderer(CopyRestored, _hold, copy_restored),
    Renderer(ClockSetBack, _as_noticed, clock_set_back),
)
