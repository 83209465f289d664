"""What falls due: timers for a subject, and schedules at a local wall time. Only data; `jobs` says what then happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from storage.delivery import timers as queries
from storage.delivery.tables import Schedule
from storage.enums import TimerState
from workflows.calendar import local_instant
from workflows.outbox import Subject

MAX_ATTEMPTS = 8
"""Tries before a timer is given up. With the pauses between them (2, 4, … 128 s) that is about four minutes."""


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer that looked due when it was read; its handler locks the subject and looks again."""

    id: int
    subject: Subject
    kind: str
    seq: int
    prepared: object = None
    """What was found out beforehand for its handler, where its kind has that prepared."""


def start(session: Session, subject: Subject, kind: str, due_at: datetime, *, seq: int = 0) -> None:
    """Let `kind` fall due for the subject at a governed instant; the same (subject, kind, seq) is started once."""
    queries.start(session, _values(subject, kind, due_at, seq))


def _values(subject: Subject, kind: str, due_at: datetime, seq: int = 0) -> dict[str, object]:
    return {
        "subject_type": subject.type,
        "subject_id": subject.id,
        "kind": kind,
        "seq": seq,
        "due_at": due_at,
        "state": TimerState.DUE.value,
        "attempts": 0,
    }


def start_again(
    session: Session, subject: Subject, kind: str, due_at: datetime, *, seq: int
) -> None:
    """Let `kind` fall due at this instant, also when it was started, run or cancelled before."""
    start(session, subject, kind, due_at, seq=seq)
    session.flush()
    queries.restart(session, subject.type, subject.id, kind, seq, due_at)


def keep_going(session: Session, subject: Subject, kind: str, due_at: datetime) -> None:
    """Let `kind` fall due for the subject at an instant, again and again with one timer.

    One that waits already keeps its time; one that has run, or was given up, is started anew. A handler says with it
    when its own timer comes next.
    """
    start(session, subject, kind, due_at)
    session.flush()
    queries.restart(session, subject.type, subject.id, kind, 0, due_at)


def wake(session: Session, subjects: Sequence[Subject], kind: str, by: datetime) -> None:
    """Let `kind` fall due for each of these subjects by this instant at the latest, and once more where it is running at
    this moment."""
    if subjects:
        queries.wake(session, [_values(subject, kind, by) for subject in subjects])


def shift(session: Session, subject: Subject, by: timedelta) -> None:
    """Put off whatever still waits for this subject by this long, or bring it forward with a negative span."""
    for timer in queries.lock_due_of(session, subject.type, subject.id):
        timer.due_at += by


def cancel(session: Session, subject: Subject) -> None:
    """Nothing that still waits for this subject falls due any more."""
    queries.cancel_of(session, subject.type, subject.id)


def cancel_kind(session: Session, subject: Subject, kind: str) -> None:
    """Nothing of this kind falls due for the subject any more."""
    for timer in queries.lock_due_of(session, subject.type, subject.id):
        if timer.kind == kind:
            timer.state = TimerState.CANCELLED


def cancel_one(session: Session, timer_id: int) -> None:
    """This timer has nothing to do any more."""
    queries.cancel_one(session, timer_id)


def list_due(
    session: Session,
    *,
    due_now: datetime,
    real_now: datetime,
    most: int = 200,
    kinds: Sequence[str] | None = None,
) -> list[DueTimer]:
    """Timers that look due, oldest first, read without locks; only of these kinds, when some are given."""
    rows = queries.list_due(session, due_now=due_now, real_now=real_now, most=most, kinds=kinds)
    return [
        DueTimer(id_, Subject(type_, subject), kind, seq) for id_, type_, subject, kind, seq in rows
    ]


def take_timer(session: Session, timer_id: int, *, due_now: datetime) -> bool:
    """Lock the timer, after its subject was locked; False when it is no longer due or somebody else has it."""
    timer = queries.lock_due(session, timer_id, due_now=due_now)
    if timer is None:
        return False
    timer.state = TimerState.DONE
    return True


def count_failure(session: Session, timer_id: int, error: str, *, real_now: datetime) -> bool:
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


def next_due(session: Session, after: datetime) -> datetime | None:
    """When anything falls due next, later than `after` (governed time), for a clock that goes from one to the next."""
    return queries.find_next_due(session, after)


def next_occurrence(
    after: datetime, wall: time, zone: ZoneInfo, *, weekday: int | None = None
) -> datetime:
    """The first instant after `after` at which clocks in `zone` show `wall` (on that weekday; 0 is Monday)."""
    local = after.astimezone(zone)
    # A week on is the same weekday, and a day beyond for one that the zone skipped.
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


