"""Cases that no longer hold: what breaks them, whom that is put before, how often, and what can be answered."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.cases import checks as view
from bot.delivery.rendering import Scene
from storage.cases.tables import CaseCheck
from storage.db import Database
from storage.enums import CheckAnswer, Driver, MilestoneType, ProjectStatus
from tests.cases.arriving import Works
from tests.cases.conftest import FIN, LEA, OLA, PIA, SPO
from workflows import jobs
from workflows.calendar import calendar_for
from workflows.cases import approval, arrival, checks, ending
from workflows.cases.amounts import Range, constant
from workflows.cases.arrival import CaseStanding
from workflows.cases.checks import AT_LEAST, CheckRecord, is_worse, measure_levels, plan_cost
from workflows.cases.forms import AskCase, GoOn, OnCheck, StopProject
from workflows.context import Occasion
from workflows.errors import NotAllowed, NotFound, Stale
from workflows.job_runner import DueSlot
from workflows.policy.sections import Material

LIMITS = Material()
MARCH = date(2026, 3, 1)


@pytest.fixture
def works(database: Database) -> Works:
    return Works(database)


# --- What is broken, and how badly

AMOUNTS = st.none() | st.integers(-50, 400).map(Decimal)
DAYS = st.none() | st.integers(0, 900).map(lambda days: date(2026, 1, 1) + timedelta(days=days))
STANDINGS = st.builds(CaseStanding, st.just("EUR"), AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, DAYS, DAYS)


@given(STANDINGS)
def test_levels_say_what_the_reasons_say(standing: CaseStanding) -> None:
    levels = measure_levels(standing, LIMITS)
    assert len(levels) == len(
        arrival.is_broken(standing, Decimal("0.1"), Decimal("0.2"), LIMITS.months)
    )
    assert all(1 <= level <= checks.MOST_LEVELS for level in levels.values())


@given(STANDINGS, st.integers(0, 100))
def test_more_cost_is_never_a_lower_level(standing: CaseStanding, more: int) -> None:
    if standing.actual_cost is None:
        return
    worse = replace(standing, actual_cost=standing.actual_cost + more)
    before, after = (measure_levels(each, LIMITS).get("cost", 0) for each in (standing, worse))
    assert after >= before


def test_levels_by_hand() -> None:
    standing = CaseStanding("EUR", Decimal(100), Decimal(110), Decimal(100), Decimal(59))
    assert measure_levels(standing, LIMITS) == {"benefit": 2}
    assert measure_levels(replace(standing, actual_cost=Decimal("110.01")), LIMITS) == {
        "cost": 1,
        "benefit": 2,
    }
    late = CaseStanding("EUR", planned_end=date(2026, 1, 31), forecast_end=date(2026, 8, 1))
    assert measure_levels(late, LIMITS) == {"end": 2}


def test_worse_is_something_else_or_as_much_again() -> None:
    assert is_worse({"cost": 1}, {})
    assert is_worse({"cost": 2}, {"cost": 1})
    assert is_worse({"cost": 1, "end": 1}, {"cost": 3})
    assert not is_worse({"cost": 1}, {"cost": 1, "end": 2})
    assert not is_worse({}, {})


def test_cost_is_compared_over_the_same_months() -> None:
    bills = constant((Decimal(100), Decimal(100), Decimal(100)), 12)
    spent = {MARCH: Decimal(130), date(2026, 4, 1): Decimal(90), date(2026, 2, 1): Decimal(999)}

    def compare(through: date) -> tuple[Decimal, Decimal] | None:
        return plan_cost(bills, MARCH, through, spent)

    assert compare(date(2026, 3, 30)) is None
    # The first months are compared with the plan of three.
    assert AT_LEAST == 3
    assert compare(date(2026, 3, 31)) == (300, 130)
    assert compare(date(2026, 5, 30)) == (300, 220)
    assert compare(date(2026, 6, 30)) == (400, 220)
    assert compare(date(2028, 6, 30)) == (1200, 220)
    assert plan_cost(Range(), MARCH, date(2026, 6, 30), {}) == (0, 0)


# --- Put before its sponsor


def list_checks(works: Works) -> list[CaseCheck]:
    with works.db.read() as session:
        rows = list(session.execute(select(CaseCheck).order_by(CaseCheck.id)).scalars())
        session.expunge_all()
    return rows


def overspend(works: Works, key: str, months: int, amount: str = "5,000") -> None:
    """So many months of bills from March on."""
    spent = {date(2026, 3 + month, 1): amount.replace(",", "") for month in range(months)}
    works.spend(key, spent)


def broken_case(works: Works) -> tuple[int, str]:
    """A case that planned 5,000 a month and costs 5,900, five months on; checked."""
    case_id, key = works.approved_case(costs="5,000")
    works.later(days=190)
    overspend(works, key, 5, "5,900")
    works.check_all()
    return case_id, key


def record_of(works: Works, check_id: int = 1) -> CheckRecord:
    record = works.see(SPO, checks.load_check, check_id)
    assert isinstance(record, CheckRecord)
    return record


def test_what_holds_is_put_before_nobody(works: Works) -> None:
    _, key = works.approved_case(costs="5,000")
    works.later(days=190)
    overspend(works, key, 5, "5,500")
    works.check_all()
    assert list_checks(works) == []
    assert works.board.told("cases.broken") == []


def test_what_costs_more_is_put_before_its_sponsor_once(works: Works) -> None:
    case_id, _ = broken_case(works)
    (check,) = list_checks(works)
    assert (check.case_id, check.number, check.asked_id) == (case_id, 1, "p-spo")
    assert check.levels == {"cost": 1}
    assert works.board.told("cases.broken") == ["U0SPO"]
    record = record_of(works)
    assert record.reasons == ("Cost is 29,500 EUR, 18 % more than the 25,000 EUR planned.",)
    for _ in range(5):
        works.later(days=1)
        works.check_all()
    assert works.board.told("cases.broken") == ["U0SPO"]
    assert len(list_checks(works)) == 1
    works.board.ledger_holds()


def test_it_comes_in_working_hours(works: Works) -> None:
    works.approved_case(costs="5,000")
    (_, key) = works.approved_case("Other")
    works.later(days=180)
    overspend(works, key, 5, "9,000")
    works.later(hours=12)
    works.check_all()
    (row,) = works.board.sent("cases.broken")
    calendar = calendar_for(works.board.policy, tz="Europe/London", country=None)
    assert row.due_at == calendar.next_open(works.now) > works.now


def test_other_currencies_and_people_are_not_compared(works: Works) -> None:
    case_id = works.board.complete(costs="5,000")
    works.board.line(case_id, Driver.PEOPLE, amount="50,000")
    works.board.approve(case_id)
    key = works.board.project_of(case_id).key
    works.later(days=190)
    works.spend(key, {MARCH: "90000"}, currency="USD")
    overspend(works, key, 5, "5,400")
    works.check_all()
    assert list_checks(works) == []
    # Bills of twice what bills were planned are more, though people were planned to cost ten times that.
    works.spend(key, {date(2026, 7, 1): "20000"})
    works.check_all()
    (check,) = list_checks(works)
    assert check.standing["planned_cost"] == "25000"
    assert check.standing["actual_cost"] == "47000"


def test_going_on_is_quiet_until_it_gets_worse(works: Works) -> None:
    _, key = broken_case(works)
    form = GoOn(check_id=1, revision=1, reason="The peak is over.")
    works.act(SPO, checks.go_on, form)
    record = record_of(works)
    assert (record.answer, record.reason) == (CheckAnswer.GO_ON, "The peak is over.")
    works.later(days=30)
    works.spend(key, {date(2026, 8, 1): "5900"})
    works.check_all()
    assert len(list_checks(works)) == 1
    # As much again: over 20 %.
    works.later(days=30)
    works.spend(key, {date(2026, 9, 1): "9000"})
    works.check_all()
    assert [check.levels for check in list_checks(works)] == [{"cost": 1}, {"cost": 2}]
    assert works.board.told("cases.broken") == ["U0SPO", "U0SPO"]
    works.board.ledger_holds()


def test_while_it_waits_it_shows_what_is_true(works: Works) -> None:
    _, key = broken_case(works)
    works.board.deliver()
    works.later(days=30)
    works.spend(key, {date(2026, 8, 1): "9000"})
    works.check_all()
    (check,) = list_checks(works)
    assert (check.revision, check.levels) == (2, {"cost": 2})
    assert record_of(works).reasons[0].startswith("Cost is 38,500 EUR, 28 % more")
    assert [row.op for row in works.board.sent("cases.broken")] == ["post", "update"]
    with pytest.raises(Stale, match="figures changed"):
        works.act(SPO, checks.go_on, GoOn(check_id=1, revision=1, reason="It is fine."))


def test_what_holds_again_closes_itself_and_is_news_once_more(works: Works) -> None:
    case_id, key = works.approved_case(costs="5,000")
    launch = works.promise(key, MilestoneType.DEPLOYED, days=60)
    works.later(days=190)
    works.check_all()
    (check,) = list_checks(works)
    assert check.levels == {"end": 1}
    works.complete(launch)
    works.check_all()
    (check,) = list_checks(works)
    assert (check.answer, check.answered_by) == (CheckAnswer.HOLDS, None)
    overspend(works, key, 5, "5,900")
    works.check_all()
    assert [each.levels for each in list_checks(works)] == [{"end": 1}, {"cost": 1}]
    assert {each.case_id for each in list_checks(works)} == {case_id}


def test_the_same_again_after_it_held_again(works: Works) -> None:
    _, key = works.approved_case(costs="5,000")
    works.later(days=190)
    overspend(works, key, 5, "5,900")
    works.check_all()
    # A month of credits, and then one that is as dear as those before.
    works.later(days=30)
    works.spend(key, {date(2026, 8, 1): "3000"})
    works.check_all()
    works.later(days=30)
    works.spend(key, {date(2026, 9, 1): "7000"})
    works.check_all()
    assert [(each.levels, each.answer) for each in list_checks(works)] == [
        ({"cost": 1}, "holds"),
        ({"cost": 1}, None),
    ]
    assert works.board.told("cases.broken") == ["U0SPO", "U0SPO"]


def test_a_new_estimate_is_judged_anew(works: Works) -> None:
    case_id, _ = broken_case(works)
    line = works.board.record(case_id).costs[0].line.id
    works.board.line(case_id, Driver.COMPUTE, line_id=line, amount="5,300")
    assert works.see(PIA, approval.describe_reestimate, case_id) == []
    form = AskCase(case_id=case_id, revision=works.board.revision(case_id))
    works.act(PIA, approval.record_reestimate, form, reason="Prices rose.")
    works.check_all()
    first, second = list_checks(works)
    assert first.answer == CheckAnswer.HOLDS
    # 29,500 of 26,500 is over still: 11 %.
    assert (second.number, second.levels) == (2, {"cost": 1})


def test_asking_for_another_estimate_asks_the_owner(works: Works) -> None:
    broken_case(works)
    owner = works.act(SPO, checks.ask_estimate, OnCheck(check_id=1, revision=1))
    assert owner.id == "p-ola"
    assert works.board.told("cases.estimate_asked") == ["U0OLA"]
    works.later(days=1)
    works.check_all()
    assert len(list_checks(works)) == 1


def test_stopping_answers_it(works: Works) -> None:
    _, key = broken_case(works)
    form = StopProject(
        project_id=works.ways()[key].journey.project_id,
        status=ProjectStatus.APPROVED,
        reason="Too dear.",
        learnt="Bills lag.",
    )
    works.act(SPO, ending.stop_project, form)
    record = record_of(works)
    assert record.answer is CheckAnswer.STOP
    assert record.answered_by is not None
    works.check_all()
    assert len(list_checks(works)) == 1


def test_who_answers(works: Works) -> None:
    broken_case(works)
    form = GoOn(check_id=1, revision=1, reason="It is fine.")
    with pytest.raises(NotFound):
        works.act(FIN, checks.go_on, form)
    with pytest.raises(NotFound):
        works.act(SPO, checks.go_on, form.model_copy(update={"check_id": 7}))
    with pytest.raises(NotAllowed, match="Whoever sponsors Ticket routing"):
        works.act(OLA, checks.go_on, form)
    with works.db.read() as session, pytest.raises(NotAllowed):
        checks.require_answerable(works.context(session, OLA), form)
    works.act(LEA, checks.go_on, form)
    with pytest.raises(Stale, match="answered meanwhile"):
        works.act(SPO, checks.go_on, form)


def test_without_a_sponsor_the_owner_is_asked_and_nobody_who_left(works: Works) -> None:
    _, key = works.approved_case(costs="5,000")
    works.board.flag(SPO, is_deactivated=True)
    works.later(days=190)
    overspend(works, key, 5, "5,900")
    works.board.flag(OLA, is_deactivated=True)
    works.check_all()
    assert list_checks(works) == []
    works.board.flag(OLA, is_deactivated=False)
    works.check_all()
    (check,) = list_checks(works)
    assert check.asked_id == "p-ola"


def test_in_batches_each_once(works: Works) -> None:
    keys = [works.approved_case(f"Case {number}")[1] for number in range(5)]
    works.later(days=190)
    for key in keys[::2]:
        overspend(works, key, 5, "5,900")
    assert works.check_all(most=2) == 3
    assert [check.case_id for check in list_checks(works)] == [1, 3, 5]
    assert checks.WORK in jobs.REGISTRY.daily
    assert checks.WORK in jobs.REGISTRY.long


def test_the_job_goes_on_where_it_stopped(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [works.approved_case(f"Case {number}")[1] for number in range(3)]
    works.later(days=190)
    for key in keys:
        overspend(works, key, 5, "5,900")
    monkeypatch.setattr(checks, "MOST", 2)
    occasion = Occasion(works.board.policy, "T0ACME", works.now, 1)
    slot = DueSlot("organisation", checks.WORK, "2026-08-04", works.now)
    work = jobs.REGISTRY.long[checks.WORK]
    with works.db.begin() as session:
        jobs.REGISTRY.schedules[checks.WORK](occasion.context(session), slot)
    rounds = 0
    while True:
        with works.db.read() as session:
            if not work.has_news(session):
                break
        work.run(works.db, occasion, 0.0)
        rounds += 1
    assert rounds == 2
    assert len(list_checks(works)) == 3


def test_as_people_read_it(works: Works) -> None:
    broken_case(works)
    scene = Scene(works.now, works.board.policy, reader_id="p-spo")
    message = view.broken(record_of(works), checks.CaseBroken(1), scene)
    assert message.text == (
        "The case of Ticket routing no longer holds: "
        "Cost is 29,500 EUR, 18 % more than the 25,000 EUR planned."
    )
    assert [each["text"]["text"] for each in message.blocks[1]["elements"]] == [
        "Go on…",
        "Re-estimate",
        "Stop…",
    ]
    assert not message.is_final
    works.act(SPO, checks.ask_estimate, OnCheck(check_id=1, revision=1))
    asked = view.estimate_asked(record_of(works), checks.EstimateAsked(1), scene)
    assert asked.text == "Spo asks for another estimate of Ticket routing"
    after = view.broken(record_of(works), checks.CaseBroken(1), scene)
    assert after.is_final
    assert after.text == "Ticket routing is to be estimated anew"
    assert len(after.blocks) == 1
