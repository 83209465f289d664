"""What follows from the days of milestones: tables, and what holds for all of them."""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import MilestoneStatus
from workflows.calendar import WorkingCalendar
from workflows.milestones import rules
from workflows.milestones.rules import Node, Rhythm

TODAY = date(2026, 1, 26)
CALENDAR = WorkingCalendar(
    ZoneInfo("UTC"), frozenset(range(5)), time(9), time(17), "GB", frozenset()
)
RHYTHM = Rhythm((14, 7, 1, 0), 7)


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


def node(baseline: str, forecast: str, actual: str | None = None) -> Node:
    return Node(day(baseline), day(forecast), day(actual) if actual else None)


@pytest.mark.parametrize(
    ("nodes", "needs", "expected"),
    [
        # Nothing is linked: each is met on its day, or today at the earliest.
        ({1: node("01-10", "02-10"), 2: node("01-10", "01-20")}, {}, {1: "02-10", 2: "01-26"}),
        # The report slips twelve days, and the launch keeps the six that were planned between the two.
        ({1: node("01-29", "02-10"), 2: node("02-04", "02-04")}, {2: {1}}, {1: "02-10", 2: "02-16"}),
        # There was room: a launch that was put later anyway is not moved.
        ({1: node("01-29", "02-10"), 2: node("02-04", "03-01")}, {2: {1}}, {1: "02-10", 2: "03-01"}),
        # What is done late still moved the rest, and what is done does not move.
        ({1: node("01-20", "01-20", "01-25"), 2: node("01-27", "01-27")}, {2: {1}}, {1: "01-25", 2: "02-01"}),
        ({1: node("01-29", "02-10"), 2: node("02-04", "02-04", "01-22")}, {2: {1}}, {1: "02-10", 2: "01-22"}),
        # The later of two decides; a chain is followed to its end.
        ({1: node("02-01", "02-03"), 2: node("02-01", "02-08"), 3: node("02-05", "02-05"), 4: node("02-06", "02-06")}, {3: {1, 2}, 4: {3}}, {3: "02-12", 4: "02-13"}),
        # A circle, which nothing lets in, holds nothing up.
        ({1: node("02-01", "02-03"), 2: node("02-01", "02-04")}, {1: {2}, 2: {1}}, {1: "02-03", 2: "02-04"}),
        # What is needed was planned for later: no days are kept between the two.
        ({1: node("02-20", "02-20"), 2: node("02-04", "02-04")}, {2: {1}}, {2: "02-20"}),
    ],
)  # fmt: skip
def test_when_a_milestone_can_be_met(
    nodes: dict[int, Node], needs: dict[int, set[int]], expected: dict[int, str]
) -> None:
    found = rules.plan(nodes, needs, TODAY).expected
    assert {one: found[one] for one in expected} == {
        one: day(text) for one, text in expected.items()
    }


def test_what_a_slip_moves_goes_through_others_and_leaves_out_what_another_holds_up() -> None:
    nodes = {
        1: node("02-01", "02-11"),
        2: node("02-02", "02-02"),
        3: node("02-03", "02-03"),
        4: node("02-01", "04-01"),
        5: node("02-05", "02-05"),
    }
    found = rules.plan(nodes, {2: {1}, 3: {2}, 5: {1, 4}}, TODAY)
    assert found.pushes(1) == [2, 3]
    assert found.pushes(4) == [5]
    assert found.pushes(3) == []


@pytest.mark.parametrize(
    ("milestone", "expected", "said", "status"),
    [
        (node("02-01", "02-01"), "02-01", False, MilestoneStatus.ON_TRACK),
        (node("01-26", "01-26"), "01-26", False, MilestoneStatus.ON_TRACK),
        (node("01-25", "01-25"), "01-26", False, MilestoneStatus.LATE),
        (node("01-25", "01-25"), "01-26", True, MilestoneStatus.LATE),
        (node("02-01", "02-01"), "02-01", True, MilestoneStatus.AT_RISK),
        (node("02-01", "02-01"), "02-02", False, MilestoneStatus.AT_RISK),
        (node("01-01", "01-01", "01-20"), "01-20", True, MilestoneStatus.DONE),
    ],
)
def test_how_it_stands(milestone: Node, expected: str, said: bool, status: MilestoneStatus) -> None:
    assert rules.status(milestone, day(expected), TODAY, at_risk=said) is status


@pytest.mark.parametrize(
    ("forecast", "since", "expected"),
    [
        # Wednesday: every reminder on its own day.
        ("02-18", "01-01", {-14: "02-04", -7: "02-11", -1: "02-17", 0: "02-18", 7: "02-25", 14: "03-04"}),
        # Monday: the day before is a Sunday, so it comes on Friday.
        ("02-16", "01-01", {-14: "02-02", -7: "02-09", -1: "02-13", 0: "02-16", 7: "02-23", 14: "03-02"}),
        # Sunday: both last reminders on Friday, and overdue ones never before it is overdue.
        ("02-22", "02-09", {-7: "02-13", -1: "02-20", 0: "02-20", 7: "02-27", 14: "03-06"}),
        # Good Friday and Easter weekend.
        ("04-03", "03-25", {-7: "03-27", -1: "04-02", 0: "04-02", 7: "04-10"}),
        # Reminders start when it was overdue already: the first at once.
        ("01-05", "02-10", {36: "02-10", 43: "02-17", 50: "02-24", 57: "03-03"}),
        # What would have come by the day it was promised is left out.
        ("02-18", "02-11", {-1: "02-17", 0: "02-18", 7: "02-25", 14: "03-04"}),
    ],
)  # fmt: skip
def test_which_reminder_falls_on_which_day(
    forecast: str, since: str, expected: dict[int, str]
) -> None:
    through = max(day(text) for text in expected.values())
    found = rules.steps(day(forecast), day(since), through, RHYTHM, CALENDAR)
    assert {step.days: step.on for step in found} == {
        step: day(text) for step, text in expected.items()
    }


