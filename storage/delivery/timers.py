"""The SQL of timers and schedules: what is due, and locking it.

What is due is read without locks. Each is then run in a transaction of its own that locks the subject first and the
timer second and asks again whether it is due, as a click does: timer first would deadlock with a click.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Outbox, Schedule, Timer
from storage.enums import TimerState

_TIMERS = cast(Table, Timer.__table__)
_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert(Timer).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(Timer).on_conflict_do_nothing(),
}
_DUE = text("timer.state = 'due'")
"""A literal: a partial index is not found by a bind parameter."""
_CANDIDATES = (
    select(Timer.id, Timer.subject_type, Timer.subject_id, Timer.kind, Timer.seq)
    .where(
        _DUE,
        Timer.due_at <= bindparam("due_now"),
        or_(Timer.retry_at.is_(None), Timer.retry_at <= bindparam("real_now")),
    )
    .order_by(Timer.due_at, Timer.id)
    .limit(bindparam("most"))
)
_CANDIDATES_OF_KINDS = _CANDIDATES.where(Timer.kind.in_(bindparam("kinds", expanding=True)))
_CANCEL_OF = (
    update(Timer)
    .where(
        Timer.subject_type == bindparam("s_type"),
        Timer.subject_id == bindparam("s_id"),
        Timer.state == TimerState.DUE,
    )
    .values(state=TimerState.CANCELLED)
    .execution_options(synchronize_session=False)
)
_AGAIN = (
    update(Timer)
    .where(
        Timer.subject_type == bindparam("s_type"),
        Timer.subject_id == bindparam("s_id"),
        Timer.kind == bindparam("s_kind"),
        Timer.seq == bindparam("s_seq"),
        Timer.state != TimerState.DUE,
    )
    .values(
        state=TimerState.DUE,
        due_at=bindparam("new_due"),
        attempts=0,
        retry_at=None,
        last_error=None,
    )
    .execution_options(synchronize_session=False)
)
_LOCK = select(Timer).where(Timer.id == bindparam("timer_id"))
_DUE_OF = (
    select(Timer)
    .where(
        Timer.subject_type == bindparam("s_type"),
        Timer.subject_id == bindparam("s_id"),
        Timer.state == TimerState.DUE,
    )
    .order_by(Timer.id)
    .with_for_update()
)
_LOCK_DUE = _LOCK.where(_DUE, Timer.due_at <= bindparam("due_now")).with_for_update(
    skip_locked=True
)
_LOCK_ANY = _LOCK.with_for_update()
_NEXT = [
    select(func.min(Timer.due_at)).where(_DUE, Timer.due_at > bindparam("after")),
    select(func.min(Schedule.next_at)).where(
        Schedule.is_enabled.is_(True), Schedule.next_at > bindparam("after")
    ),
    select(func.min(Outbox.due_at)).where(
        text("outbox.state = 'pending'"), Outbox.due_at > bindparam("after")
    ),
]
_LATE = select(func.count(), func.min(Timer.due_at)).where(
    _DUE, Timer.due_at <= bindparam("due_now")
)
_LATE_SCHEDULES = select(func.count(), func.min(Schedule.next_at)).where(
    Schedule.is_enabled.is_(True), Schedule.next_at <= bindparam("due_now")
)
_SCHEDULE = (
    select(Schedule)
    .where(Schedule.owner == bindparam("owner"), Schedule.kind == bindparam("kind"))
    .with_for_update()
)
_SCHEDULES_OF = (
    select(Schedule)
    .where(Schedule.owner == bindparam("owner"))
    .order_by(Schedule.id)
    .with_for_update()
)
_DUE_SCHEDULES = (
    select(Schedule.id)
    .where(Schedule.next_at <= bindparam("now"), Schedule.is_enabled.is_(True))
    .order_by(Schedule.id)
)
_DUE_SCHEDULES_OF_KINDS = _DUE_SCHEDULES.where(
    Schedule.kind.in_(bindparam("kinds", expanding=True))
)
_LOCK_SCHEDULE = (
    select(Schedule)
    .where(
        Schedule.id == bindparam("schedule_id"),
        Schedule.next_at <= bindparam("now"),
        Schedule.is_enabled.is_(True),
    )
    .with_for_update(skip_locked=True)
)


def start(session: Session, values: dict[str, Any]) -> None:
    """Insert a timer by its columns; one with the same subject, kind and seq stays as it is."""
    session.execute(_INSERT[session.get_bind().dialect.name], values)


def restart(
    session: Session, subject_type: str, subject_id: str, kind: str, seq: int, due_at: datetime
) -> None:
    """Let a timer that has run, was cancelled or is dead fall due at `due_at`, with no attempts counted; one that waits
    stays as it is."""
    session.execute(
        _AGAIN,
        {
            "s_type": subject_type,
            "s_id": subject_id,
            "s_kind": kind,
            "s_seq": seq,
            "new_due": due_at,
        },
    )


def _wake(make: Any) -> Any:
    statement = make(_TIMERS)
    due = statement.excluded.due_at
    return statement.on_conflict_do_update(
        index_elements=["subject_type", "subject_id", "kind", "seq"],
        set_={
            "due_at": case(
                ((_TIMERS.c.state == TimerState.DUE) & (_TIMERS.c.due_at < due), _TIMERS.c.due_at),
                else_=due,
            ),
            "state": TimerState.DUE,
            "attempts": 0,
            "retry_at": None,
            "last_error": None,
        },
    )


_WAKE: dict[str, Any] = {"sqlite": _wake(sqlite.insert), "postgresql": _wake(postgresql.insert)}


def wake(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert timers, or let those that are there fall due again, by `due_at` at the latest, with no attempts counted.

    A timer that is running holds its row's lock: this waits for it, and it runs once more.
    """
    session.connection().execute(_WAKE[session.get_bind().dialect.name], list(rows))


