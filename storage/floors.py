"""Floors of ids: after an old copy of the database was restored, new rows get ids above all that were given before.

Otherwise an id that was given after the copy was made would be given again, and a button in Slack would act on another
request (decision 14). PostgreSQL moves its sequences. SQLite has none, so inserts are given ids until a table is above
its floor.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Integer, Table, func, select, text
from sqlalchemy.orm import Session

_STEP = 1000
"""Floors are whole thousands, so that people see that the ids have jumped."""
_ROOM = 1000
"""How many ids of each table are assumed to have been given in the lost time, besides those known from the ledger."""
_OUR_OWN = {"hold", "runtime", "audit_head", "audit_entry"}
"""Tables about this database itself; the ledger's numbers have no gaps."""
_INSIDE = {"decision"}
"""Tables whose ids no button carries."""


def list_numbered_tables() -> list[Table]:
    """The tables whose ids the database gives and people's buttons may carry."""
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
    """Raise the ids of every table above those that may have been given before; the floors, by table.

    `lost` is the number of ledger entries that are known to be missing; each counts as ten rows of every table.
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
    """The floors in force on a SQLite database; empty where nothing was ever restored."""
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
    """An INSERT of SQLite with ids for its rows while its table is below its floor; any other statement as it is.

    Takes and returns what SQLAlchemy's `before_execute` event has.
    """
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
