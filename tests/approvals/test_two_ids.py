"""Somebody with two Slack ids decides by either, once, and never on what they asked by the other."""

import pytest
from sqlalchemy import select

from storage import runtime
from storage.people import identities
from storage.people.tables import Person, UserGroup, UserGroupMember
from tests.approvals.conftest import ORG, START, House
from tests.contexts import make_context
from workflows.errors import GovernanceError, NotAllowed
from workflows.people import service as people
from workflows.people.forms import PersonSeen
from workflows.record.scanning import Look


def renamed(house: House, name: str) -> None:
    """Slack calls them by the Grid's id from now on."""
    with house.db.begin() as session:
        row = session.get_one(Person, f"p-{name}")
        before, row.slack_id = str(row.slack_id), f"W0{name.upper()}"
        identities.add_aliases(session, ORG, {before: row.id})


def turn_out_to_be_one(house: House, name: str) -> None:
    """Slack describes them by both of their ids."""
    own, shared = f"U0{name.upper()}", f"W0{name.upper()}"
    seen = PersonSeen(
        ORG, own, ORG, name.title(), tz="Europe/London", other_ids=frozenset({shared})
    )
    with house.db.begin() as session:
        at = runtime.real_now(session)
        people.upsert_from_slack(make_context(session, now=house.now), [seen], read_at=at)


def twin(house: House, name: str, *groups: str) -> None:
    """The same person by the Grid's id, as releases before this one made them: `p-fay2` beside `p-fay`."""
    house.person(f"{name}2")
    with house.db.begin() as session:
        session.get_one(Person, f"p-{name}2").slack_id = f"W0{name.upper()}"
        for handle in groups:
            group = session.execute(
                select(UserGroup).where(UserGroup.handle == handle)
            ).scalar_one()
            session.add(UserGroupMember(group_id=group.id, person_id=f"p-{name}2", since=START))


def faults(house: House, *asked: int) -> list[str]:
    with house.db.read() as session:
        return [
            fault.what for one in asked for fault in Look.faults_of(session, "approval", str(one))
        ]


def test_a_policy_that_names_the_id_from_before_means_the_same_person(house: House) -> None:
    renamed(house, "eve")
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    assert "W0EVE" in house.told("approval.asked")
    house.decide("eve", asked)
    house.decide("fay", asked)
    assert house.state(asked) == "approved"
    assert faults(house, asked) == []


def test_a_request_that_waits_goes_on_when_somebody_gets_another_id(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    renamed(house, "eve")
    assert house.card(asked, "eve").reader is not None
    house.decide("eve", asked)
    assert faults(house, asked) == []


def test_nobody_decides_on_what_they_asked_by_their_other_id(house: House) -> None:
    twin(house, "fay", "finance")
    asked = house.submit("fay2", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    assert house.card(asked).round.approved == 1
    turn_out_to_be_one(house, "fay")
    card = house.card(asked)
    assert (card.stage, card.round.approved, card.requester.id) == (1, 0, "p-fay")
    with pytest.raises(NotAllowed, match="You asked for this"):
        house.decide("fay", asked)
    house.decide("fred", asked)
    house.decide("eve", asked)
    assert house.state(asked) == "approved"
    assert faults(house, asked) == []


def test_a_stage_that_passed_by_the_other_id_is_asked_anew(house: House) -> None:
    twin(house, "ola")
    asked = house.submit("ola2", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    turn_out_to_be_one(house, "ola")
    card = house.card(asked)
    assert (house.state(asked), card.stage, card.lines) == ("pending", 0, ())
    with pytest.raises(GovernanceError):
        house.decide("ola", asked)
    assert faults(house, asked) == []


def test_two_verdicts_of_one_person_count_once(house: House) -> None:
    twin(house, "fay", "finance")
    house.text = house.text.replace("quorum: 2", "quorum: 3")
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    house.decide("fay2", asked)
    assert house.card(asked).round.approved == 2
    turn_out_to_be_one(house, "fay")
    assert house.card(asked).round.approved == 1
    house.decide("fred", asked)
    house.decide("eve", asked)
    assert house.state(asked) == "approved"
    assert faults(house, asked) == []
