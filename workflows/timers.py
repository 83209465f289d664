"""What falls due: timers for a subject, and schedules at a local wall time. Only data; `jobs` says what then happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from storage.delivery.queries import timers as queries
from storage.delivery.tables import Schedule
from storage.enums import TimerState
from workflows.calendar import local_instant
from workflows.outbox import Subject

MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer that looked due when it was read; its handler locks the subject and looks again."""

    id: int
    subject: Subject
    kind: str
    seq: int


def start(
    session: Session, subject: Subject, kind: str, due_at: datetime, *, seq: int = 0
) -> None:
    """Let `kind` fall due for the subject at a governed instant; the same (subject, kind, seq) is started once."""
    queries.start(
        session,
        {
            "subject_type": subject.type,
            "subject_id": subject.id,
            "kind": kind,
            "seq": seq,
            "due_at": due_at,
            "state": TimerState.DUE.value,
            "attempts": 0,
        },
    )


def keep_going(session: Session, subject: Subject, kind: str, due_at: datetime) -> None:
    """Let `kind` fall due for the subject at an instant, again and again with one timer.

    One that waits already keeps its time; one that has run, or was given up, is started anew. A handler says with it
    when its own timer comes next.
    """
    start(session, subject, kind, due_at)
    session.flush()
    queries.again(session, subject.type, subject.id, kind, 0, due_at)


def cancel(session: Session, subject: Subject) -> None:
    """Nothing that still waits for this subject falls due any more."""
    queries.cancel_of(session, subject.type, subject.id)


def cancel_one(session: Session, timer_id: int) -> None:
    """This timer has nothing to do any more."""
    queries.cancel_one(session, timer_id)


def candidates(
    session: Session,
    *,
    due_now: datetime,
    real_now: datetime,
    most: int = 200,
    kinds: Sequence[str] | None = None,
) -> list[DueTimer]:
    """Timers that look due, oldest first, read without locks; only of these kinds, when some are given."""
    rows = queries.candidates(
        session, due_now=due_now, real_now=real_now, most=most, kinds=kinds
    )
    return [
        DueTimer(id_, Subject(type_, subject), kind, seq)
        for id_, type_, subject, kind, seq in rows
    ]


def take(session: Session, timer_id: int, *, due_now: datetime) -> bool:
    """Lock the timer, after its subject was locked; False when it is no longer due or somebody else has it."""
    found = queries.lock_due(session, timer_id, due_now=due_now)
    if found is None:
        return False
    found.state = TimerState.DONE
    return True


def failed(session: Session, timer_id: int, error: str, *, real_now: datetime) -> bool:
    """Count a failed run and back off; True when it was the last try and the timer is dead now."""
    timer = queries.lock(session, timer_id)
    if timer is None or timer.state != TimerState.DUE:
        return False
    timer.attempts += 1
    timer.last_error = error[:500]
    if timer.attempts >= MAX_ATTEMPTS:
        timer.state = TimerState.DEAD
        return True
    timer.retry_at = real_now + timedelta(seconds=min(2**timer.attempts, 900))
    return False


def next_due(session: Session) -> datetime | None:
    """When the next timer falls due (governed time), for a loop that would rather sleep than poll."""
    return queries.next_due(session)


def next_occurrence(
    after: datetime, wall: time, zone: ZoneInfo, *, weekday: int | None = None
) -> datetime:
    """The first instant after `after` at which clocks in `zone` show `wall` (on that weekday; 0 is Monday)."""
    local = after.astimezone(zone)
    for days in range(0, 9):
        day = local + timedelta(days=days)
        if weekday is not None and day.weekday() != weekday:
            continue
        instant = local_instant(day.date(), wall, zone)
        if instant.astimezone(zone).date() != day.date():
            continue  # a day that this zone skipped, like 30 December 2011 in Apia, has no such time
        if instant > after:
            return instant
    raise ValueError(f"no {wall} in {zone} within nine days of {after}")


def schedule(
    session: Session,
    owner: str,
    kind: str,
    local_time: str,
    tz: str,
    *,
    now: datetime,
    weekday: int | None = None,
) -> None:
    """Let `kind` recur for `owner` at HH:MM in an IANA zone; saying it again with another time moves it."""
    found = queries.lock_schedule(session, owner, kind)
    if found is not None and (found.local_time, found.weekday, found.tz) == (
        local_time,
        weekday,
        tz,
    ):
        return
    next_at = next_occurrence(
        now, time.fromisoformat(local_time), ZoneInfo(tz), weekday=weekday
    )
    if found is None:
        session.add(
            Schedule(
                owner=owner,
                kind=kind,
                local_time=local_time,
                weekday=weekday,
                tz=tz,
                next_at=next_at,
                is_enabled=True,
            )
        )
        return
    found.local_time, found.weekday, found.tz, found.next_at = (
        local_time,
        weekday,
        tz,
        next_at,
    )


def due_schedules(
    session: Session, *, now: datetime, kinds: Sequence[str] | None = None
) -> Sequence[int]:
    """The schedules that look due, read without locks; only of these kinds, when some are given."""
    return queries.due_schedules(session, now=now, kinds=kinds)


def take_schedule(
    session: Session, schedule_id: int, *, now: datetime
) -> tuple[str, str, str] | None:
    """Lock a due schedule and move it on; its (owner, kind, slot), or None when it is not due or this slot has run.

    The slot is the local date, so a clock change cannot run one twice. Slots missed while nothing ran are skipped:
    only the latest one runs.
    """
    found = queries.lock_due_schedule(session, schedule_id, now=now)
    if found is None:
        return None
    zone, wall = ZoneInfo(found.tz), time.fromisoformat(found.local_time)
    latest = found.next_at
    while (
        following := next_occurrence(latest, wall, zone, weekday=found.weekday)
    ) <= now:
        latest = following
    slot = latest.astimezone(zone).date().isoformat()
    found.next_at = following
    if found.last_slot is not None and slot <= found.last_slot:
        return None
    found.last_slot = slot
    return found.owner, found.kind, slot
