"""Taking back one's own decision: while the request is pending, by its author alone, and never against the rules."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.approvals.tables import Decision
from tests.approvals.conftest import House
from workflows.approvals.refusals import AlreadyEnded, Overdue
from workflows.errors import GovernanceError, NotAllowed


def test_what_is_taken_back_counts_no_more_and_can_be_given_again(house: House) -> None:
    project = house.project()
    asked = house.submit("tim", project)
    house.decide("ola", asked)
    house.decide("fay", asked)
    revision = house.card(asked).revision
    assert "took your approval back" in house.take_back("fay", asked)
    card = house.card(asked, "fay")
    assert (card.stage, card.round.approved, card.revision) == (1, 0, revision)
    assert card.reader is not None
    assert card.reader.line is None
    assert [line.person.id for line in card.taken_back] == ["p-fay"]
    house.decide("fred", asked)
    assert house.state(asked) == "pending"
    house.decide("fay", asked)
    assert (house.state(asked), house.status(project)) == ("approved", "live")
    assert house.entries(asked).count("approval.taken_back") == 1
    house.ledger_holds()


def test_a_stage_that_passed_with_it_is_asked_anew_and_later_words_are_void(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    revision = house.card(asked).revision
    told = house.take_back("ola", asked)
    assert "who decided after you is asked anew" in told
    card = house.card(asked)
    assert (card.stage, card.lines) == (0, ())
    assert card.revision > revision
    assert house.told("approval.asked").count("U0OLA") == 2
    with pytest.raises(GovernanceError):
        house.decide("fay", asked)
    house.decide("ola", asked)
    assert house.told("approval.asked").count("U0FAY") == 2
    house.decide("fay", asked)
    house.decide("fred", asked)
    assert house.state(asked) == "approved"


def test_nobody_else_and_not_after_the_end(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    for name in ("tim", "fay", "ned"):
        with pytest.raises(NotAllowed, match="nothing to take back"):
            house.take_back(name, asked)
    house.later(timedelta(days=7))
    with pytest.raises(Overdue):
        house.take_back("ola", asked)
    house.expire(asked)
    with pytest.raises(AlreadyEnded):
        house.take_back("ola", asked)
    ended = house.submit("tim", house.project())
    house.decide("ola", ended, "reject")
    with pytest.raises(AlreadyEnded):
        house.take_back("ola", ended)


def test_the_record_keeps_what_was_taken_back(house: House) -> None:
    asked = house.submit("tim", house.project())
    for _ in range(3):
        house.decide("ola", asked)
        house.take_back("ola", asked)
    with house.db.read() as session:
        kept = session.execute(select(Decision.taken_back_at, Decision.shown)).all()
    assert len(kept) == 3
    assert all(row.taken_back_at is not None for row in kept)
    assert len({row.shown for row in kept}) == 1
    assert house.told("approval.story").count("C0LANE") == 3
    assert house.told("approval.told").count("C0LANE") == 3
