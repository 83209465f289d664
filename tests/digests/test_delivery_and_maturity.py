"""Milestones and check-ins in a digest: which ones count, and how they are told."""

from datetime import UTC, date, datetime, timedelta

import pytest

from storage.enums import Level
from storage.maturity.tables import MaturityCycle, MaturityRubric
from tests.digests.conftest import NOW, Firm, told
from workflows.digests.records import Content
from workflows.maturity import results
from workflows.maturity.records import CycleResult, DimensionResult


def lines(content: Content, part: str) -> list[str]:
    return [f"{one.label}: {one.text}" for one in content.lines if one.part == part]


def test_milestones_of_the_week(firm: Firm) -> None:
    lane = firm.project("Lane vision", owner="ola")
    firm.milestone(
        lane,
        "Launch",
        date(2026, 2, 16),
        moved=(date(2026, 2, 4), date(2026, 2, 16)),
        type="deployed",
    )
    firm.milestone(lane, "Data sheet", date(2026, 1, 23))
    firm.milestone(
        lane, "Prototype", date(2026, 1, 20), actual=date(2026, 1, 22), baseline=date(2026, 1, 20)
    )
    firm.milestone(lane, "Long overdue", date(2025, 12, 1))
    firm.milestone(lane, "Review", date(2026, 1, 30))
    firm.milestone(lane, "Far away", date(2026, 3, 1))
    firm.milestone(lane, "Met before", date(2026, 1, 2), actual=date(2026, 1, 3))
    firm.milestone(
        lane,
        "Moved before",
        date(2026, 3, 2),
        moved=(date(2026, 2, 2), date(2026, 3, 2)),
        moved_at=NOW - timedelta(days=9),
    )
    firm.milestone(
        lane, "Brought forward", date(2026, 3, 2), moved=(date(2026, 4, 2), date(2026, 3, 2))
    )
    firm.milestone(lane, "Dropped", date(2026, 1, 22), dropped_at=NOW)
    found = firm.digest()
    assert found.headline == "Week 4: two milestones slipped."
    assert lines(found, "delivery") == [
        "Delivery: Milestones: 1 met, 2 slipped, 2 overdue, 1 due by Fri 30 Jan",
        "Slipped: Launch, Lane vision (12 days, now Mon 16 Feb) and Data sheet, Lane vision (3 days, due since Fri 23 Jan)",
    ]
    assert [row.text for row in found.details["delivery"]] == [
        "Slipped 12 days, now Mon 16 Feb: Launch, Lane vision",
        "Slipped 3 days, due since Fri 23 Jan: Data sheet, Lane vision",
        "Met Thu 22 Jan, 2 days after the first promise: Prototype, Lane vision",
        "Due Fri 30 Jan: Review, Lane vision",
        "2 milestones overdue in all",
    ]
    delivery = found.figures["delivery"]
    assert len(delivery["met"]) == firm.sql(
        "SELECT count(*) FROM milestone WHERE actual BETWEEN '2026-01-19' AND '2026-01-25' AND dropped_at IS NULL"
    )
    assert delivery["overdue"] == firm.sql(
        "SELECT count(*) FROM milestone WHERE forecast < '2026-01-26' AND actual IS NULL AND dropped_at IS NULL"
    )
    (picture,) = [one for one in found.pictures if one.part == "delivery"]
    assert picture.title == "Launch, Lane vision slipped most, 12 days"
    assert picture.alt == (
        "Launch, Lane vision 12 days, now Mon 16 Feb; Data sheet, Lane vision 3 days, due since Fri 23 Jan"
    )


def test_one_launch_slipped(firm: Firm) -> None:
    lane = firm.project("Lane vision", owner="ola")
    firm.milestone(
        lane,
        "Launch",
        date(2026, 2, 16),
        moved=(date(2026, 2, 4), date(2026, 2, 16)),
        type="deployed",
        owner_id="p-tim",
    )
    firm.budget(lane, "1000")
    firm.cost(lane, {date(2026, 1, 20): "10"})
    firm.request(lane, asks="lea")
    found = firm.digest()
    assert found.headline == (
        "Week 4: spend is on plan, one launch slipped, and one decision waits for you."
    )
    assert "Tim" not in told(found), "a digest never says who was late"


def result(cycle: int, level: Level, people: int = 6) -> CycleResult:
    names = ("Data", "Training", "Deployment")
    return CycleResult(
        cycle_id=cycle,
        label="Q1 2026",
        business_unit=None,
        as_of=datetime(2026, 1, 22, 9, tzinfo=UTC),
        is_early=False,
        invited=20,
        answered=14,
        fewest=5,
        dimensions=tuple(
            DimensionResult(
                name.lower(),
                name,
                level if name == "Deployment" else Level.HIGH,
                people,
                before=Level.LOW,
            )
            for name in names
        ),
        overall=level,
        median=Level.HIGH,
        before=Level.LOW,
        before_label="Q4 2025",
    )


@pytest.mark.parametrize("name", ["lea", "fay"])
def test_a_check_in_that_was_closed_is_news_for_those_who_may_see_it(firm: Firm, name: str) -> None:
    with firm.db.begin() as session:
        rubric = MaturityRubric(sha256="0", text="", adopted_at=NOW)
        session.add(rubric)
        session.flush()
        cycle = MaturityCycle(
            rubric_id=rubric.id,
            state="closed",
            seen_by="nobody",
            minimum_group=5,
            opened_at=NOW,
            closes_at=NOW,
            closed_at=NOW - timedelta(days=4),
        )
        session.add(cycle)
        session.flush()
        cycle.result = results.as_json(result(cycle.id, Level.MEDIUM))
    found = firm.digest(name)
    if name == "fay":
        assert "Q1 2026" not in told(found), "she was not asked and does not lead"
        return
    assert found.headline == "Week 4: maturity is medium, it was low."
    assert lines(found, "maturity") == [
        "Maturity: Q1 2026: overall medium, it was low; lowest in Deployment; at least 10 of 20 answered"
    ]
    (picture,) = found.pictures
    assert picture.title == "Maturity is lowest in Deployment"
    assert found.figures["maturity"]["overall"] == "medium"
    later = firm.digest(now=NOW)
    assert later.figures["maturity"] == found.figures["maturity"]
