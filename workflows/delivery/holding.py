"""Holding everything back: after an old copy of the database came back, nothing is sent until somebody has looked.

What was sent between the end of the copy and its return stands in Slack, and this database does not know. While a hold
is in force nothing leaves but what the anchor must know, and nothing falls due. For a while after it, every message is
looked for in Slack before it is sent, whether it waited in the copy or its fact came about once more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import floors, ledger
from storage.db import FLOORS_CHANGED
from storage.delivery.queries import holds
from storage.delivery.tables import Hold
from storage.enums import HoldReason, Op, OutboxState
from workflows import clock, outbox
from workflows.actors import Actor
from workflows.audit.service import record
from workflows.delivery.records import HoldRecord, Waits, Window
from workflows.errors import InvalidInput, NotFound

LOOKS_FOR = timedelta(days=60)
"""How long after a hold messages are looked for before they are sent: as long as settled rows keep what was sent."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a claim has to know: whether nothing may be sent, and in which span what is sent may stand in Slack already."""

    is_held: bool = False
    window: Window | None = None


def read_state(session: Session, real_now: datetime) -> Standing:
    """How it stands now; several holds make one span."""
    rows = holds.list_in_force(session, real_now - LOOKS_FOR)
    looked = [row for row in rows if row.looks]
    window = None
    if looked:
        window = Window(
            min(row.look_from for row in looked),
            max(row.look_until for row in looked),
            min(row.governed_from for row in looked),
            max(row.governed_until for row in looked),
        )
    return Standing(any(row.released_at is None for row in rows), window)


def is_held(session: Session) -> bool:
    """Whether nothing may be sent now."""
    return holds.is_held(session)


def find_current(session: Session) -> HoldRecord | None:
    """The hold in force."""
    row = holds.find_current(session)
    return None if row is None else _record(row)


def list_holds(session: Session) -> list[HoldRecord]:
    """All holds there ever were, oldest first."""
    return [_record(row) for row in holds.list_holds(session)]


def find(session: Session, hold_id: int) -> HoldRecord:
    """A hold by its id. Raises NotFound."""
    row = session.get(Hold, hold_id)
    if row is None:
        raise NotFound("There is no such hold.")
    return _record(row)


def begin(
    session: Session, actor: Actor, why: HoldReason, *, now: datetime, known_seq: int | None = None
) -> HoldRecord:
    """Send nothing from this commit on; what is here already was perhaps sent since the ledger's last entry.

    After a copy came back new rows are numbered above those that it may not know, and what stands in Slack is shown as
    the copy has it.

    An operator who asks for it while it is held anyway gets the hold in force.
    """
    real = clock.real_now(session)
    hold = holds.find_current(session)
    if hold is not None and why is HoldReason.ASKED:
        return _record(hold)
    head = ledger.head(session)
    last = ledger.find_last_at(session)
    governed_from = min(last, now) if last is not None else now
    ahead = now - real
    row = Hold(
        why=why,
        held_at=real,
        released_at=None,
        looks=True,
        copy_seq=head.seq,
        copy_hash=head.hash,
        known_seq=known_seq,
        look_from=governed_from - ahead,
        look_until=real,
        governed_from=governed_from,
        governed_until=now,
        floors={}
        if why is HoldReason.ASKED
        else floors.raise_all(session, lost=max((known_seq or 0) - head.seq, 0)),
    )
    session.info[FLOORS_CHANGED] = True
    session.add(row)
    session.flush()
    if why is not HoldReason.ASKED:
        # Cards may show what this database does not know: decided, with their buttons gone. They come back with it.
        for copy in holds.open_copies(session):
            outbox.queue_update(session, copy, now=now)
    record(
        session,
        actor,
        "database.restored" if why is not HoldReason.ASKED else "outbox.held",
        ("hold", row.id),
        now=now,
        why=why.value,
        entries=head.seq,
        head=head.hash,
        known=known_seq,
    )
    return _record(row)


def release(session: Session, actor: Actor, *, looks: bool, now: datetime) -> None:
    """Let everything go again. Raises InvalidInput when nothing is held.

    Without `looks` nothing is looked for any more before it is sent.
    """
    if not holds.is_held(session):
        raise InvalidInput("Nothing is held: messages are sent as they come.")
    real = clock.real_now(session)
    released = 0
    for row in holds.list_holds(session):
        released += row.released_at is None
        row.released_at = row.released_at or real
        row.looks = row.looks and looks
    session.flush()
    record(session, actor, "outbox.released", ("hold", "all"), now=now, holds=released, looks=looks)
    session.info["wake"] = True


def count_waits(session: Session, *, now: datetime) -> Waits:
    """What a release would let go."""
    rows = holds.list_waiting(session)
    posts = tuple(row.id for row in rows if row.op == Op.POST)
    others: dict[str, int] = {}
    for row in rows:
        if row.op != Op.POST:
            others[row.op] = others.get(row.op, 0) + 1
    return Waits(
        posts,
        others,
        dict(holds.count_due_timers(session, now)),
        dict(holds.count_due_schedules(session, now)),
    )


def waits_for_review(state: str, session: Session) -> bool:
    """Whether a row in this state may be decided on by a person now although it is not dead: while all are held."""
    return state in (OutboxState.PENDING, OutboxState.SENDING) and holds.is_held(session)


def _record(row: Hold) -> HoldRecord:
    return HoldRecord(
        id=row.id,
        why=HoldReason(row.why),
        held_at=row.held_at,
        released_at=row.released_at,
        copy_seq=row.copy_seq,
        copy_hash=row.copy_hash,
        known_seq=row.known_seq,
        window=Window(row.look_from, row.look_until, row.governed_from, row.governed_until),
    )
