"""Whose turn it is, on both databases: one holder, an end by itself, and clocks that go back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from bot.background import Turn
from storage import leases
from storage.db import Database
from storage.leases import Lease

NOW = datetime(2026, 1, 26, 9, 0, tzinfo=UTC)
LENGTH = timedelta(seconds=30)


def take(database: Database, owner: str, at: datetime) -> bool:
    return database.run(
        lambda session: leases.take(session, "mirror", owner=owner, length=LENGTH, real_now=at)
    )


def test_one_has_it_until_it_ends_or_is_given_back(database: Database) -> None:
    assert take(database, "a", NOW)
    assert not take(database, "b", NOW + timedelta(seconds=29))
    assert take(database, "a", NOW + timedelta(seconds=29)), "its holder keeps it"
    assert not take(database, "b", NOW + timedelta(seconds=58))
    assert take(database, "b", NOW + timedelta(seconds=59)), "a died"
    database.run(lambda session: leases.give_back(session, "mirror", owner="a"))
    assert not take(database, "a", NOW + timedelta(seconds=60)), "b has it still"
    database.run(lambda session: leases.give_back(session, "mirror", owner="b"))
    assert take(database, "a", NOW + timedelta(seconds=60))


def test_a_clock_that_is_set_back_holds_up_nobody(database: Database) -> None:
    assert take(database, "a", NOW)
    assert not take(database, "b", NOW - timedelta(seconds=3)), "clocks are put right"
    assert take(database, "b", NOW - timedelta(hours=2))


def test_of_many_at_once_one_gets_it(database: Database) -> None:
    took: list[str] = []

    def go(name: str) -> None:
        if take(database, name, NOW):
            took.append(name)

    threads = [threading.Thread(target=go, args=(f"r{n}",)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(took) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_turn_is_kept_while_it_lasts_and_lost_when_somebody_else_took_it(
    database: Database,
) -> None:
    short = timedelta(seconds=0.3)
    turn = Turn(database, "mirror", length=short)
    assert turn.take()
    with turn:
        pause = threading.Event()
        for _ in range(4):
            pause.wait(0.2)
            assert not Turn(database, "mirror", length=short).take()
        assert not turn.is_lost

        def rob(session: object) -> None:
            row = session.get_one(Lease, "mirror")  # type: ignore[attr-defined]
            row.owner, row.until = "robber", row.until + timedelta(seconds=0.2)

        database.run(rob)
        pause.wait(0.2)
        assert turn.is_lost
    assert not Turn(database, "mirror", length=short).take(), "it gave back nothing"
