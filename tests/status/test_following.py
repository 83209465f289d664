"""Homes that are open follow the ledger: those concerned, once each, none of them forgotten."""

from datetime import date, timedelta
from itertools import pairwise

from storage.status import queries
from tests.approvals.conftest import ORG, START, House
from tests.contexts import make_context
from tests.status.conftest import follow, homes, opened
from tests.status.test_views import milestone
from workflows import outbox
from workflows.audit import service as audit
from workflows.context import OPERATOR
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.status import following


def change(house: House, type_: str, id_: str | int) -> None:
    with house.db.begin() as session:
        audit.record(
            make_context(session, actor=OPERATOR, now=house.now), "thing.changed", (type_, id_)
        )


def begin(house: House) -> None:
    """The reader starts at the end of the ledger: what was before it concerns no Home."""
    assert follow(house) == set()


def test_homes_of_those_concerned_follow_a_request_from_stage_to_stage(house: House) -> None:
    begin(house)
    opened(house, "ola", "tim", "fay", "ned")
    one = house.submit("tim", house.project())
    assert follow(house) == {"U0OLA", "U0TIM"}
    house.decide("ola", one)
    assert follow(house) == {"U0OLA", "U0TIM", "U0FAY"}
    house.decide("eve", one)
    house.decide("fred", one)
    assert follow(house) == {"U0OLA", "U0TIM", "U0FAY"}
    assert follow(house) == set()


def test_many_changes_make_one_publication(house: House) -> None:
    begin(house)
    opened(house, "ola")
    project = house.project()
    for _ in range(20):
        change(house, "project", project)
    house.db.run(
        lambda session: following.follow_ledger(
            make_context(session, org=ORG, now=house.now), real_now=START
        )
    )
    for _ in range(20):
        change(house, "project", project)
    assert follow(house) == {"U0OLA"}
    assert len([row for row in house.sent() if row.op == "home"]) == 1


def test_whoever_opens_their_home_does_not_wait_for_the_others(house: House) -> None:
    begin(house)
    opened(house, "ola")
    change(house, "project", house.project())
    house.db.run(
        lambda session: following.follow_ledger(
            make_context(session, org=ORG, now=house.now), real_now=START
        )
    )
    (row,) = homes(house)
    assert row.due_at == house.now + following.SETTLES
    to = Destination.person(ORG, "U0OLA")
    house.db.run(lambda session: outbox.publish_home(session, "p-ola", to=to, now=house.now))
    (row,) = homes(house)
    assert row.due_at == house.now


def test_a_home_that_nobody_looked_at_for_a_day_waits_until_it_is_opened(house: House) -> None:
    begin(house)
    opened(house, "ola", ago=timedelta(hours=25))
    opened(house, "tim", ago=timedelta(hours=23))
    house.submit("tim", house.project())
    assert follow(house) == {"U0TIM"}


def test_new_cost_and_new_rules_concern_everybody_and_other_subjects_nobody(house: House) -> None:
    begin(house)
    opened(house, "ola", "ned")
    change(house, "cost_load", 1)
    assert follow(house) == {"U0OLA", "U0NED"}
    change(house, "outbox", 1)
    assert follow(house) == set()
    change(house, "person", "p-ned")
    assert follow(house) == {"U0NED"}


def test_a_milestone_concerns_its_owner_and_its_projects_people(house: House) -> None:
    begin(house)
    opened(house, "ola", "ned", "tim")
    one = milestone(house, house.project(), "Launch", date(2026, 1, 30), owner="ned")
    change(house, "milestone", one)
    assert follow(house) == {"U0OLA", "U0NED"}


def test_many_homes_follow_evenly_and_leave_room_for_those_who_open_theirs(house: House) -> None:
    begin(house)
    names = [f"x{number}" for number in range(40)]
    for place, name in enumerate(names):
        house.person(name, home_opened_at=START - timedelta(minutes=place))
    change(house, "policy", 2)
    house.db.run(
        lambda session: following.follow_ledger(
            make_context(session, org=ORG, now=house.now), real_now=START
        )
    )
    rows = homes(house)
    assert len(rows) == 40
    first = house.now + following.SETTLES
    assert [row.due_at for row in rows[:10]] == [first] * 10
    gaps = {later.due_at - before.due_at for before, later in pairwise(rows[10:])}
    assert gaps == {following.EVENLY}
    # Whoever has looked last comes first.
    assert rows[-1].lane_key.endswith("U0X39")
    assert timedelta(minutes=1) / following.EVENLY < 100


def test_a_reader_that_comes_late_finds_nothing_to_do(house: House) -> None:
    begin(house)
    opened(house, "ola")
    change(house, "project", house.project())
    with house.db.read() as session:
        assert following.has_news(session)
    follow(house)
    with house.db.read() as session:
        assert not following.has_news(session)
    with house.db.begin() as session:
        head = queries.find_ledger_head(session)
        assert queries.lock_reader(session, following.READER) == head


def test_a_group_that_changes_changes_what_waits_for_its_members(house: House) -> None:
    opened(house, "ned", "fay")
    house.db.run(
        lambda session: people.change_members(
            make_context(session, org=ORG, now=house.now), "S0FINANCE", added=["U0NED"], removed=[]
        )
    )
    assert [row.lane_key.rsplit(":", 1)[-1] for row in homes(house)] == ["U0NED"]
