"""A question before deciding: the request waits, its clock stands still, and the answer lets it go on."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.delivery.tables import Timer
from tests.approvals.conftest import START, House
from workflows.approvals.editing import PATIENCE
from workflows.approvals.forms import DropQuestion
from workflows.approvals.refusals import CardChanged, WaitsForAnswer
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.resting import RECHECK

WEEK = timedelta(days=7)


def due(house: House) -> list[object]:
    with house.db.read() as session:
        return list(
            session.execute(
                select(Timer.due_at)
                .where(Timer.state == "due", Timer.kind != RECHECK)
                .order_by(Timer.id)
            ).scalars()
        )


def test_the_clock_stands_still_until_the_answer_is_there(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.later(timedelta(days=6))
    house.question("ola", asked, "What is it for?")
    card = house.card(asked)
    assert card.question is not None
    assert (card.question.asker.name, card.question.text) == ("Ola", "What is it for?")
    assert card.expires_at == START + WEEK + PATIENCE
    house.later(timedelta(days=3))
    house.expire(asked)
    assert house.state(asked) == "pending"
    house.answer("tim", asked, "Labelling.")
    card = house.card(asked)
    assert card.question is None
    assert card.extras.questions[0].answer == "Labelling."
    assert card.expires_at == START + WEEK + timedelta(days=3)
    assert due(house) == [card.expires_at]
    house.decide("ola", asked)
    assert house.card(asked).stage == 1
    assert [
        (row.notice["what"], row.notice["person_id"]) for row in house.sent("approval.note")
    ] == [("question", "p-tim"), ("answer", "p-ola")]
    assert house.told("approval.told") == ["C0LANE", "C0LANE"]
    house.ledger_holds()


def test_nobody_approves_meanwhile_and_anybody_asked_may_reject(house: House) -> None:
    asked = house.submit("tim", house.project())
    before = house.card(asked).revision
    house.question("ola", asked)
    with pytest.raises(CardChanged):
        house.decide("ola", asked, revision=before)
    with pytest.raises(WaitsForAnswer, match="Ola asked Tim something first"):
        house.decide("ola", asked)
    with pytest.raises(InvalidInput, match="waits for an answer already"):
        house.question("ola", asked)
    house.decide("ola", asked, "reject")
    assert house.state(asked) == "rejected"
    card = house.card(asked)
    assert (card.question, card.paused_at) == (None, None)


def test_only_the_requester_answers_and_only_the_asker_takes_it_back(house: House) -> None:
    asked = house.submit("tim", house.project())
    with pytest.raises(GovernanceError, match="No question is open"):
        house.answer("tim", asked)
    for name in ("fay", "tim", "ned"):
        with pytest.raises(GovernanceError):
            house.question(name, asked)
    house.question("ola", asked)
    with pytest.raises(NotAllowed, match="Only the person who asked for this"):
        house.answer("ola", asked)
    with pytest.raises(NotAllowed, match="Only the person who asked the question"):
        house.act("fay", DropQuestion(**house.as_shown(asked)))
    house.act("ola", DropQuestion(**house.as_shown(asked)))
    house.decide("ola", asked)


def test_a_question_holds_a_request_for_a_week_at_most(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.question("ola", asked)
    house.later(WEEK + PATIENCE)
    with pytest.raises(GovernanceError, match="expired"):
        house.answer("tim", asked)
    house.expire(asked)
    assert house.state(asked) == "expired"
