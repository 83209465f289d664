"""How the ledger's head is told in the audit channel, and what was changed outside mlgov where people govern."""

from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from workflows.audit import heads
from workflows.audit.notices import LedgerHead
from workflows.audit.service import PublishedHead
from workflows.record import telling
from workflows.record.notices import RecordChanged
from workflows.record.telling import Alarm
from workflows.wording import counted


def head(record: PublishedHead, notice: LedgerHead, scene: Scene) -> Rendered:
    """One line to compare with `mlgov audit verify --expect-head`."""
    why = (
        "daily"
        if notice.why.startswith("daily")
        else f"after the final decision on request #{notice.why.split(':')[-1]}"
    )
    text = f"Ledger head: {blocks.counted(record.seq, 'entry', 'entries')}, {record.seq}:{record.hash} ({why})"
    return Rendered(
        text,
        [
            blocks.section(
                f"*Ledger head after {blocks.counted(record.seq, 'entry', 'entries')}* · {blocks.when(record.at)} · {why}\n"
                f"`{record.seq}:{record.hash}`"
            ),
            blocks.context("Check it: `mlgov audit verify --expect-head SEQ:HASH`"),
        ],
        is_final=True,
    )


def changed(record: Alarm, notice: RecordChanged, scene: Scene) -> Rendered:
    """What was changed, whose decision of which day, and what to do."""
    places = counted(record.number, "place")
    if not scene.is_closed or not record.faults:
        text = f"The record was changed outside mlgov in {places}. `mlgov audit verify` says where."
        return Rendered(text, [blocks.section(f":warning: *{text}*")], is_final=True)
    first = blocks.escape(record.faults[0].sentence, 900)
    text = (
        first
        if record.number == 1
        else f"The record was changed outside mlgov in {places}. {first}"
    )
    lines = [f"• {blocks.escape(one.sentence, 900)}" for one in record.faults]
    mends = list(dict.fromkeys(one.mend for one in record.faults))
    more = record.number - len(record.faults)
    sentence = (
        f":warning: *{first}*"
        if record.number == 1
        else f":warning: *The record was changed outside mlgov in {places}.*"
    )
    body = [blocks.section(sentence)]
    if record.number > 1:
        body += blocks.sections(lines)
    body += [blocks.section(each) for each in mends]
    body.append(
        blocks.context(
            (f"And {more:,} more. " if more > 0 else "")
            + f"Found {blocks.when(scene.now)} by comparing the record with the ledger. `mlgov audit verify` shows all of it."
        )
    )
    return Rendered(text, body, is_final=True)


# --- What audit notices look like


def _load(session: Session, notice: LedgerHead, scene: Scene) -> PublishedHead:
    return heads.read_current(session, now=scene.now)


def _alarm(session: Session, notice: RecordChanged, scene: Scene) -> Alarm:
    return telling.read(session, notice)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(LedgerHead, _load, head),
    Renderer(RecordChanged, _alarm, changed),
)
