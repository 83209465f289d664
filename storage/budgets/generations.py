"""Generations of cost: loads are written beside the current ones in batches, switched at once, and removed in batches.

A load is `writing` until all of it is there, `current` while it counts, and `old` when it was replaced or given up. So a
write transaction is short whatever the size of a load, and readers see all of the old or all of the new (decision 30).
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from storage.budgets.tables import AllocationKey, CostEntry, CostLoad, CostMonth
from storage.enums import CostState

ENTRY_COLUMNS = (
    "load_id, charge_date, allocation_key_id, service, category, currency, billed, effective, rows"
)
_ENTRIES_SQLITE = f"INSERT INTO cost_entry ({ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
_ENTRIES_POSTGRESQL = f"COPY cost_entry ({ENTRY_COLUMNS}) FROM STDIN"
_KEYS: dict[str, Any] = {
    "sqlite": sqlite.insert(AllocationKey).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(AllocationKey).on_conflict_do_nothing(),
}
_UNCOUNTED_LOADS = text("cost_load.state <> 'current'")
"""A literal: a partial index is not found by a bind parameter."""


def begin(
    session: Session,
    source: str,
    billing_period: date,
    *,
    sha256: str,
    rows: int,
    charges_through: date,
    now: datetime,
    real_now: datetime,
) -> int:
    """Insert a load in state `writing`, which no reader counts; its id. `now` is governed time."""
    load = CostLoad(
        source=source,
        billing_period=billing_period,
        sha256=sha256,
        rows=rows,
        charges_through=charges_through,
        loaded_at=now,
        state=CostState.WRITING.value,
        written_at=real_now,
    )
    session.add(load)
    session.flush()
    return load.id


def go_on(session: Session, loads: Collection[int], *, real_now: datetime) -> bool:
    """Note that these loads are still being written; False when one of them was put aside meanwhile."""
    result: Any = session.execute(
        update(CostLoad)
        .where(CostLoad.id.in_(sorted(loads)), CostLoad.state == CostState.WRITING.value)
        .values(written_at=real_now)
        .execution_options(synchronize_session=False)
    )
    return _count(result) == len(loads)


def insert_entries(session: Session, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of `cost_entry` (`ENTRY_COLUMNS`; money as canonical text, days as ISO text).

    By the driver (`executemany`, COPY), since a load may have a million.
    """
    connection = session.connection()
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise RuntimeError("the session has lost its connection")
    cursor = raw.cursor()
    try:
        if connection.dialect.name == "sqlite":
            cursor.executemany(_ENTRIES_SQLITE, rows)
        else:
            with cursor.copy(_ENTRIES_POSTGRESQL) as copy:
                for row in rows:
                    copy.write_row(row)
    finally:
        cursor.close()