def cancel_of(session: Session, subject_type: str, subject_id: str) -> None:
    """Cancel every timer of a subject that waits."""
    session.execute(_CANCEL_OF, {"s_type": subject_type, "s_id": subject_id})


def cancel_one(session: Session, timer_id: int) -> None:
    """Cancel a timer; this transaction has locked it, or locks it now."""
    timer = session.execute(_LOCK_ANY, {"timer_id": timer_id}).scalar_one()
    timer.state = TimerState.CANCELLED


def lock_due_of(session: Session, subject_type: str, subject_id: str) -> Sequence[Timer]:
    """The subject's timers that wait, locked, by id. The caller has locked the subject's row before."""
    return session.execute(_DUE_OF, {"s_type": subject_type, "s_id": subject_id}).scalars().all()


def list_due(
    session: Session,
    *,
    due_now: datetime,
    real_now: datetime,
    most: int,
    kinds: Sequence[str] | None,
) -> list[tuple[int, str, str, str, int]]:
    """At most `most` timers that are due, earliest first, without locks: id, type and id of the subject, kind, seq.

    Due by `due_now` (governed time), and past their back-off by `real_now` (real time). `kinds` None is all kinds.
    """
    parameters: dict[str, Any] = {"due_now": due_now, "real_now": real_now, "most": most}
    statement = _CANDIDATES if kinds is None else _CANDIDATES_OF_KINDS
    if kinds is not None:
        parameters["kinds"] = list(kinds)
    return [
        (id_, type_, subject_id, kind, seq)
        for id_, type_, subject_id, kind, seq in session.execute(statement, parameters)
    ]


def lock_due(session: Session, timer_id: int, *, due_now: datetime) -> Timer | None:
    """The timer, locked; None when it isn't due any more, or when another transaction holds it."""
    return session.execute(
        _LOCK_DUE, {"timer_id": timer_id, "due_now": due_now}
    ).scalar_one_or_none()


def lock(session: Session, timer_id: int) -> Timer | None:
    """The timer, locked, whatever its state; None when there is none."""
    return session.execute(_LOCK_ANY, {"timer_id": timer_id}).scalar_one_or_none()


def find_next_due(session: Session, after: datetime) -> datetime | None:
    """When a timer, a schedule or a message falls due next after `after` (governed time); None when nothing will."""
    moments = [session.execute(one, {"after": after}).scalar_one() for one in _NEXT]
    return min((moment for moment in moments if moment), default=None)


def find_late(session: Session, *, now: datetime) -> tuple[int, datetime | None]:
    """Number of timers that are due, those in back-off included, and the `due_at` of the oldest (None: none is due)."""
    number, oldest = session.execute(_LATE, {"due_now": now}).one()
    return number, oldest


def find_late_schedules(session: Session, *, now: datetime) -> tuple[int, datetime | None]:
    """As `find_late`, for schedules."""
    number, oldest = session.execute(_LATE_SCHEDULES, {"due_now": now}).one()
    return number, oldest


def lock_schedule(session: Session, owner: str, kind: str) -> Schedule | None:
    """An owner's schedule of this kind, locked; None when there is none."""
    return session.execute(_SCHEDULE, {"owner": owner, "kind": kind}).scalar_one_or_none()


def lock_schedules_of(session: Session, owner: str) -> Sequence[Schedule]:
    """All schedules of an owner, locked, by id."""
    return session.execute(_SCHEDULES_OF, {"owner": owner}).scalars().all()


def list_due_schedules(
    session: Session, *, now: datetime, kinds: Sequence[str] | None
) -> Sequence[int]:
    """Ids of the schedules that are due at `now` (governed time), without locks. `kinds` None is all kinds."""
    if kinds is None:
        return session.execute(_DUE_SCHEDULES, {"now": now}).scalars().all()
    return (
        session.execute(_DUE_SCHEDULES_OF_KINDS, {"now": now, "kinds": list(kinds)}).scalars().all()
    )


def lock_due_schedule(session: Session, schedule_id: int, *, now: datetime) -> Schedule | None:
    """The schedule, locked; None when it isn't due any more, or when another transaction holds it."""
    return session.execute(
        _LOCK_SCHEDULE, {"schedule_id": schedule_id, "now": now}
    ).scalar_one_or_none()
