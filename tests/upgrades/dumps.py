"""The dumps: what a database of each earlier revision held, filled by the code of its time. `make_dumps` makes them.

A dump is JSON, packed: the revision, the commit whose code filled it, every row of every table (SQLite's own values, or
PostgreSQL's as text), the workspace and the policy that it was filled with, and the cards that wait for somebody.
"""

import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from storage import migrate
from storage.db import Database

FOLDER = Path(__file__).parent / "dumps"

Rows = dict[str, dict[str, Any]]
"""By table: its `columns`, and `rows` in their order."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a database of one revision held."""

    revision: str
    backend: str
    commit: str
    """The commit whose code filled it."""
    rows_of: str
    """The revision that this code was of: a later one, where no commit ever stood at `revision`."""
    at: str
    """Governed time when it was taken."""
    world: dict[str, Any]
    cards: list[dict[str, Any]]
    filled: list[str]
    """Tables whose row is no work of a service."""
    tables: Rows

    def column(self, table: str, name: str) -> list[Any]:
        """What one column held, in the order of the rows."""
        place = self.tables[table]["columns"].index(name)
        return [row[place] for row in self.tables[table]["rows"]]

    @property
    def policy(self) -> str:
        """The policy that was in force."""
        return str(self.column("policy_version", "text")[-1])


def path(revision: str, backend: str) -> Path:
    """Where a dump is kept."""
    return FOLDER / f"{revision}-{backend}.json.xz"


def kept() -> dict[str, str]:
    """The revisions that have dumps, each with the revision whose rows it takes: its own, or the next that has some."""
    own = sorted({file.name[:4] for file in FOLDER.glob("*.json.xz")})
    return {
        revision: next(one for one in own if one >= revision)
        for revision in sorted(migrate.known_revisions())
        if own and revision <= own[-1]
    }


def read(revision: str, backend: str) -> Dump:
    """The dump of a revision. Where no commit stood at it, these are the rows of the next one: see `load`."""
    source = kept()[revision]
    raw = json.loads(lzma.decompress(path(source, backend).read_bytes()))
    return Dump(revision=revision, backend=backend, rows_of=source, **raw)


def write(revision: str, backend: str, content: dict[str, Any]) -> None:
    """Keep a dump; the same content makes the same bytes."""
    FOLDER.mkdir(exist_ok=True)
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    path(revision, backend).write_bytes(lzma.compress(raw.encode(), preset=9 | lzma.PRESET_EXTREME))


def rows(connection: Connection) -> Rows:
    """Everything that a database holds, as a dump keeps it."""
    plain = connection.dialect.name == "sqlite"
    held: Rows = {}
    inspector = inspect(connection)
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        columns = [column["name"] for column in inspector.get_columns(table)]
        keys = inspector.get_pk_constraint(table)["constrained_columns"]
        listed = ", ".join(f'"{name}"' if plain else f'"{name}"::text' for name in columns)
        order = ", ".join(f'"{name}"' for name in keys)
        answer = connection.exec_driver_sql(f'SELECT {listed} FROM "{table}" ORDER BY {order}')
        held[table] = {"columns": columns, "rows": [list(row) for row in answer]}
    return held


def load(database: Database, dump: Dump) -> None:
    """Bring an empty database to the dump's revision and put its rows in, but for tables and columns that came later."""
    migrate.upgrade(database, target=dump.revision)
    with database.reshaping() as connection:
        inspector = inspect(connection)
        there = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
        if not database.is_sqlite:
            # As `pg_restore --disable-triggers` does: neither the ledger's triggers nor the order of tables count.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in there.keys() & dump.tables.keys():
                connection.execute(text(f'DELETE FROM "{table}"'))
        for table, content in dump.tables.items():
            if table in there and content["rows"]:
                _insert(connection, table, content, there[table])
        if not database.is_sqlite:
            _continue_counting(connection, there)


def _insert(connection: Connection, table: str, content: dict[str, Any], there: set[str]) -> None:
    columns = [name for name in content["columns"] if name in there]
    places = [content["columns"].index(name) for name in columns]
    names = ", ".join(f'"{name}"' for name in columns)
    # The first migration made some rows itself.
    verb = "INSERT OR REPLACE" if connection.dialect.name == "sqlite" else "INSERT"
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(columns))
    connection.exec_driver_sql(
        f'{verb} INTO "{table}" ({names}) VALUES ({marks})',
        [tuple(row[place] for place in places) for row in content["rows"]],
    )


def _continue_counting(connection: Connection, there: dict[str, set[str]]) -> None:
    for table, columns in there.items():
        if "id" not in columns:
            continue
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table}
        ).scalar()
        if sequence:
            connection.execute(
                text(f'SELECT setval(:sequence, (SELECT max(id) FROM "{table}"))'),
                {"sequence": sequence},
            )