def insert_months(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the monthly roll-up, by column."""
    if rows:
        session.execute(insert(CostMonth), rows)


def stage_allocation_keys(
    session: Session, keys: Sequence[tuple[str, str, str, int | None]]
) -> None:
    """Insert allocation keys: sub-account id and name, tags, project; one that is there already stays as it is."""
    if keys:
        session.connection().execute(
            _KEYS[session.get_bind().dialect.name],
            [
                {
                    "sub_account_id": account_id,
                    "sub_account_name": name,
                    "tags": tags,
                    "project_id": project,
                }
                for account_id, name, tags, project in keys
            ],
        )


_GIVE = (
    update(AllocationKey)
    .where(
        AllocationKey.id == bindparam("key"),
        # NULL for cost of no project, which `=` never matches.
        AllocationKey.project_id.is_not_distinct_from(bindparam("before")),
    )
    .values(project_id=bindparam("project"))
)


def give_keys(session: Session, changes: Sequence[dict[str, Any]]) -> None:
    """Give allocation keys to other projects. `changes` are {"key": id, "before": id or None, "project": id or None}.

    They were worked out in an earlier read transaction: a key that isn't `before`'s any more keeps its project.
    """
    if changes:
        session.connection().execute(_GIVE, list(changes))


def make_current(
    session: Session, new: Collection[int], old: Collection[int], *, now: datetime
) -> bool:
    """Let the loads `new` count in place of `old`; False when one of them has left its state: then the caller rolls back.

    Both updates are in one transaction, so no reader sees cost twice or not at all. The roll-up refers to its load, so it
    changes with it.
    """
    # Each is matched by the state it was seen in: one that another transaction has switched since is not updated.
    put_aside: Any = session.execute(
        update(CostLoad)
        .where(CostLoad.id.in_(sorted(old)), CostLoad.state == CostState.CURRENT.value)
        .values(state=CostState.OLD.value)
        .execution_options(synchronize_session=False)
    )
    current: Any = session.execute(
        update(CostLoad)
        .where(CostLoad.id.in_(sorted(new)), CostLoad.state == CostState.WRITING.value)
        .values(state=CostState.CURRENT.value, loaded_at=now)
        .execution_options(synchronize_session=False)
    )
    return _count(put_aside) == len(old) and _count(current) == len(new)


def put_aside(session: Session, loads: Collection[int]) -> None:
    """Give up loads that are being written: they become `old`, to be removed."""
    session.execute(
        update(CostLoad)
        .where(CostLoad.id.in_(sorted(loads)), CostLoad.state == CostState.WRITING.value)
        .values(state=CostState.OLD.value)
        .execution_options(synchronize_session=False)
    )


def put_aside_abandoned(session: Session, before: datetime) -> None:
    """Give up every load whose last batch was written before `before` (real time): its process died or hangs."""
    session.execute(
        update(CostLoad)
        .where(
            _UNCOUNTED_LOADS,
            CostLoad.state == CostState.WRITING.value,
            CostLoad.written_at < before,
        )
        .values(state=CostState.OLD.value)
        .execution_options(synchronize_session=False)
    )


def is_anything_left(session: Session, before: datetime) -> bool:
    """Whether there are loads to remove: old ones, and those whose last batch was written before `before` (real time)."""
    return (
        session.execute(
            select(CostLoad.id)
            .where(
                _UNCOUNTED_LOADS,
                (CostLoad.state == CostState.OLD.value) | (CostLoad.written_at < before),
            )
            .limit(1)
        ).first()
        is not None
    )


def remove_some(session: Session, most: int) -> bool:
    """Remove about `most` rows of one old load: entries, then the roll-up, then the load; False when there is none."""
    # SKIP LOCKED: two removers take two loads. The load itself goes last, so that an interrupted removal is found again.
    load_id = session.execute(
        select(CostLoad.id)
        .where(_UNCOUNTED_LOADS, CostLoad.state == CostState.OLD.value)
        .order_by(CostLoad.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if load_id is None:
        return False
    entries = (
        select(CostEntry.id).where(CostEntry.load_id == load_id).order_by(CostEntry.id).limit(most)
    )
    removed: Any = session.execute(
        delete(CostEntry)
        .where(CostEntry.id.in_(entries))
        .execution_options(synchronize_session=False)
    )
    left = most - _count(removed)
    if left <= 0:
        return True
    keys = (
        select(CostMonth.allocation_key_id)
        .where(CostMonth.load_id == load_id)
        .order_by(CostMonth.allocation_key_id)
        .limit(left)
    )
    of_load = CostMonth.load_id == load_id
    last = session.execute(select(func.max(keys.subquery().c.allocation_key_id))).scalar_one()
    if last is not None:
        session.execute(
            delete(CostMonth)
            .where(of_load, CostMonth.allocation_key_id <= last)
            .execution_options(synchronize_session=False)
        )
        return True
    session.execute(
        delete(CostLoad).where(CostLoad.id == load_id).execution_options(synchronize_session=False)
    )
    return True


def _count(result: Any) -> int:
    assert isinstance(result, CursorResult)  # noqa: S101 - a change always returns a cursor
    return int(result.rowcount)
