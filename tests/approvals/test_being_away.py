"""Deciding in the place of somebody who is away: dated, in their name, in no circle, where the stage lets it."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.approvals.tables import Decision
from storage.people import queries as people
from tests.approvals.conftest import ORG, POLICY, START, House
from tests.contexts import make_context
from workflows.approvals import approvers, delegation, reads
from workflows.approvals.approvers import Away
from workflows.approvals.refusals import AlreadyDecided
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.people import service
from workflows.people.forms import OPEN_END, PersonSeen

TODAY = date(2026, 1, 26)


def away(house: House, who: str, stand_in: str, first: int = 0, last: int = 4) -> int:
    form = Away(
        stand_in=f"U0{stand_in.upper()}",
        since=TODAY + timedelta(days=first),
        until=TODAY + timedelta(days=last),
    )
    return house.db.run(
        lambda session: (
            delegation.plan_absence(
                make_context(
                    session, actor=house.actor(who), policy=house.policy, org=ORG, now=house.now
                ),
                form,
            ).id
        )
    )


def waiting(house: House, who: str) -> list[int]:
    with house.db.read() as session:
        found = reads.list_waiting(
            make_context(session, actor=house.actor(who), policy=house.policy, now=house.now)
        )
    return [card.id for card in found]


def test_a_stand_in_is_asked_and_decides_in_their_name(house: House) -> None:
    away(house, "ola", "ned")
    asked = house.submit("tim", house.project())
    assert sorted(house.told("approval.asked")) == ["U0NED", "U0OLA"]
    assert waiting(house, "ned") == [asked]
    reader = house.card(asked, "ned").reader
    assert reader is not None
    assert reader.why == "you stand in for Ola, who is away"
    house.decide("ned", asked)
    (line,) = house.card(asked).lines
    assert (line.person.name, line.instead_of) == ("Ned", "Ola")
    with pytest.raises(AlreadyDecided, match="stands in for you has decided"):
        house.decide("ola", asked)
    with house.db.read() as session:
        assert session.execute(select(Decision.for_id)).scalar_one() == "p-ola"
    house.ledger_holds()


def test_never_before_and_never_after_and_not_once_they_are_back(house: House) -> None:
    absence = away(house, "ola", "ned", first=1, last=1)
    asked = house.submit("tim", house.project())
    assert house.told("approval.asked") == ["U0OLA"]
    with pytest.raises(NotAllowed):
        house.decide("ned", asked)
    house.later(timedelta(days=2))
    with pytest.raises(NotAllowed):
        house.decide("ned", asked)
    again = away(house, "ola", "ned", first=2, last=3)
    house.db.run(
        lambda session: approvers.end_absence(
            make_context(session, actor=house.actor("ola"), now=house.now), again
        )
    )
    with pytest.raises(NotAllowed):
        house.decide("ned", asked)
    assert absence != again
    assert waiting(house, "ned") == []


@pytest.mark.parametrize(
    ("stand_in", "first", "last", "why"),
    [
        ("ned", -1, 3, "can't begin before today"),
        ("ned", 3, 2, "last day after the first"),
        ("gus", 0, 3, "somebody else"),
        ("ola", 0, 3, "somebody else"),
    ],
)
def test_an_absence_has_days_to_come_and_a_member(
    house: House, stand_in: str, first: int, last: int, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        away(house, "ola", stand_in, first, last)


def test_a_chain_is_followed_and_a_circle_refused(house: House) -> None:
    away(house, "ola", "ned")
    away(house, "ned", "fay")
    with pytest.raises(InvalidInput, match="comes back to you"):
        away(house, "fay", "ola")
    with pytest.raises(InvalidInput, match="named somebody for some"):
        away(house, "ola", "fay", first=2)
    asked = house.submit("tim", house.project())
    assert sorted(house.told("approval.asked")) == ["U0FAY", "U0NED", "U0OLA"]
    house.decide("fay", asked)
    assert house.card(asked).stage == 1
    with pytest.raises(AlreadyDecided):
        house.decide("fay", asked)


def test_nobody_decides_through_another_what_they_may_not_themselves(house: House) -> None:
    away(house, "ola", "tim")
    asked = house.submit("tim", house.project())
    with pytest.raises(GovernanceError, match="You asked for this"):
        house.decide("tim", asked)
    house.text = POLICY.replace(
        "[subject.owner, subject.sponsor]", "[subject.owner], delegate: false"
    )
    other = house.submit("eve", house.project())
    assert house.told("approval.asked")[-1] == "U0OLA"
    with pytest.raises(NotAllowed):
        house.decide("tim", other)
    assert house.now == START


def test_what_waits_already_reaches_the_stand_in_once(house: House) -> None:
    first = house.submit("tim", house.project())
    house.submit("ned", house.project())
    house.decide("ola", house.submit("tim", house.project()))
    away(house, "ola", "ned", first=1, last=2)
    assert house.told("approval.asked").count("U0NED") == 0
    away(house, "ola", "ned", first=0, last=0)
    assert house.told("approval.asked").count("U0NED") == 1
    house.decide("ned", first)
    assert house.card(first).stage == 1


def says(house: House, until: datetime | None) -> None:
    """What Ola's status says, as the mirror hears it from Slack."""
    with house.db.begin() as session:
        ola = people.find_person(session, "p-ola")
        assert ola is not None
        seen = PersonSeen(ola.org_key, "U0OLA", ola.team_id, ola.name, status_away_until=until)
        service.upsert_from_slack(make_context(session, now=house.now), [seen], read_at=house.now)


