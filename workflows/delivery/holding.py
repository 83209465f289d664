"""Holds: after an old copy of the database was restored, nothing is sent until somebody has looked.

What was sent between the end of the copy and the restore is in Slack, and this database doesn't know. While a hold is in
force nothing is sent but lines for the anchor, and nothing falls due. For `LOOKS_FOR` afterwards every message is looked
up in Slack before it is sent, whether it waited in the copy or was posted again (decision 14).
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import floors, ledger, runtime
from storage.db import FLOORS_CHANGED
from storage.delivery import outbox as delivery_outbox
from storage.delivery.tables import Hold
from storage.enums import HoldReason, Op, OutboxState
from storage.people.lookups import find_channel
from workflows import clock, outbox
from workflows.audit.service import record
from workflows.context import Context
from workflows.delivery.notices import ClockSetBack
from workflows.delivery.records import HoldRecord, Waits, Window
from workflows.errors import InvalidInput, NotFound
from workflows.job_runner import Registry, Watcher
from workflows.outbox import Destination

LOOKS_FOR = timedelta(days=60)
"""How long after a hold messages are looked up before they are sent; as long as settled rows keep their notice."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a claim has to know: whether nothing may be sent, and the span in which messages may have been sent unknown
    to this database (None: there is none)."""

    is_held: bool = False
    window: Window | None = None


def read_state(session: Session, real_now: datetime) -> Standing:
    """Whether a hold is in force, and the span to look up: from the first to the last moment of all recent holds."""
    rows = delivery_outbox.list_in_force(session, real_now - LOOKS_FOR)
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
    """Whether a hold is in force, so that nothing may be sent."""
    return delivery_outbox.is_held(session)


def find_current(session: Session) -> HoldRecord | None:
    """The hold in force; None when there is none."""
    row = delivery_outbox.find_current(session)
    return None if row is None else _record(row)


def list_holds(session: Session) -> list[HoldRecord]:
    """All holds, ended ones too, oldest first."""
    return [_record(row) for row in delivery_outbox.list_holds(session)]


def find(session: Session, hold_id: int) -> HoldRecord:
    """A hold by its id. Raises NotFound."""
    row = session.get(Hold, hold_id)
    if row is None:
        raise NotFound("There is no such hold.")
    return _record(row)


def begin(ctx: Context, why: HoldReason, *, known_seq: int | None = None) -> HoldRecord:
    """Hold everything from this commit on; what waits may have been sent since the ledger's last entry.

    After a restore (`why` is not ASKED) new rows are numbered above those that the copy may not know, and every card is
    edited to show what the copy says. `known_seq` is the last entry that the anchor knows of, where that is more. ASKED
    while a hold is in force returns that one.
    """
    real = clock.real_now(ctx.session)
    hold = delivery_outbox.find_current(ctx.session)
    if hold is not None and why is HoldReason.ASKED:
        return _record(hold)
    head = ledger.head(ctx.session)
    last = ledger.find_last_at(ctx.session)
    governed_from = min(last, ctx.now) if last is not None else ctx.now
    ahead = ctx.now - real
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
        governed_until=ctx.now,
        floors={}
        if why is HoldReason.ASKED
        else floors.raise_all(ctx.session, lost=max((known_seq or 0) - head.seq, 0)),
    )
    ctx.session.info[FLOORS_CHANGED] = True
    ctx.session.add(row)
    ctx.session.flush()
    if why is not HoldReason.ASKED:
        # Cards may show what this database does not know: decided, with their buttons gone. They come back with it.
        for copy in delivery_outbox.open_copies(ctx.session):
            outbox.queue_update(ctx.session, copy, now=ctx.now)
    record(
        ctx,
        "database.restored" if why is not HoldReason.ASKED else "outbox.held",
        ("hold", row.id),
        why=why.value,
        entries=head.seq,
        head=head.hash,
        known=known_seq,
    )
    return _record(row)


def release(ctx: Context, *, looks: bool) -> None:
    """End every hold. Without `looks` nothing is looked up any more before it is sent.

    Raises InvalidInput when no hold is in force.
    """
    if not delivery_outbox.is_held(ctx.session):
        raise InvalidInput("Nothing is held: messages are sent as they come.")
    real = clock.real_now(ctx.session)
    released = 0
    for row in delivery_outbox.list_holds(ctx.session):
        released += row.released_at is None
        row.released_at = row.released_at or real
        row.looks = row.looks and looks
    ctx.session.flush()
    record(ctx, "outbox.released", ("hold", "all"), holds=released, looks=looks)
    ctx.session.info["wake"] = True


def count_waits(session: Session, *, now: datetime) -> Waits:
    """What waits for the end of the hold: posts, other rows, timers and schedules that are due at `now`."""
    rows = delivery_outbox.list_waiting(session)
    posts = tuple(row.id for row in rows if row.op == Op.POST)
    others: dict[str, int] = {}
    for row in rows:
        if row.op != Op.POST:
            others[row.op] = others.get(row.op, 0) + 1
    return Waits(
        posts,
        others,
        dict(delivery_outbox.count_due_timers(session, now)),
        dict(delivery_outbox.count_due_schedules(session, now)),
    )


def waits_for_review(state: str, session: Session) -> bool:
    """Whether a person may settle a row in this state although it isn't dead: during a hold, as nothing sends it."""
    return state in (OutboxState.PENDING, OutboxState.SENDING) and delivery_outbox.is_held(session)


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


# --- A clock that was set back: everything goes on, and administrators are told

log = logging.getLogger(__name__)

JUST_DUE = timedelta(minutes=1)
"""What fell due in the last minute before the clock was set back, and had not run, stays due (`outbox.stay_due`)."""


def _keep_clock(ctx: Context, real_now: datetime) -> bool:
    """Write down the time and announce that the clock was set back, where it was since the last time; whether it was."""
    kept = runtime.keep_clock(ctx.session)
    if kept is None:
        return False
    now = ctx.now
    delivery_outbox.stay_due(ctx.session, now=now, was=now + kept.by, within=JUST_DUE)
    seconds = round(kept.by.total_seconds())
    log.warning(
        "the clock went back by %s s; leases, pace and back-off go on as if it had not. Check its time synchronisation",
        seconds,
    )
    record(ctx, "clock.set_back", ("runtime", 1), seconds=seconds)
    admin = find_channel(ctx.session, ctx.org, ctx.policy.channels.admin)
    if admin is not None:
        outbox.post(
            ctx.session,
            ClockSetBack(now.isoformat(), seconds),
            to=Destination.channel(ctx.org, admin),
            dedupe_key=f"clock:{now.isoformat()}",
            now=now,
        )
    return True


PART = Registry(watchers={"clock": Watcher(runtime.should_keep_clock, _keep_clock)})
"""The jobs of this module."""
