"""A database that is away is told once a minute, raises one kind of error, and is found again by itself."""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from storage.db import Database, DatabaseAway, DatabaseBusy, Outage
from tests.elsewhere import OwnPostgres

LOGGER = "storage.db"


@pytest.fixture(scope="module")
def own() -> Iterator[OwnPostgres]:
    with OwnPostgres() as server:
        yield server


def ask(database: Database) -> int:
    with database.read() as session:
        return int(session.execute(text("SELECT 1")).scalar_one())


def change(database: Database) -> None:
    with database.begin() as session:
        session.execute(text("UPDATE kept SET n = n + 1"))


@pytest.mark.slow
def test_a_stopped_postgresql_is_away_until_it_is_back(
    own: OwnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(own.url)
    with database.begin() as session:
        session.execute(text("CREATE TABLE kept (n int)"))
    assert ask(database) == 1
    with caplog.at_level(logging.INFO, LOGGER):
        own.stop()
        for _ in range(50):
            with pytest.raises(DatabaseAway):
                ask(database)
            with pytest.raises(DatabaseAway):
                change(database)
        assert len(caplog.records) == 1, caplog.text
        assert "cannot be reached" in caplog.text
        own.start()
        assert ask(database) == 1
        change(database)
    assert [record.getMessage()[:24] for record in caplog.records][1:] == [
        "the database is back aft"
    ]
    database.close()


@pytest.mark.slow
def test_a_connection_that_breaks_in_the_middle_changes_nothing(own: OwnPostgres) -> None:
    database = Database(own.url)
    with database.begin() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS half (n int)"))
    with pytest.raises(DatabaseAway), database.begin() as session:
        session.execute(
            text(
                "WITH kept AS (INSERT INTO half VALUES (1))"
                " SELECT pg_terminate_backend(pg_backend_pid())"
            )
        )
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM half")).scalar_one() == 0
    database.close()


def test_a_read_has_a_limit_of_its_own(database: Database) -> None:
    endless = (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500000000)"
        " SELECT count(*) FROM c"
    )
    with pytest.raises(DatabaseBusy), database.read(within=0.2) as session:
        session.execute(text(endless))
    assert ask(database) == 1


def test_a_file_that_is_no_database_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "mlgov.db"
    place.write_bytes(b"this is no database, and long enough to look at" * 100)
    database = Database(f"sqlite:///{place}")
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(5):
            with pytest.raises(DatabaseAway):
                ask(database)
        place.unlink()
        assert ask(database) == 1
    assert len(caplog.records) == 2, caplog.text
    database.close()


def test_a_full_disk_is_told_until_something_was_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'mlgov.db'}")
    with database.begin() as session:
        session.execute(text("CREATE TABLE kept (n int, filling text)"))
        session.execute(text("INSERT INTO kept VALUES (1, '')"))
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(3):
            with pytest.raises(DatabaseAway), database.begin() as session:
                session.execute(
                    text("INSERT INTO kept VALUES (2, :filling)"), {"filling": "x" * 100_000}
                )
            assert ask(database) == 1, "it can still be read"
        assert len(caplog.records) == 1, "reading is no proof that it can be written"
        assert "cannot be written" in caplog.text
        change(database)
    assert "is back" in caplog.records[-1].getMessage()
    database.close()


def test_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter([*range(180), 190])
    outage = Outage("cannot be reached", clock=lambda: float(next(seconds)))
    error = OperationalError("", None, sqlite3.OperationalError("disk I/O error\nmore"))
    with caplog.at_level(logging.INFO, LOGGER):
        outage.over()
        assert caplog.records == []
        for _ in range(180):
            outage.struck(error)
        assert len(caplog.records) == 3
        assert "for 120 seconds, in 121 tries" in caplog.records[2].getMessage()
        assert "disk I/O error" in caplog.text
        assert "more" not in caplog.text
        outage.over()
        outage.over()
    assert caplog.records[3].getMessage() == (
        "the database is back after 190 seconds and 180 tries"
    )
    assert len(caplog.records) == 4


def test_one_that_comes_and_goes_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    outage = Outage("cannot be reached", clock=lambda: now)
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(100):
            outage.struck(ValueError("file is not a database"))
            outage.over()
            now += 0.5
        assert len(caplog.records) == 2, "once that it is away, once that it is back"
        now += 60.0
        outage.struck(ValueError("file is not a database"))
        outage.over()
    assert len(caplog.records) == 4
