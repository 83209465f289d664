"""Numbers that are never given twice: after an old copy came back, new rows begin above every number that stood before."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Integer, Table, func, select, text
from sqlalchemy.orm import Session

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
