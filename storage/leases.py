"""Whose turn it is at work that one process does for all of them. A lease ends by itself when its holder dies.

All times are real, the database's. A lease that ends later than its length from now cannot have been taken by this
clock: the clock was set back, and such a lease holds up nobody.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base

# --- How far long work has come that is done in steps, so that whoever goes on with it goes on
#     where it stopped

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class JobCursor(Base):
    """Work that is not finished, by its name, and the last id that it has dealt with."""

    __tablename__ = "job_cursor"

    name: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger)


def begin(session: Session, name: str) -> None:
    """Let the work be done from the start, also where it is under way: what it dealt with may have changed."""
    statement = _INSERT[session.get_bind().dialect.name](JobCursor).values(name=name, after=0)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"after": 0}))


def read_position(session: Session, name: str) -> int | None:
    """The last id that was dealt with; None when there is nothing to do."""
    return session.execute(
        select(JobCursor.after).where(JobCursor.name == name)
    ).scalar_one_or_none()


def lock(session: Session, name: str) -> int | None:
    """The same, locked until the transaction ends."""
    return session.execute(
        select(JobCursor.after).where(JobCursor.name == name).with_for_update()
    ).scalar_one_or_none()


def move(session: Session, name: str, after: int) -> None:
    """So far it has come."""
    session.execute(
        JobCursor.__table__.update()  # type: ignore[attr-defined]
        .where(JobCursor.name == name)
        .values(after=after)
    )


def end(session: Session, name: str) -> None:
    """It is finished."""
    session.execute(delete(JobCursor).where(JobCursor.name == name))


# --- Whose turn it is at work that one process does for all of them
#
# A lease ends by itself when its holder dies. All times are real, the database's. A lease that
# ends later than its length from now cannot have been taken by this clock: the clock was set
# back, and such a lease holds up nobody.

SLACK = timedelta(seconds=5)
"""By how much clocks are put right every day without anybody having to notice."""


class Lease(Base):
    """A piece of work that one process does at a time, by its name."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    until: Mapped[datetime | None]


def is_held(until: datetime | None, *, length: timedelta, real_now: datetime) -> bool:
    """Whether a lease of that length is still running."""
    return until is not None and real_now < until <= real_now + length + SLACK


def take(session: Session, name: str, *, owner: str, length: timedelta, real_now: datetime) -> bool:
    """Take a lease, or keep the one that `owner` holds for another `length`; False when somebody else holds it."""
    insert = _INSERT[session.get_bind().dialect.name]
    session.execute(
        insert(Lease)
        .values(name=name, owner=None, until=None)
        .on_conflict_do_nothing(index_elements=["name"])
    )
    row = session.execute(
        select(Lease)
        .where(Lease.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    if row.owner not in (None, owner) and is_held(row.until, length=length, real_now=real_now):
        return False
    row.owner, row.until = owner, real_now + length
    session.flush()
    return True


def is_free_for(
    session: Session, name: str, *, owner: str, length: timedelta, real_now: datetime
) -> bool:
    """Whether `take` would be granted. Only reads."""
    row = session.execute(select(Lease.owner, Lease.until).where(Lease.name == name)).first()
    return (
        row is None
        or row.owner in (None, owner)
        or not is_held(row.until, length=length, real_now=real_now)
    )


def give_back(session: Session, name: str, *, owner: str) -> None:
    """End a lease before its time; one that somebody else took meanwhile is left alone."""
    row = session.execute(
        select(Lease).where(Lease.name == name, Lease.owner == owner).with_for_update()
    ).scalar_one_or_none()
    if row is not None:
        row.owner = row.until = None
        session.flush()
