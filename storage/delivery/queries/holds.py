"""Times in which nothing is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from storage.delivery.tables import Hold, Message, Outbox, Schedule, Timer
from storage.enums import OutboxState, TimerState

_STANDING = (
    select(
        Hold.id,
        Hold.released_at,
        Hold.looks,
        Hold.look_from,
        Hold.look_until,
        Hold.governed_from,
        Hold.governed_until,
    )
    .where(
        or_(Hold.released_at.is_(None), Hold.looks.is_(True) & (Hold.held_at > bindparam("since")))
    )
    .order_by(Hold.id)
)
_IS_HELD = select(Hold.id).where(Hold.released_at.is_(None)).limit(1)
_CURRENT = select(Hold).where(Hold.released_at.is_(None)).order_by(Hold.id.desc()).limit(1)
_ALL = select(Hold).order_by(Hold.id)
_TO_REVIEW = (
    select(Outbox)
    .where(Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]))
    .order_by(Outbox.id)
)


class HoldSpan(NamedTuple):
    """What a claim reads of a hold. The spans are of real and of governed time."""

    id: int
    released_at: datetime | None
    looks: bool
    look_from: datetime
    look_until: datetime
    governed_from: datetime
    governed_until: datetime


def list_in_force(session: Session, since: datetime) -> list[HoldSpan]:
    """Holds that are in force, and those since then after which messages are looked for before they are sent."""
    return [HoldSpan(*row) for row in session.execute(_STANDING, {"since": since})]


def is_held(session: Session) -> bool:
    """Whether nothing may be sent."""
    return session.execute(_IS_HELD).first() is not None


def find_current(session: Session) -> Hold | None:
    """The hold in force; the latest, where there are several."""
    return session.execute(_CURRENT).scalar_one_or_none()


def list_holds(session: Session) -> Sequence[Hold]:
    """All holds there ever were, oldest first."""
    return session.execute(_ALL).scalars().all()


def list_waiting(session: Session) -> Sequence[Outbox]:
    """What waits to be sent, oldest first."""
    return session.execute(_TO_REVIEW).scalars().all()


def open_copies(session: Session) -> Sequence[Message]:
    """Every message in Slack whose record can still change; what it shows there counts as unknown from now on."""
    copies = (
        session.execute(
            select(Message)
            .where(Message.live.is_(True), Message.is_final.is_(False))
            .order_by(Message.lane_key, Message.id)
        )
        .scalars()
        .all()
    )
    for copy in copies:
        copy.shown_hash = ""
    session.flush()
    return copies


def count_due_timers(session: Session, now: datetime) -> Mapping[str, int]:
    """How many timers have fallen due, by kind."""
    rows = session.execute(
        select(Timer.kind, func.count())
        .where(Timer.state == TimerState.DUE, Timer.due_at <= now)
        .group_by(Timer.kind)
        .order_by(Timer.kind)
    )
    return {row[0]: row[1] for row in rows}


def count_due_schedules(session: Session, now: datetime) -> Mapping[str, int]:
    """How many schedules have fallen due, by kind."""
    rows = session.execute(
        select(Schedule.kind, func.count())
        .where(Schedule.is_enabled.is_(True), Schedule.next_at <= now)
        .group_by(Schedule.kind)
        .order_by(Schedule.kind)
    )
    return {row[0]: row[1] for row in rows}
