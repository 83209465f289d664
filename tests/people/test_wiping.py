"""Nothing of an erased person in the pages of a SQLite file, and what is said where that cannot be seen to."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.people import erasure
from storage import backup
from storage.db import Database
from tests.contexts import make_context
from tests.people.test_tombstones import ANA, NOW, ORG, erased, read, seen
from workflows.context import OPERATOR
from workflows.people import service as people

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TRACE = "Ana Costa"


def place(database: Database) -> Path:
    assert database.url.database is not None
    return Path(database.url.database)


def content(path: Path) -> bytes:
    log = backup.path_beside(path, "-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


@SQLITE
def test_copies_that_earlier_changes_left_behind_go_too(database: Database) -> None:
    """Rows that moved to another page, or were changed before anything was overwritten, stay in pages that are free.

    `secure_delete` overwrites what is deleted from then on, so the file has to be written anew.
    """
    path = place(database)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute(f"CREATE TABLE old AS SELECT '{TRACE}' AS name")
        connection.execute("DROP TABLE old")
    erased(database)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert TRACE.encode() in content(path)
    (left,) = erasure.wipe(database)
    assert "Backups from before still hold them" in left
    assert TRACE.encode() not in content(path)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody reads all the while, from before the erasure."""
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    ) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM person").fetchone()
        yield


@SQLITE
def test_what_cannot_be_wiped_now_is_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "WAIT_SECONDS", 0.2)
    path = place(database)
    with held(path):
        erased(database)
        first = erasure.wipe(database)[0]
    assert "couldn't be written anew (it is in use)" in first
    assert "mlgov people wipe" in first
    assert TRACE.encode() in content(path)
    assert len(erasure.wipe(database)) == 1
    assert TRACE.encode() not in content(path)


@SQLITE
def test_a_reader_that_ends_is_waited_for(database: Database) -> None:
    path = place(database)
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with held(path):
            reading.set()
            done.wait(1.0)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(10)
    erased(database)
    assert len(erasure.wipe(database)) == 1
    done.set()
    reader.join()
    assert TRACE.encode() not in content(path)


@SQLITE
def test_files_that_restores_left_are_named(database: Database) -> None:
    aside = backup.path_beside(place(database), ".before-restore-20260126T090000Z")
    aside.write_bytes(b"x")
    assert f"{aside} is from before and still holds them" in " ".join(erasure.wipe(database))


def server_files(database: Database) -> bytes:
    """Every byte that PostgreSQL keeps of this database, but for the write-ahead log."""
    with database.read() as session:
        folder = session.execute(text("SHOW data_directory")).scalar_one()
        oid = session.execute(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        ).scalar_one()
    return b"".join(
        path.read_bytes()
        for path in sorted(Path(folder, "base", str(oid)).iterdir())
        if path.is_file()
    )


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_what_postgresql_is_told_to_run_leaves_nothing(database: Database) -> None:
    with database.begin() as session:
        read(session, *(seen(f"U9{n}") for n in range(5)), seen())
    autocommit = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        # As autovacuum does: it keeps some of the values as statistics.
        connection.exec_driver_sql("ANALYZE person")
        for slack_id in ("U90", "U91", "U92", "U93", "U94", ANA):
            with database.begin() as session:
                person = people.find_by_slack_id(session, ORG, slack_id)
                assert person is not None
                people.erase(make_context(session, actor=OPERATOR, now=NOW), person.id)
        connection.exec_driver_sql("CHECKPOINT")
        assert TRACE.encode() in server_files(database)
        _, statements = erasure.wipe(database)
        tables, rest = statements.split("; ", 1)
        connection.exec_driver_sql(tables)
        connection.exec_driver_sql("CHECKPOINT")
        assert TRACE.encode() in server_files(database), "the statistics quote her"
        for statement in rest.split("; "):
            connection.exec_driver_sql(statement)
        assert TRACE.encode() not in server_files(database)
        assert b"U0ANA" not in server_files(database)