def test_an_overdue_reminder_waits_until_it_is_overdue() -> None:
    off = frozenset(date(2026, 2, 18) + timedelta(days=n) for n in range(9))
    closed = WorkingCalendar(ZoneInfo("UTC"), frozenset(range(5)), time(9), time(17), None, off)
    found = rules.steps(day("02-18"), day("01-01"), day("03-05"), RHYTHM, closed)
    assert {step.days: step.on for step in found}[7] == day("02-27")
    assert {step.days: step.on for step in found}[0] == day("02-17")


def test_one_more_person_with_each_reminder_while_it_is_overdue() -> None:
    chain = rules.chain(["leo", None, "leo", "nora", "kiran"], {"leo", "nora", "kiran"})
    assert chain == ["leo", "nora", "kiran"]
    found = rules.steps(day("02-18"), day("01-01"), day("03-12"), RHYTHM, CALENDAR)
    told = {step.days: [one for one in chain if rules.is_told(step, chain, one)] for step in found}
    assert told[0] == ["leo"]
    assert told[7] == ["leo", "nora"]
    assert told[14] == told[21] == ["leo", "nora", "kiran"]


DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(forecast=DAYS, since=DAYS, length=st.integers(0, 120))
def test_reminders_are_in_order_on_working_days_and_each_once(
    forecast: date, since: date, length: int
) -> None:
    through = max(forecast, since) + timedelta(days=length)
    found = rules.steps(forecast, since, through, RHYTHM, CALENDAR)
    assert [step.on for step in found] == sorted(step.on for step in found)
    assert len({step.days for step in found}) == len(found)
    assert all(CALENDAR.is_working_day(step.on) for step in found)
    assert all(step.on > forecast for step in found if step.days > 0)
    assert all(step.rank == 1 for step in found if step.days <= 0)
    # Looking one day further never changes what was seen before.
    more = rules.steps(forecast, since, through + timedelta(days=1), RHYTHM, CALENDAR)
    assert more[: len(found)] == found


@st.composite
def nets(draw: st.DrawFn) -> tuple[dict[int, Node], dict[int, set[int]]]:
    count = draw(st.integers(1, 7))
    nodes = {
        one: Node(draw(DAYS), draw(DAYS), draw(st.none() | st.dates(date(2025, 6, 1), TODAY)))
        for one in range(count)
    }
    needs = {one: draw(st.sets(st.integers(0, one - 1))) if one else set() for one in nodes}
    return nodes, needs


@given(nets(), st.integers(0, 6), st.integers(1, 90))
def test_a_later_day_never_brings_anything_forward(
    net: tuple[dict[int, Node], dict[int, set[int]]], which: int, later: int
) -> None:
    nodes, needs = net
    before = rules.plan(nodes, needs, TODAY)
    assert all(
        before.expected[one] >= nodes[one].alone(TODAY)
        for one in nodes
        if nodes[one].actual is None
    )
    chosen = which % len(nodes)
    moved = nodes | {
        chosen: Node(
            nodes[chosen].baseline,
            nodes[chosen].forecast + timedelta(days=later),
            nodes[chosen].actual,
        )
    }
    after = rules.plan(moved, needs, TODAY)
    for one in nodes:
        assert after.expected[one] >= before.expected[one]
        if after.expected[one] > before.expected[one] and one != chosen:
            assert one in after.pushes(chosen)


@given(nets())
def test_only_a_link_that_closes_a_circle_is_refused(
    net: tuple[dict[int, Node], dict[int, set[int]]],
) -> None:
    nodes, needs = net
    for one in nodes:
        assert rules.closes_a_circle(needs, one, one)
        for needed in needs[one]:
            assert rules.closes_a_circle(needs, needed, one)
            assert not rules.closes_a_circle(needs, one, needed)


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [
        # Thursday 5 February: Friday is the first day late; the weekend's two reminders bring nobody in.
        ("02-05", [("02-06", 2), ("02-09", 3), ("02-10", 4)]),
        ("02-06", [("02-09", 2), ("02-10", 3), ("02-11", 4)]),
        ("02-03", [("02-04", 2), ("02-05", 3), ("02-06", 4), ("02-09", 5), ("02-10", 6)]),
    ],
)  # fmt: skip
def test_daily_reminders_bring_in_one_person_a_working_day(
    forecast: str, expected: list[tuple[str, int]]
) -> None:
    steps = rules.steps(day(forecast), day("01-01"), day("02-11"), Rhythm((), 1), CALENDAR)
    assert [(step.on, step.rank) for step in steps][: len(expected)] == [
        (day(on), rank) for on, rank in expected
    ]
    assert len({step.days for step in steps}) == len(steps)
