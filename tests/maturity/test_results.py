"""What is told of a check-in, early and in the end, and what leaders aim for; on both databases."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from storage.enums import Level, SeenBy
from tests.contexts import make_context
from tests.maturity.conftest import ORG, House
from workflows import maturity_actions
from workflows.context import OPERATOR
from workflows.errors import InvalidInput, NotAllowed, Stale
from workflows.maturity import service, targets
from workflows.maturity.forms import SetTargets
from workflows.milestones import service as milestones
from workflows.people import service as people


def test_the_result(house: House) -> None:
    house.crowd(5, 6)
    cycle = house.start()
    for n in range(5):
        house.say(f"b{n}", "yes")
    for n in range(5):
        house.say(f"d{n}", "no")
    house.say("d5", "no", parts=2)
    found = house.close(cycle)
    assert (found.invited, found.answered) == (11, 5)
    assert found.overall is Level.LOW
    data = found.dimensions[1]
    assert (data.level, data.people) == (Level.LOW, 11)
    assert (data.leaders, data.practitioners) == (Level.HIGH, Level.LOW)
    assert found.dimensions[5].people == 10
    assert data.agreement == 55
    assert data.units == {"Care": Level.LOW}


def test_too_few_answers_tell_nothing(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    found = house.close(cycle)
    assert found.told == ()
    assert (found.overall, found.median) == (None, None)
    assert all(one.people == 0 and one.agreement is None for one in found.dimensions)


def test_change_since_last_time(house: House) -> None:
    house.crowd(0, 0)
    house.crowd(2, 4)
    first = house.start()
    for name in house.states():
        house.say(name, "no")
    house.close(first)
    house.now += timedelta(days=90)
    second = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    house.say("b0", "yes")
    found = house.close(second)
    assert found.before is Level.LOW
    assert found.before_label == "January 2026"
    assert {one.before for one in found.dimensions} == {Level.LOW}
    assert found.overall is Level.HIGH


def test_what_the_first_message_promised_holds(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for name in house.states():
        house.say(name, "yes")
    house.rules(answers_seen_by=SeenBy.ASSESSOR_BY_NAME)
    house.close(cycle)
    with house.db.read() as session, pytest.raises(NotAllowed, match="promised"):
        service.list_single_answers(
            make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG), cycle
        )
    second = house.start()
    house.say("d0", "yes")
    house.say("d1", "no")
    house.close(second)
    with house.db.read() as session:
        found = service.list_single_answers(
            make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG), second
        )
        assert [one.who for one in found] == ["d0", "d1"]
        with pytest.raises(NotAllowed, match="are for assessors"):
            service.list_single_answers(
                make_context(session, actor=house.actor("b0"), policy=house.policy, org=ORG), second
            )
    house.rules(answers_seen_by=SeenBy.NOBODY)
    with house.db.read() as session, pytest.raises(NotAllowed):
        service.list_single_answers(
            make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG), second
        )


def test_single_answers_without_names_need_enough_people(house: House) -> None:
    house.crowd(2, 4)
    house.rules(answers_seen_by=SeenBy.ASSESSOR)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes", parts=1)
    house.close(cycle)
    with house.db.read() as session, pytest.raises(NotAllowed, match="Fewer than 5"):
        service.list_single_answers(
            make_context(session, actor=house.actor("b1"), policy=house.policy, org=ORG), cycle
        )


def test_an_early_result_counts_in_steps(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    with pytest.raises(InvalidInput, match="Nothing can be told yet"):
        house.early(cycle)
    house.say("d4", "yes")
    first = house.early(cycle)
    assert (first.overall, first.dimensions[0].people) == (Level.HIGH, 5)
    house.say("d5", "no")
    house.say("d0", "no")
    again = house.early(cycle)
    assert again == first
    for n in range(6, 10):
        house.say(f"d{n}", "no")
    second = house.early(cycle)
    assert (second.overall, second.dimensions[0].people) == (Level.LOW, 10)
    assert second.is_early


def test_late_answers_of_a_few_stay_unseen_after_an_early_result(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(5):
        house.say(f"d{n}", "yes")
    early = house.early(cycle)
    for n in range(5, 8):
        house.say(f"d{n}", "no")
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == early.dimensions
    assert (found.invited, found.answered) == (14, 5)


def test_an_erased_person_cannot_be_told_from_an_early_result(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(6):
        house.say(f"d{n}", "yes")
    early = house.early(cycle)
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), "p_d0")
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == early.dimensions


def test_after_an_early_result_the_final_one_tells_no_parts(house: House) -> None:
    house.crowd(5, 5)
    cycle = house.start()
    for n in range(5):
        house.say(f"d{n}", "yes")
    house.early(cycle)
    for n in range(5):
        house.say(f"b{n}", "no")
    found = house.close(cycle)
    assert not found.held_back
    assert found.dimensions[0].people == 10
    assert all(one.leaders is None and not one.units for one in found.dimensions)


def test_targets_and_what_is_missing(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for name in house.states():
        house.say(name, "yes")
        house.say(name, {"data.rules": "no", "data.value": "no", "gov.it": "no"})
    house.close(cycle)
    form = SetTargets(levels={"data": Level.HIGH, "governance": Level.MEDIUM})
    with house.db.begin() as session, pytest.raises(NotAllowed):
        service.set_targets(
            make_context(
                session, actor=house.actor("d0"), policy=house.policy, org=ORG, now=house.now
            ),
            form,
        )
    with house.db.begin() as session:
        found = service.set_targets(
            make_context(
                session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
            ),
            form,
        )
    (gap,) = found.gaps
    assert (gap.dimension, gap.level, gap.target) == ("data", Level.LOW, Level.HIGH)
    assert tuple(one.text for one in gap.missing) == (
        "Written rules say who may use which data and for what.",
        "We can say what our most used data sets cost and what they bring.",
    )
    with house.db.begin() as session:
        found = service.set_targets(
            make_context(
                session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
            ),
            SetTargets(levels={}),
        )
    assert found.levels == {}


def test_a_window_sets_the_targets_that_were_changed_in_it(house: House) -> None:
    """Two leaders have it open: the second takes back nothing of the first's, unless both mean the same target."""
    house.crowd(2, 4)

    def aim(shown: dict[str, Level], levels: dict[str, Level]) -> Mapping[str, Level | None]:
        with house.db.begin() as session:
            return service.set_targets(
                make_context(
                    session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
                ),
                SetTargets(levels=levels, shown=shown),
            ).levels

    aim({}, {"data": Level.HIGH})
    both = {"data": Level.HIGH, "governance": Level.MEDIUM}
    assert aim({}, {"governance": Level.MEDIUM}) == both
    with pytest.raises(Stale, match="it is high now") as refused:
        aim({}, {"data": Level.MEDIUM})
    assert refused.value.field == "data"
    assert aim(both, {"data": Level.HIGH}) == {"data": Level.HIGH}


