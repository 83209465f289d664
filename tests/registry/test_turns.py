"""A turn at the registry that somebody else took writes nothing more, whatever its process was in the middle of."""

from datetime import timedelta

import pytest

from storage.db import Database
from tests.inventory.conftest import settled
from tests.registry.shelf import Shelf
from workflows.registry import service


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(settled(database))


def begin(shelf: Shelf, after: timedelta = timedelta(0)) -> int | None:
    yard = shelf.yard
    yard.now += after
    return yard.db.run(
        lambda session: service.begin(
            session, policy=yard.policy, now=yard.now, real_now=yard.now, force=True
        )
    )


def keep(shelf: Shelf, turn: int) -> None:
    shelf.yard.db.run(
        lambda session: service.keep_turn(session, turn, real_now=shelf.yard.now)
    )


def test_who_lost_the_turn_neither_keeps_it_nor_gives_it_back(shelf: Shelf) -> None:
    first = begin(shelf)
    assert first is not None
    assert begin(shelf) is None
    second = begin(shelf, after=service.LEASE + timedelta(seconds=1))
    assert second is not None
    with pytest.raises(service.LostTurn):
        keep(shelf, first)
    shelf.yard.db.run(lambda session: service.release(session, first))
    assert begin(shelf) is None, "the second one's turn goes on"
    keep(shelf, second)


def test_each_step_of_a_look_makes_its_turn_last(shelf: Shelf) -> None:
    turn = begin(shelf)
    assert turn is not None
    for _ in range(4):
        shelf.yard.now += service.LEASE - timedelta(minutes=1)
        keep(shelf, turn)
    assert begin(shelf) is None


def test_a_clock_that_was_set_back_holds_up_nobody(shelf: Shelf) -> None:
    assert begin(shelf) is not None
    assert begin(shelf, after=-timedelta(days=2)) is not None
