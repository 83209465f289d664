"""What an approval depends on, and the review of broken glass, are proven by the ledger as its verdicts are."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from storage.db import Database
from tests.approvals.conftest import START, populated
from workflows.approvals.forms import Terms
from workflows.record import telling
from workflows.record.scanning import Look


def test_a_condition_that_nobody_met_is_told(database: Database) -> None:
    house = populated(database)
    number = house.submit("tim", house.project())
    terms = Terms(text="Show it.", owner="U0TIM", due=START.date() + timedelta(days=3))
    house.decide("ola", number, conditions=(terms,))
    house.decide("fay", number)
    house.decide("fred", number)
    assert told(database, number) == []
    with database.engine.begin() as connection:
        done = connection.execute(text("UPDATE approval_condition SET state = 'met'"))
        assert done.rowcount == 1
    (sentence,) = told(database, number)
    assert (
        "of 26 Jan 2026 was changed outside mlgov: what its approval depends on is not what the ledger proves"
        in sentence
    )


@pytest.mark.parametrize("what", ["take_back", "edit", "withdraw"])
def test_what_people_do_to_a_request_is_explained(database: Database, what: str) -> None:
    """Every seal follows from the one before by what happened in between."""
    house = populated(database)
    number = house.submit("tim", house.project())
    house.question("ola", number)
    house.answer("tim", number)
    house.decide("ola", number)
    house.hand_over("fay", number, "eve")
    if what == "take_back":
        house.decide("fred", number)
        house.take_back("fred", number)
    elif what == "edit":
        house.edit("tim", number, amount=7)
    else:
        house.withdraw("tim", number)
    assert told(database, number) == []


def told(database: Database, number: int) -> list[str]:
    with database.read() as session:
        look = Look().all(session, START)
        faults = [each for each in look.faults if each.kind == "approval"]
        return [each.sentence for each in telling.describe_faults(session, faults)]