def test_a_gap_becomes_a_milestone(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for name in house.states():
        house.say(name, "no")
    house.close(cycle)
    with house.db.begin() as session:
        service.set_targets(
            make_context(
                session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
            ),
            SetTargets(levels={"data": Level.MEDIUM}),
        )

    def plan(who: str, key: str, statement: str = "data.owner") -> None:
        form = maturity_actions.PlanAction(
            statement=statement,
            title="Name an owner per data set",
            due=house.now.date() + timedelta(days=60),
            owner_id="p_d1",
            request_key=key,
        )
        with house.db.begin() as session:
            maturity_actions.plan_action(
                make_context(
                    session, actor=house.actor(who), policy=house.policy, org=ORG, now=house.now
                ),
                form,
            )

    plan("b0", "view:1")
    plan("b0", "view:1")
    with pytest.raises(NotAllowed, match="That is for leaders"):
        plan("d0", "view:2")
    with pytest.raises(InvalidInput, match="gap is closed"):
        plan("b0", "view:3", "gov.list")
    with house.db.read() as session:
        (gap,) = service.load_targets(
            make_context(session, policy=house.policy, now=house.now), None
        ).gaps
        (action,) = gap.missing[0].actions
        assert gap.missing[0].id == "data.owner"
        assert (action.title, action.owner) == ("Name an owner per data set", ("U0D1", "d1"))
        mine = milestones.list_open(
            make_context(session, actor=house.actor("d1"), policy=house.policy, now=house.now)
        )
        assert [one.id for one in mine] == [action.milestone_id]
    house.now += timedelta(days=90)
    again = house.start()
    for name in house.states():
        house.say(name, "no")
    house.close(again)
    with house.db.read() as session:
        (gap,) = service.load_targets(
            make_context(session, policy=house.policy, now=house.now), None
        ).gaps
        assert [one.title for one in gap.missing[0].actions] == ["Name an owner per data set"]


def test_a_low_level_is_said_beside_planned_innovation(house: House) -> None:
    house.crowd(2, 4)

    def said(category: str | None, status: str = "in_progress") -> str | None:
        with house.db.read() as session:
            found = targets.find_caution(
                make_context(session, policy=house.policy, now=house.now), category, status=status
            )
            return None if found is None else targets.describe_caution(found)

    assert said("innovation") is None
    cycle = house.start()
    for name in house.states():
        house.say(name, "yes")
        house.say(name, {"data.rules": "no"})
    house.close(cycle)
    assert "January 2026 found low maturity overall, held back by Data." in (
        said("innovation") or ""
    )
    assert said("decision") is None
    assert said(None) is None
    assert said("innovation", "live") is None
    house.now += timedelta(days=90)
    again = house.start()
    for name in house.states():
        house.say(name, "yes")
    house.close(again)
    assert said("innovation") is None
