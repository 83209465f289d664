"""What attested returns prove: the first value, a benefits review that is met, and a case that brings too little."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from storage.cases.tables import CaseCheck
from storage.db import Database
from storage.enums import MilestoneType
from storage.milestones.tables import Milestone
from tests.cases.conftest import LEA, OLA
from tests.cases.returning import Works, begin
from workflows.cases import checks, journeys, proving
from workflows.cases.arrival import Stage
from workflows.milestones import service as milestones
from workflows.milestones.forms import AddMilestone

MARCH, MAY = date(2026, 3, 1), date(2026, 5, 31)


@pytest.fixture
def works(database: Database) -> Works:
    return begin(database)


def promise(works: Works, project_id: int, type_: MilestoneType) -> int:
    form = AddMilestone(
        project=works.key_of(project_id),
        title="It brings something",
        type=type_,
        due=date(2026, 6, 1),
        request_key=f"promise-{next(works.keys)}",
    )
    return works.db.run(lambda session: milestones.add_milestone(works.context(session, OLA), form))


def follow(works: Works) -> int:
    return works.db.run(
        lambda session: proving.follow_ledger(works.context(session, OLA).as_system())
    )


def met(works: Works, milestone_id: int) -> bool:
    with works.db.read() as session:
        return session.get_one(Milestone, milestone_id).actual is not None


def summer(works: Works) -> None:
    works.now = datetime(2026, 6, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize("type_", [MilestoneType.FIRST_VALUE, MilestoneType.BENEFITS_REVIEW_90D])
def test_an_attested_return_meets_what_promised_it(works: Works, type_: MilestoneType) -> None:
    project = works.in_use()
    milestone = promise(works, project, type_)
    follow(works)
    summer(works)
    return_id = works.report(project, "48,000", MARCH, MAY)
    assert (follow(works), met(works, milestone)) == (0, False)
    works.attest(return_id)
    assert (follow(works), met(works, milestone)) == (1, True)
    works.ledger_holds()


def test_nothing_that_came_proves_no_value(works: Works) -> None:
    project = works.in_use()
    milestone = promise(works, project, MilestoneType.FIRST_VALUE)
    follow(works)
    summer(works)
    works.attest(works.report(project, "0", MARCH, MAY))
    assert (follow(works), met(works, milestone)) == (0, False)


def test_first_value_is_dated_by_the_first_return_of_more_than_nothing(works: Works) -> None:
    project = works.in_use()
    summer(works)
    works.attest(works.report(project, "0", MARCH, date(2026, 3, 31)))
    works.attest(works.report(project, "9,000", date(2026, 4, 1), date(2026, 4, 30)))
    works.report(project, "9,000", date(2026, 5, 1), MAY)
    with works.db.read() as session:
        ways = journeys.load_journeys(works.context(session, LEA), None)
    (way,) = [each for each in ways if each.key == works.key_of(project)]
    assert way.journey.reached[Stage.FIRST_VALUE] == date(2026, 4, 30)


@pytest.mark.parametrize(("amount", "is_broken"), [("48,001", False), ("47,000", True)])
def test_a_case_that_brings_too_little_is_put_before_its_sponsor(
    works: Works, amount: str, is_broken: bool
) -> None:
    project = works.in_use()
    summer(works)
    return_id = works.report(project, amount, MARCH, MAY)

    def look() -> list[dict[str, int]]:
        works.db.run(
            lambda session: checks.check_some(works.context(session, OLA).as_system(), 0, 100)
        )
        with works.db.read() as session:
            return [row.levels for row in session.execute(select(CaseCheck)).scalars()]

    # 60,000 are planned for these months; what nobody attested counts for nothing.
    assert look() == []
    works.attest(return_id)
    assert look() == ([{"benefit": 1}] if is_broken else [])


def test_a_few_weeks_tell_too_little(works: Works) -> None:
    project = works.in_use()
    summer(works)
    works.attest(works.report(project, "1", MARCH, date(2026, 4, 30)))
    works.db.run(lambda session: checks.check_some(works.context(session, OLA).as_system(), 0, 100))
    with works.db.read() as session:
        assert session.execute(select(CaseCheck)).first() is None
    assert Decimal(1) == works.returns_of(project).attested
