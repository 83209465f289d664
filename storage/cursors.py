"""How far long work has come that is done in steps, so that whoever goes on with it goes on where it stopped."""

from typing import Any

from sqlalchemy import BigInteger, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base

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
