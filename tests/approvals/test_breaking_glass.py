"""Breaking the glass: at once, by those whom the policy names, told to everybody who governs, reviewed in time."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.delivery.tables import Timer
from storage.people.tables import Channel
from tests.approvals.conftest import ORG, POLICY, START, House
from tests.contexts import make_context
from workflows.approvals import emergency
from workflows.approvals.forms import BreakGlass, ReviewGlass
from workflows.errors import GovernanceError, InvalidInput, NotAllowed

GLASS = POLICY.replace(
    "    expires_after",
    "    break_glass: {by: [U0NED, U0TIM], review_within: 2d}\n    expires_after",
).replace('{audit: "#ml-audit"}', '{audit: "#ml-audit", governance: "#ml-governance"}')


@pytest.fixture(autouse=True)
def named(house: House) -> None:
    house.text = GLASS
    with house.db.begin() as session:
        session.add(
            Channel(
                org_key=ORG,
                slack_id="C0GOV",
                name="ml-governance",
                bot_is_member=True,
                refreshed_at=START,
            )
        )


def late(house: House) -> None:
    with house.db.begin() as session:
        for timer in session.execute(
            select(Timer).where(
                Timer.state == "due", Timer.kind == emergency.REVIEW, Timer.due_at <= house.now
            )
        ).scalars():
            timer.state = "done"
            emergency.remind_review(
                make_context(session, policy=house.policy, now=house.now, org=ORG),
                int(timer.subject_id),
            )


def test_it_is_approved_at_once_and_reviewed_by_somebody_else(house: House) -> None:
    project = house.project()
    asked = house.submit("tim", project)
    house.act("ned", BreakGlass(**house.as_shown(asked), reason="Production is down."))
    assert (house.state(asked), house.status(project)) == ("approved", "live")
    assert house.told("approval.glass") == ["C0GOV"]
    assert house.deciders(asked) == []
    for name in ("ned", "tim"):
        with pytest.raises(NotAllowed, match="Somebody who decides at this gate"):
            house.act(name, ReviewGlass(**house.as_shown(asked), is_fine=True))
    with pytest.raises(InvalidInput):
        house.act("fay", ReviewGlass(**house.as_shown(asked), is_fine=False))
    house.act("fay", ReviewGlass(**house.as_shown(asked), is_fine=False, note="Too early."))
    with pytest.raises(GovernanceError, match="reviewed already"):
        house.act("fred", ReviewGlass(**house.as_shown(asked), is_fine=True))
    card = house.card(asked)
    assert card.extras.review is not None
    assert (card.extras.review.is_fine, card.is_settled) == (False, True)
    house.later(timedelta(days=9))
    late(house)
    assert house.told("approval.glass") == ["C0GOV"]
    assert [e for e in house.entries(asked) if "glass" in e or "review" in e] == [
        "approval.glass_broken",
        "approval.reviewed",
    ]
    house.ledger_holds()


def test_a_review_that_does_not_come_speaks_up_until_it_does(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.act("tim", BreakGlass(**house.as_shown(asked), reason="Production is down."))
    for days in (2, 1, 1):
        house.later(timedelta(days=days))
        late(house)
    assert house.told("approval.glass") == ["C0GOV"] * 4
    assert set(house.told("approval.note")) == {"U0OLA", "U0FAY", "U0FRED", "U0EVE"}
    house.act("ola", ReviewGlass(**house.as_shown(asked), is_fine=True))
    house.later(timedelta(days=5))
    late(house)
    assert house.entries(asked).count("approval.review_late") == 3


def test_only_those_whom_the_policy_names_and_only_while_it_waits(house: House) -> None:
    asked = house.submit("eve", house.project())
    for name in ("ola", "fay", "eve", "gus"):
        with pytest.raises(NotAllowed):
            house.act(name, BreakGlass(**house.as_shown(asked), reason="I want it now."))
    with pytest.raises(InvalidInput):
        house.act("ned", BreakGlass(**house.as_shown(asked), reason=""))
    reader = house.card(asked, "ned").reader
    assert reader is not None
    assert reader.may_break_glass
    house.later(timedelta(days=7))
    with pytest.raises(GovernanceError, match="expired"):
        house.act("ned", BreakGlass(**house.as_shown(asked), reason="Too late for this."))
    house.text = POLICY
    other = house.submit("eve", house.project())
    with pytest.raises(NotAllowed):
        house.act("ned", BreakGlass(**house.as_shown(other), reason="No rule for it."))
