"""Work that one process does for all: how far it has come (`JobCursor`), and which process is at it (`Lease`)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base

# --- How far long work in steps has come, so that another process can go on where one stopped

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class JobCursor(Base):
    """Work that isn't finished, by its name, and the last id that it has dealt with (0: none yet)."""

    __tablename__ = "job_cursor"

    name: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger)


def begin(session: Session, name: str) -> None:
    """Let the work begin at the first id, even where it is under way: what it has dealt with may have changed since."""
    statement = _INSERT[session.get_bind().dialect.name](JobCursor).values(name=name, after=0)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"after": 0}))


def read_position(session: Session, name: str) -> int | None:
    """The last id that was dealt with; None when there is nothing to do."""
    return session.execute(
        select(JobCursor.after).where(JobCursor.name == name)
    ).scalar_one_or_none()


def lock(session: Session, name: str) -> int | None:
    """As `read_position`, locked until the transaction ends."""
    return session.execute(
        select(JobCursor.after).where(JobCursor.name == name).with_for_update()
    ).scalar_one_or_none()


def move(session: Session, name: str, after: int) -> None:
    """Set the last id that was dealt with."""
    session.execute(
        JobCursor.__table__.update()  # type: ignore[attr-defined]
        .where(JobCursor.name == name)
        .values(after=after)
    )


def end(session: Session, name: str) -> None:
    """Note that the work is finished: its cursor goes."""
    session.execute(delete(JobCursor).where(JobCursor.name == name))


# --- Leases: which process does a piece of work now
#
# A lease ends by itself when its holder dies. All times are real time, the database's. A lease
# that ends later than its length from now can't have been taken by this clock: the clock was
# set back, or the database was restored, and such a lease must not hold anybody up.

SLACK = timedelta(seconds=5)
"""Tolerance for that comparison, as clocks are corrected by small amounts all the time."""


class Lease(Base):
    """A piece of work that one process, `owner`, does until `until` (real time); both None when it is free."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    until: Mapped[datetime | None]


def is_held(until: datetime | None, *, length: timedelta, real_now: datetime) -> bool:
    """Whether a lease that was taken for `length` and ends at `until` is still running; None never was taken."""
    return until is not None and real_now < until <= real_now + length + SLACK


def take(session: Session, name: str, *, owner: str, length: timedelta, real_now: datetime) -> bool:
    """Take a lease for `length`, or prolong the one that `owner` holds; False when another owner holds it."""
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
    """End the lease of `owner` before its time; one that another owner has taken since stays."""
    row = session.execute(
        select(Lease).where(Lease.name == name, Lease.owner == owner).with_for_update()
    ).scalar_one_or_none()
    if row is not None:
        row.owner = row.until = None
        session.flush()
