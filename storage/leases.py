"""Whose turn it is at work that one process does for all of them. A lease ends by itself when its holder dies.

All times are real, the database's. A lease that ends later than its length from now cannot have been taken by this
clock: the clock was set back, and such a lease holds up nobody.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Insert, Integer, Table, delete, func, select, text
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


# --- Numbers that are never given twice
#
# after an old copy came back, new rows begin above every number it may have given. Numbers
# stand in Slack, in buttons and in what was told outside. Given once more, a button on a card
# that the copy does not know would decide another request. PostgreSQL's sequences are moved;
# SQLite numbers by what is there, so that the first row of each table after a restore is told
# its number.

_STEP = 1000
"""Floors are whole thousands, so that a jump is seen to be one."""
_ROOM = 1000
"""How many numbers of each table the lost time is thought to have used at most, besides what is known of it."""
_OUR_OWN = {"hold", "runtime", "audit_head", "audit_entry"}
_INSIDE = {"decision"}
"""Whose numbers no button carries: who decides again what the copy does not know says it in the line that stands there."""


def list_numbered_tables() -> list[Table]:
    """The tables whose rows are numbered by the database."""
    from storage.tables import Base as storage_Base

    versions = []
    for table in storage_Base.metadata.sorted_tables:
        keys = list(table.primary_key.columns)
        if table.name in _OUR_OWN | _INSIDE or len(keys) != 1 or keys[0].foreign_keys:
            continue
        if isinstance(keys[0].type, Integer) and keys[0].autoincrement:
            versions.append(table)
    return versions


def raise_all(session: Session, *, lost: int) -> dict[str, int]:
    """Let every table number its next row above what was given before; the floors, by table.

    `lost` is how many entries of the ledger are known to be missing: each may stand for several rows.
    """
    floors = {}
    for table in list_numbered_tables():
        key = next(iter(table.primary_key.columns))
        top = session.execute(select(func.max(key))).scalar_one() or 0
        floors[table.name] = ((top + _ROOM + 10 * lost) // _STEP + 1) * _STEP
        if session.get_bind().dialect.name == "postgresql":
            session.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :key), :floor)"),
                {"table": table.name, "key": key.name, "floor": floors[table.name]},
            )
    return floors


def read_floors(connection: Connection) -> dict[str, int]:
    """The floors that are in force on a SQLite database; none where no copy ever came back."""
    there = connection.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'hold'"
    ).first()
    if there is None:
        return {}
    floors: dict[str, int] = {}
    for (listed,) in connection.exec_driver_sql("SELECT floors FROM hold"):
        for name, floor in json.loads(listed).items():
            floors[name] = max(floors.get(name, 0), int(floor))
    return floors


def number_rows(
    connection: Connection,
    clause: Any,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    floors: Mapping[str, int],
) -> tuple[Any, Any, Any]:
    """An INSERT on SQLite with numbers for its rows, where the table is still below its floor; else as it is."""
    if not isinstance(clause, Insert) or not isinstance(clause.table, Table):
        return clause, multiparams, params
    table = clause.table
    floor = floors.get(table.name)
    if floor is None:
        return clause, multiparams, params
    key = next(iter(table.primary_key.columns))
    top = connection.exec_driver_sql(
        f"SELECT max({key.name}) FROM {table.name}"  # noqa: S608 - names of our own
    ).scalar_one()
    if top is not None and top > floor:
        return clause, multiparams, params
    rows = [dict(row) for row in multiparams] or [dict(params)]
    if any(row.get(key.name) is not None for row in rows):
        return clause, multiparams, params
    numbered_rows = [row | {key.name: floor + place} for place, row in enumerate(rows, 1)]
    if multiparams:
        return clause, numbered_rows, params
    if not params:
        return clause.values({key.name: floor + 1}), multiparams, params
    return clause, multiparams, numbered_rows[0]