def offered(house: House) -> list[str]:
    return house.told("approval.away_offered")


def test_a_status_that_covers_much_of_the_time_offers_a_stand_in(house: House) -> None:
    quarter = house.now + timedelta(days=7) / 4
    for until, told in ((quarter, 0), (quarter + timedelta(hours=1), 1)):
        house.flag("ola", status_away_until=until)
        house.submit("tim", house.project())
        assert len(offered(house)) == told
    assert offered(house) == ["U0OLA"]
    house.submit("tim", house.project())
    assert offered(house) == ["U0OLA"], "once for each absence"
    says(house, OPEN_END)
    asked = house.submit("tim", house.project())
    assert offered(house) == ["U0OLA"] * 2
    says(house, OPEN_END)
    house.submit("tim", house.project())
    assert offered(house) == ["U0OLA"] * 2
    says(house, None)
    says(house, OPEN_END)
    house.submit("tim", house.project())
    assert offered(house) == ["U0OLA"] * 3, "the next absence without an end, too"
    with pytest.raises(NotAllowed):
        house.decide("ned", asked)
    assert house.deciders(asked) == []


def test_who_has_named_somebody_is_offered_nothing(house: House) -> None:
    house.flag("ola", status_away_until=OPEN_END)
    away(house, "ola", "ned")
    house.submit("tim", house.project())
    assert offered(house) == []


def test_no_offer_where_nobody_decides_for_another(house: House) -> None:
    house.text = POLICY.replace(
        "subject.owner, subject.sponsor]}", "subject.owner, subject.sponsor], delegate: false}"
    )
    house.flag("ola", status_away_until=OPEN_END)
    house.submit("tim", house.project())
    assert offered(house) == []


def test_an_offer_is_settled_by_naming_somebody_and_by_another_status(house: House) -> None:
    def stands() -> tuple[bool, bool]:
        with house.db.read() as session:
            found = approvers.find_offer(session, "p-ola", now=house.now)
        assert found is not None
        return found.until is not None, found.is_planned

    house.flag("ola", status_away_until=OPEN_END)
    house.submit("tim", house.project())
    house.deliver()
    assert stands() == (True, False)
    away(house, "ola", "ned")
    assert stands() == (True, True)
    assert [row.op for row in house.sent("approval.away_offered")] == ["post", "update"]
    says(house, house.now - timedelta(hours=1))
    assert stands() == (False, True)


def test_an_offer_follows_the_status_and_the_stand_in_who_is_sent_home(house: House) -> None:
    says(house, OPEN_END)
    house.submit("tim", house.project())
    house.deliver()
    absence = away(house, "ola", "ned")
    house.deliver()
    house.db.run(
        lambda session: approvers.end_absence(
            make_context(session, actor=house.actor("ola"), now=house.now), absence
        )
    )
    house.deliver()
    says(house, None)
    house.deliver()
    said = [row.op for row in house.sent("approval.away_offered")]
    assert said == ["post", "update", "update", "update"]