def slot_of(moment: datetime, zone: ZoneInfo, weekday: int | None) -> str:
    """What makes a run unique: the local date of a daily schedule (`2026-01-26`), the ISO week of a weekly (`2026-W05`)."""
    day = moment.astimezone(zone).date()
    if weekday is None:
        return day.isoformat()
    week = day.isocalendar()
    return f"{week.year}-W{week.week:02}"


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
    """Let `kind` recur for `owner` at HH:MM in an IANA zone, every day or on one weekday.

    Saying it again with another time or zone moves the next run within its own slot, so that none is lost and none
    runs twice: moved to an instant that has passed, it runs at once. What was stopped starts with the next slot.
    """
    wall = time.fromisoformat(local_time)
    known = queries.lock_schedule(session, owner, kind)
    if known is None:
        session.add(
            Schedule(
                owner=owner,
                kind=kind,
                local_time=local_time,
                weekday=weekday,
                tz=tz,
                next_at=next_occurrence(now, wall, ZoneInfo(tz), weekday=weekday),
                is_enabled=True,
            )
        )
        return
    same = (known.local_time, known.weekday, known.tz) == (local_time, weekday, tz)
    if known.is_enabled and not same:
        _move_slot(known, wall, ZoneInfo(tz), weekday)
    elif not known.is_enabled:
        known.next_at = _first_after(known, now, wall, ZoneInfo(tz), weekday)
        known.is_enabled = True
    known.local_time, known.weekday, known.tz = local_time, weekday, tz


def unschedule(session: Session, owner: str, kind: str) -> None:
    """Let `kind` recur for `owner` no more. What ran is remembered, so that starting again repeats no slot."""
    known = queries.lock_schedule(session, owner, kind)
    if known is not None:
        known.is_enabled = False


def move_zone(session: Session, owner: str, tz: str) -> None:
    """Somebody lives in another zone now: what recurs for them keeps its wall time and its slots, there."""
    for known in queries.lock_schedules_of(session, owner):
        move_schedule(known, tz)


def move_schedule(known: Schedule, tz: str) -> None:
    """`move_zone` for one schedule that this transaction holds."""
    if known.tz != tz:
        wall = time.fromisoformat(known.local_time)
        _move_slot(known, wall, ZoneInfo(tz), known.weekday)
        known.tz = tz


def _move_slot(known: Schedule, wall: time, zone: ZoneInfo, weekday: int | None) -> None:
    """The next run keeps its slot: the same local date, or the wanted weekday of the same ISO week."""
    day = known.next_at.astimezone(ZoneInfo(known.tz)).date()
    if weekday is not None:
        day += timedelta(days=weekday - day.weekday())
    known.next_at = local_instant(day, wall, zone)


def _first_after(
    known: Schedule, now: datetime, wall: time, zone: ZoneInfo, weekday: int | None
) -> datetime:
    """The first run after `now` whose slot has not run."""
    at = next_occurrence(now, wall, zone, weekday=weekday)
    while known.last_slot is not None and (slot_of(at, zone, weekday) <= known.last_slot):
        at = next_occurrence(at, wall, zone, weekday=weekday)
    return at


def list_due_schedules(
    session: Session, *, now: datetime, kinds: Sequence[str] | None = None
) -> Sequence[int]:
    """The schedules that look due, read without locks; only of these kinds, when some are given."""
    return queries.list_due_schedules(session, now=now, kinds=kinds)


@dataclass(frozen=True, slots=True)
class Taken:
    """A run of a schedule: the latest slot that is due, when it was due, and the slots before it that nobody ran."""

    owner: str
    kind: str
    slot: str
    at: datetime
    skipped: tuple[str, ...] = ()


def take_schedule(session: Session, schedule_id: int, *, now: datetime) -> Taken | None:
    """Lock a due schedule and move it on; what is to run, or None when it is not due or this slot has run.

    The slot is a local date or an ISO week (`slot_of`), so a clock change or a journey cannot run one twice. Of slots
    missed while nothing ran only the latest runs; the others are told as skipped.
    """
    due = queries.lock_due_schedule(session, schedule_id, now=now)
    return None if due is None else advance_schedule(due, now)


def advance_schedule(due: Schedule, now: datetime) -> Taken | None:
    """`take_schedule` for a due schedule that this transaction holds."""
    zone, wall = ZoneInfo(due.tz), time.fromisoformat(due.local_time)
    last = due.last_slot or ""
    latest, skipped = due.next_at, []
    while (following := next_occurrence(latest, wall, zone, weekday=due.weekday)) <= now:
        if (slot := slot_of(latest, zone, due.weekday)) > last:
            skipped.append(slot)
        latest = following
    slot = slot_of(latest, zone, due.weekday)
    due.next_at = following
    if slot <= last:
        return None
    due.last_slot = slot
    return Taken(due.owner, due.kind, slot, latest, tuple(skipped))
