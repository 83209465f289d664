"""What people do about requests beside deciding is theirs: it is in their export, and goes when they are erased."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from storage import ledger
from storage.base import Base
from storage.db import Database
from tests.approvals.conftest import POLICY, House
from tests.approvals.test_being_away import away
from tests.approvals.test_conditions import owed
from tests.contexts import make_context
from workflows.approvals.forms import BreakGlass, ClaimMet, ReviewGlass
from workflows.context import OPERATOR
from workflows.people import service as people

GLASS = POLICY.replace(
    "    expires_after", "    break_glass: {by: [U0NED], review_within: 2d}\n    expires_after"
)


def asks(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.question("ola", asked, "MARK of ola")


def answers(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.question("ola", asked, "Why?")
    house.answer("tim", asked, "MARK of tim")


def hands_over(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.hand_over("fay", asked, "fred", "MARK of fay")


def sets_a_condition(house: House) -> None:
    asked = house.submit("tim", house.project())
    (one,) = owed()
    house.decide("ola", asked, conditions=(one.model_copy(update={"text": "MARK of ola"}),))


def meets_a_condition(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked, conditions=owed())
    house.decide("fay", asked)
    house.decide("fred", asked)
    house.act("tim", ClaimMet(**house.condition_shown(asked), proof="MARK of tim"))


def breaks_the_glass(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.act("ned", BreakGlass(**house.as_shown(asked), reason="MARK of ned, it burns"))


def reviews_the_glass(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.act("ned", BreakGlass(**house.as_shown(asked), reason="Production is down."))
    house.act("fay", ReviewGlass(**house.as_shown(asked), is_fine=False, note="MARK of fay"))


def rewords(house: House) -> None:
    asked = house.submit("tim", house.project(), reason="MARK of tim")
    house.edit("tim", asked, "Because the queue is full.")


def goes_away(house: House) -> None:
    house.submit("tim", house.project())
    away(house, "ola", "ned")


DEEDS: dict[Callable[[House], None], tuple[str, str]] = {
    asks: ("ola", "questions"),
    answers: ("tim", "texts"),
    hands_over: ("fay", "handovers"),
    sets_a_condition: ("ola", "conditions"),
    meets_a_condition: ("tim", "conditions"),
    breaks_the_glass: ("ned", "broken_glass"),
    reviews_the_glass: ("fay", "broken_glass"),
    rewords: ("tim", "edits"),
    goes_away: ("ola", "absences"),
}


def everything(database: Database) -> str:
    """Every value of every table, as one text."""
    with database.read() as session:
        return "\n".join(
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(text(f'SELECT * FROM "{table.name}"'))
        )


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_it_is_exported_and_erased(house: House, deed: Callable[[House], None]) -> None:
    house.text = GLASS
    deed(house)
    name, section = DEEDS[deed]
    with house.db.read() as session:
        told = json.loads(json.dumps(people.export(session, f"p-{name}")))
    assert told[section], f"{section} of {sorted(told)}"
    is_written = f"MARK of {name}" in everything(house.db)
    assert is_written == (f"MARK of {name}" in json.dumps(told))
    if house.card(1).is_pending:
        house.withdraw("tim", 1)
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), f"p-{name}")
    assert "MARK of" not in everything(house.db)
    with house.db.read() as session:
        assert ledger.verify(session) is None
