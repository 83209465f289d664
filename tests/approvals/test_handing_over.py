"""Giving one's place to somebody else, and reminding those who are asked."""

from datetime import timedelta

import pytest

from tests.approvals.conftest import ORG, POLICY, House
from tests.approvals.test_nobody_left import finance, seen
from tests.contexts import make_context
from tests.status.test_views import counted
from workflows.approvals import actions
from workflows.approvals.escalation import TooSoon
from workflows.approvals.forms import HandOver
from workflows.errors import GovernanceError, InvalidInput, NotAllowed


def test_somebody_else_is_asked_instead(house: House) -> None:
    house.text = POLICY.replace(", quorum: 2", "")
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    told = house.hand_over("fay", asked, "fred", "I know the vendor.")
    assert told.startswith("Fred is asked in your place")
    with pytest.raises(GovernanceError, match="not among those"):
        house.decide("fay", asked)
    card = house.card(asked, "fay")
    assert card.reader is not None
    assert (card.reader.why, card.reader.handed_to) == ("", "Fred")
    assert card.extras.handovers[0].note == "I know the vendor."
    assert house.told("approval.asked").count("U0FRED") == 2
    house.decide("fred", asked)
    assert house.state(asked) == "approved"
    assert "approval.handed_over" in house.entries(asked)
    house.ledger_holds()


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("tim", "asked for this"),
        ("ola", "nobody decides twice"),
        ("ned", "not among those who may decide"),
        ("gus", "no full member"),
        ("fay", "That is you"),
        ("nobody", "no full member"),
    ],
)
def test_only_to_somebody_who_may_decide(house: House, to: str, why: str) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    with pytest.raises(InvalidInput, match=why):
        house.hand_over("fay", asked, to)
    assert house.card(asked).extras.handovers == ()


def test_not_when_too_few_would_be_left(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.hand_over("fay", asked, "fred")
    with pytest.raises(InvalidInput, match="Too few"):
        house.hand_over("eve", asked, "fred")
    with pytest.raises(InvalidInput, match="gave their own place away"):
        house.hand_over("fred", asked, "fay")
    house.decide("fred", asked)
    house.decide("eve", asked)
    assert house.state(asked) == "approved"


def takers(house: House, name: str, approval_id: int) -> list[str]:
    """Who is offered to somebody who hands over."""
    form = HandOver(approval_id=approval_id, revision=house.card(approval_id).revision, to="")
    with house.db.begin() as session:
        found = actions.list_takers(
            make_context(
                session, actor=house.actor(name), policy=house.policy, now=house.now, org=ORG
            ),
            form,
        )
    return [each.name for each in found.people]


def test_exactly_those_are_offered_whom_the_act_takes(house: House) -> None:
    house.text = POLICY.replace(
        "    expires_after", "    hand_over_to: [U0NED, U0TIM, U0GUS]\n    expires_after"
    )
    asked = house.submit("tim", house.project())
    assert takers(house, "ola", asked) == ["Ned"]
    house.decide("ola", asked)
    offered = takers(house, "fay", asked)
    assert offered == ["Eve", "Fred", "Ned"]
    for name in ("ola", "tim", "gus", "fay"):
        with pytest.raises(InvalidInput):
            house.hand_over("fay", asked, name)
    house.hand_over("fay", asked, "fred")
    # Two have to decide: Fred would be missing beside Eve if she gave her place to him.
    assert takers(house, "eve", asked) == ["Ned"]
    with pytest.raises(InvalidInput, match="Too few"):
        house.hand_over("eve", asked, "fred")
    house.hand_over("eve", asked, "ned")


def test_nobody_is_offered_where_the_stage_asks_one_person(house: House) -> None:
    asked = house.submit("tim", house.project())
    assert takers(house, "ola", asked) == []
    for name in ("fay", "fred", "eve", "ned", "tim"):
        with pytest.raises(InvalidInput):
            house.hand_over("ola", asked, name)


def test_a_nudge_reminds_once_a_day_those_who_have_not_decided(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    assert house.nudge("tim", asked).startswith("2 people were reminded")
    assert sorted(house.told("approval.note")) == ["U0EVE", "U0FRED"]
    with pytest.raises(TooSoon, match=r"on Mon 26 Jan 08:50\. You can again from Tue 27 Jan 08:50"):
        house.nudge("tim", asked)
    with pytest.raises(NotAllowed):
        house.nudge("fred", asked)
    house.later(timedelta(days=1))
    house.nudge("tim", asked)
    assert len(house.told("approval.note")) == 4


def test_who_is_asked_quietly_is_not_nudged(house: House) -> None:
    house.text = POLICY.replace("    expires_after", "    ask: quiet\n    expires_after")
    asked = house.submit("tim", house.project())
    with pytest.raises(GovernanceError, match="asked quietly"):
        house.nudge("tim", asked)
    assert house.told("approval.asked") == house.told("approval.note") == []
    house.decide("ola", asked)


def test_the_policy_can_let_places_go_to_others(house: House) -> None:
    house.text = POLICY.replace("    expires_after", "    hand_over_to: [U0NED]\n    expires_after")
    asked = house.submit("tim", house.project())
    house.hand_over("ola", asked, "ned")
    reader = house.card(asked, "ned").reader
    assert reader is not None
    assert reader.why == "Ola handed this over to you"
    house.decide("ned", asked)
    assert house.card(asked).stage == 1


def test_who_is_offered_is_known_in_as_many_statements_however_many_there_are(house: House) -> None:
    house.text = POLICY.replace(", quorum: 2", "")
    counts = []
    for number in (3, 40):
        newcomers = [f"m{each}" for each in range(number)]
        for name in newcomers:
            seen(house, name)
        finance(house, "fay", "fred", *newcomers)
        asked = house.submit("tim", house.project())
        house.decide("ola", asked)
        with counted(house) as statements:
            offered = takers(house, "fay", asked)
        assert {"Fred", "M0", f"M{number - 1}"} <= set(offered)
        counts.append(len(statements))
    assert counts[0] == counts[1], counts
