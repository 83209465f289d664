"""Transactions: one writer at a time, refused quickly when busy, woken after the commit."""

import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.db import Database, DatabaseBusy


def test_hooks_run_after_the_commit_and_only_when_there_is_something_to_send(
    database: Database,
) -> None:
    seen: list[int] = []

    def hook() -> None:
        with database.read() as session:
            seen.append(
                session.execute(text("SELECT count(*) FROM inbox")).scalar_one()
            )

    database.after_commit(hook)
    with database.begin() as session:
        session.execute(text("SELECT 1"))
    assert seen == []
    with database.begin() as session:
        session.execute(
            text("INSERT INTO inbox (event_key, received_at) VALUES ('a', :at)"),
            {"at": _time(database)},
        )
        session.info["wake"] = True
    assert seen == [1]


def _time(database: Database) -> object:
    return 0 if database.is_sqlite else "2026-01-01T00:00:00Z"


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read() as session:
        session.execute(
            text("INSERT INTO inbox (event_key, received_at) VALUES ('a', :at)"),
            {"at": _time(database)},
        )


@pytest.mark.slow
def test_a_held_lock_is_told_as_busy_well_before_slack_gives_up(
    database: Database,
) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with database.begin() as session:
            session.execute(text("UPDATE runtime SET offset_microseconds = 0"))
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    started = time.monotonic()
    try:
        with pytest.raises(DatabaseBusy), database.begin() as session:
            session.execute(text("UPDATE runtime SET offset_microseconds = 0"))
    finally:
        release.set()
        thread.join()
    assert time.monotonic() - started < 2.5
