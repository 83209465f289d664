"""Approving on conditions: they bind once the request is approved, are met by proof, or make the approval lapse."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from storage.delivery.tables import Timer
from tests.approvals.conftest import ORG, POLICY, START, House
from tests.contexts import make_context
from workflows.approvals import completion, conditions
from workflows.approvals.forms import ClaimMet, ConfirmMet, Terms
from workflows.errors import GovernanceError, InvalidInput, NotAllowed

ONE = POLICY.replace("      - {name: Finance, approvers: [role:finance], quorum: 2}\n", "")
FRIDAY = date(2026, 1, 30)


def owed(by: date = FRIDAY, owner: str = "U0TIM") -> tuple[Terms, ...]:
    return (Terms(text="Plan the clean-up.", owner=owner, due=by),)


def ticks(house: House) -> None:
    """Run the timers of conditions that are due, in order."""
    while True:
        with house.db.begin() as session:
            timer = (
                session.execute(
                    select(Timer)
                    .where(
                        Timer.state == "due",
                        Timer.due_at <= house.now,
                        Timer.kind.in_([completion.DUE, completion.SOON, completion.CONFIRM]),
                    )
                    .order_by(Timer.due_at)
                )
                .scalars()
                .first()
            )
            if timer is None:
                return
            timer.state = "done"
            asked, seq, kind = int(timer.subject_id), timer.seq, timer.kind
            conditions.follow_up_condition(
                make_context(session, policy=house.policy, now=house.now, org=ORG), asked, seq, kind
            )


def notes(house: House) -> list[tuple[str, str]]:
    return [
        (row.notice["what"], row.notice["person_id"].removeprefix("p-"))
        for row in house.sent("approval.note")
        if row.op == "post"
    ]


def approved(house: House, **more: object) -> tuple[int, int]:
    house.text = ONE
    project = house.project()
    asked = house.submit("tim", project)
    house.decide("ola", asked, conditions=owed(**more))  # type: ignore[arg-type]
    return project, asked


def test_a_condition_is_met_by_proof_that_its_setter_confirms(house: House) -> None:
    project, asked = approved(house)
    assert (house.state(asked), house.status(project)) == ("approved", "live")
    (one,) = house.card(asked).conditions
    assert (one.state, one.owner.name, one.due) == ("open", "Tim", FRIDAY)
    assert not house.card(asked).is_settled
    with pytest.raises(NotAllowed, match="Only the owner"):
        house.act("ola", ClaimMet(**house.condition_shown(asked), proof="x y"))
    with pytest.raises(GovernanceError, match="has not said yet"):
        house.act("ola", ConfirmMet(**house.condition_shown(asked), is_met=True))
    house.act("tim", ClaimMet(**house.condition_shown(asked), proof="Ticket 7"))
    with pytest.raises(NotAllowed, match="Only the person who set"):
        house.act("tim", ConfirmMet(**house.condition_shown(asked), is_met=True))
    house.act("ola", ConfirmMet(**house.condition_shown(asked), is_met=False, why="Which one?"))
    house.act("tim", ClaimMet(**house.condition_shown(asked), proof="Ticket 8"))
    house.act("ola", ConfirmMet(**house.condition_shown(asked), is_met=True))
    assert notes(house) == [
        ("condition", "tim"),
        ("claimed", "ola"),
        ("refused", "tim"),
        ("claimed", "ola"),
        ("met", "tim"),
    ]
    house.later(timedelta(days=30))
    ticks(house)
    card = house.card(asked)
    assert (card.state, card.is_settled, house.status(project)) == ("approved", True, "live")
    house.ledger_holds()


def test_unmet_by_its_day_the_approval_lapses_and_everybody_is_told(house: House) -> None:
    project, asked = approved(house, owner="U0NED")
    house.now = START.replace(day=30, hour=0)
    ticks(house)
    assert notes(house)[-1] == ("soon", "ned")
    house.now = START.replace(day=30, hour=23, minute=59)
    ticks(house)
    assert house.state(asked) == "approved"
    house.now = START.replace(day=31, hour=0, minute=0)
    ticks(house)
    assert (house.state(asked), house.status(project)) == ("lapsed", "draft")
    assert sorted(notes(house)[-3:]) == [("lapsed", one) for one in ("ned", "ola", "tim")]
    assert house.entries(asked)[-1] == "approval.lapsed"
    with pytest.raises(GovernanceError, match="not approved any more"):
        house.act("ned", ClaimMet(**house.condition_shown(asked), proof="Late"))
    house.ledger_holds()


def test_said_to_be_met_in_time_it_waits_two_more_days_for_its_setter(house: House) -> None:
    _, asked = approved(house)
    house.act("tim", ClaimMet(**house.condition_shown(asked), proof="Done"))
    house.now = START.replace(day=31, hour=1)
    ticks(house)
    assert (house.state(asked), notes(house)[-1]) == ("approved", ("unconfirmed", "ola"))
    house.later(timedelta(days=2))
    ticks(house)
    assert house.state(asked) == "lapsed"


def test_conditions_bind_nobody_before_the_last_stage_or_after_a_rejection(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked, conditions=owed())
    with pytest.raises(GovernanceError, match="not approved yet"):
        house.act("tim", ClaimMet(**house.condition_shown(asked), proof="Done"))
    assert notes(house) == []
    house.take_back("ola", asked)
    assert house.card(asked).conditions == ()
    house.decide("ola", asked, conditions=owed())
    house.decide("fay", asked, "reject")
    assert house.card(asked).conditions == ()


def test_a_condition_needs_a_member_and_a_day_to_come(house: House) -> None:
    asked = house.submit("tim", house.project())
    for wrong in (owed(owner="U0GUS"), owed(by=date(2026, 1, 25)), owed(by=date(2027, 6, 1))):
        with pytest.raises(InvalidInput):
            house.decide("ola", asked, conditions=wrong)
    assert house.deciders(asked) == []
