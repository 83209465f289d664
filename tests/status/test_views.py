"""Home and status under load: within Slack's limits, in a flat number of statements, a page at a time."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from bot.status import messages
from sandbox.blocks import layout
from storage.approvals.tables import Approval, ApprovalStage
from storage.budgets.tables import Budget, BudgetRevision
from storage.milestones.tables import Milestone
from storage.projects.tables import Project
from tests.approvals.conftest import ORG, POLICY, START, House
from tests.contexts import make_context
from tests.status.conftest import home
from workflows import status
from workflows.errors import InvalidInput, NotFound
from workflows.status import following

pytestmark = pytest.mark.slow


def portfolio(house: House, number: int) -> None:
    """So many projects of Ola's, each with a budget; the last ones are named to be hard on a list."""
    with house.db.begin() as session:
        projects = [
            Project(
                key=f"big-{place:04}",
                name=f"Project {place} <!channel> & *" + "n" * 300,
                owner_id="p-ola",
                status="live",
                created_at=START,
            )
            for place in range(number)
        ]
        session.add_all(projects)
        session.flush()
        budgets = [
            Budget(
                project_id=project.id,
                period="month",
                starts=date(2026, 1, 1),
                currency="EUR",
                basis="effective",
                thresholds=[80],
                created_at=START,
            )
            for project in projects
        ]
        session.add_all(budgets)
        session.flush()
        session.add_all(
            BudgetRevision(
                budget_id=budget.id,
                revision=1,
                amount=Decimal(1000),
                valid_from=date(2026, 1, 1),
                created_at=START,
            )
            for budget in budgets
        )


def requests(house: House, number: int, *, by: str = "tim") -> None:
    """So many requests that wait for Ola."""
    project = house.project()
    with house.db.begin() as session:
        approvals = [
            Approval(
                request_key=f"{by}-{place}",
                gate="budget_increase",
                subject_type="project",
                subject_id=project,
                project_id=project,
                facts={"project_id": project, "to": "live"},
                requester_id=f"p-{by}",
                policy_id=1,
                state="pending",
                created_at=START,
                expires_at=START + timedelta(days=1, minutes=place),
            )
            for place in range(number)
        ]
        session.add_all(approvals)
        session.flush()
        session.add_all(
            ApprovalStage(
                approval_id=approval.id,
                position=0,
                name="Owner",
                quorum=1,
                ask="dm",
                approvers=[{"rule": "subject.owner", "who": ["person:p-ola"]}],
            )
            for approval in approvals
        )


def milestone(
    house: House, project: int, title: str, due: date, *, owner: str | None = "ola"
) -> int:
    """A milestone that nobody has met yet."""
    with house.db.begin() as session:
        made = Milestone(
            project_id=project,
            title=title,
            type="deployed",
            owner_id=f"p-{owner}" if owner else None,
            baseline=due,
            forecast=due,
            created_at=START,
        )
        session.add(made)
        session.flush()
        return made.id


@contextmanager
def counted(house: House) -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    engines = {house.db.engine, house.db._read_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def turn(house: House, section: str, number: int) -> None:
    house.db.run(lambda session: following.turn_page(session, "p-ola", section, number))


def read(house: House, look: Callable[[Session], Any]) -> Any:
    with house.db.read() as session:
        return look(session)


def all_of(house: House, name: str, number: int = 0) -> Any:
    return read(
        house,
        lambda session: status.load_portfolio(
            make_context(
                session, actor=house.actor(name), policy=house.policy, org=ORG, now=house.now
            ),
            number=number,
            everything=True,
        ),
    )


@pytest.fixture
def full(house: House) -> House:
    portfolio(house, 500)
    requests(house, 200)
    requests(house, 30, by="ola")
    return house


def test_a_full_home_stays_far_below_slacks_limits_on_every_page(full: House) -> None:
    for section, last in (("waiting", 39), ("asked", 5), ("projects", 83)):
        for number in (0, 1, last, 9999):
            turn(full, section, number)
            view = home(full, "ola")
            layout.view(view, "home")
            assert len(view["blocks"]) <= 50
            assert len(json.dumps(view, ensure_ascii=False).encode()) < 40_000
    shown = str(view)
    assert "200 decisions wait for you" in shown
    assert "<!channel>" not in shown


def test_pages_stay_where_somebody_turned_them_and_end_with_the_list(full: House) -> None:
    turn(full, "waiting", 3)
    turn(full, "projects", 2)
    shown = str(home(full, "ola"))
    assert "16–20 of 200, the most urgent first" in shown
    assert "13–18 of 502" in shown
    assert json.loads(home(full, "ola")["private_metadata"]) == {
        "waiting": 3,
        "due": 0,
        "asked": 0,
        "projects": 2,
    }
    turn(full, "waiting", 9999)
    shown = str(home(full, "ola"))
    assert "196–200 of 200" in shown
    assert "'value': 'waiting:38'" in shown
    assert "waiting:40" not in shown
    full.db.run(lambda session: following.reset_pages(session, "p-ola"))
    assert "1–5 of 200" in str(home(full, "ola"))
    with pytest.raises(InvalidInput, match="another release"):
        turn(full, "secrets", 1)


def test_the_number_of_statements_does_not_grow_with_the_projects(house: House) -> None:
    def looks() -> list[int]:
        made = []
        for look in (
            lambda: home(house, "ola"),
            lambda: all_of(house, "ola"),
            lambda: read(
                house,
                lambda session: status.load_summary(
                    make_context(
                        session, actor=house.actor("ola"), policy=house.policy, now=house.now
                    )
                ),
            ),
            lambda: read(
                house,
                lambda session: status.load_project(
                    make_context(
                        session, actor=house.actor("ola"), policy=house.policy, now=house.now
                    ),
                    "big-0001",
                ),
            ),
        ):
            with counted(house) as statements:
                look()
            made.append(len(statements))
        return made

    house.text = POLICY.replace("roles:\n", "roles:\n  leader: [U0OLA]\n")
    portfolio(house, 6)
    requests(house, 8)
    few = looks()
    with house.db.begin() as session:
        for row in session.query(Project).filter(Project.key.startswith("big-")):
            row.key = f"old-{row.key}"
    portfolio(house, 400)
    assert looks() == few
    assert max(few) <= 50


def test_status_pages_through_everything_and_fits_a_message(full: House) -> None:
    full.text = POLICY.replace("roles:\n", "roles:\n  leader: [U0NED]\n")
    first = messages.portfolio(all_of(full, "ned"))
    layout.message_blocks(first.blocks)
    assert first.text == "502 projects, none over budget · 230 requests wait"
    assert "1–6 of 502" in str(first.blocks)
    assert "'value': 'all:1'" in str(first.blocks)
    last = str(messages.portfolio(all_of(full, "ned", 9999)).blocks)
    assert "499–502 of 502" in last
    assert "Next" not in last


def test_what_needs_a_look_most_comes_first(house: House) -> None:
    portfolio(house, 3)
    requests(house, 1)
    found = all_of(house, "ola")
    assert [line.waiting for line in found.lines.items] == [1, 0, 0, 0]
    assert found.waiting == 1


def test_milestones_that_are_due_wait_with_all_that_can_be_done_about_them(house: House) -> None:
    project = house.project()
    for title, due in (
        ("Launch <!channel>", date(2026, 1, 30)),
        ("Report", date(2026, 1, 20)),
        ("Far away", date(2026, 6, 1)),
    ):
        milestone(house, project, title, due)
    milestone(house, project, "Of another", date(2026, 1, 27), owner="ned")
    view = home(house, "ola")
    layout.view(view, "home")
    shown = str(view)
    assert "2 milestones due wait for you" in shown
    assert shown.index("Report") < shown.index("Launch")
    assert "was due Tue 20 Jan, 6 days overdue" in shown
    assert "milestones.more" in shown
    assert "Far away" not in shown
    assert "Of another" not in shown
    assert "<!channel>" not in shown.replace("'text': 'Launch <!channel>", "")
    assert "1 milestone overdue" in shown
    found = all_of(house, "ola")
    assert (found.overdue, found.lines.items[0].overdue) == (1, 1)
    assert "1 milestone overdue" in messages.portfolio(found).text
    with house.db.read() as session:
        one = messages.project(
            status.load_project(
                make_context(session, actor=house.actor("ola"), policy=house.policy, now=house.now),
                "lane-0",
            )
        )
    layout.message_blocks(one.blocks)
    assert "Far away" in str(one.blocks)
    requests(house, 1)
    assert "1 decision and 2 milestones due wait for you" in str(home(house, "ola"))


def test_what_waits_fits_a_private_answer_however_much_it_is(full: House) -> None:
    for number in range(20):
        milestone(full, 1, "m" * 300, date(2026, 1, 20 + number % 5))
    with full.db.read() as session:
        found = status.load_home(
            make_context(
                session, actor=full.actor("ola"), policy=full.policy, org=ORG, now=full.now
            )
        )
    told = messages.what_waits(found)
    layout.message_blocks(told.blocks)
    assert told.text == "200 decisions and 20 milestones due wait for you."
    assert "…and 213 more" in str(told.blocks)


def test_empty_states_say_what_will_stand_there(house: House) -> None:
    house.sees_all = False
    shown = str(home(house, "ned"))
    layout.view(home(house, "ned"), "home")
    assert "Nothing that you asked for waits for others either." in shown
    assert "You own, sponsor or manage no project." in shown
    assert "You can see no project yet" in messages.portfolio(all_of(house, "ned")).text
    requests(house, 1, by="ned")
    shown = str(home(house, "ned"))
    assert "1 request of yours is with others; the first answer is due" in shown


def test_a_project_out_of_sight_is_as_unknown_as_one_that_is_not_there(house: House) -> None:
    house.sees_all = False
    house.project()
    said = set()
    for key in ("lane-0", "lane-9"):
        with house.db.read() as session, pytest.raises(NotFound) as refused:
            status.find_project(
                make_context(session, actor=house.actor("tim"), policy=house.policy), key
            )
        said.add(refused.value.sentence.replace(key, "KEY"))
    assert len(said) == 1
    with house.db.read() as session, pytest.raises(NotFound, match="Did you mean"):
        status.find_project(
            make_context(session, actor=house.actor("ola"), policy=house.policy), "lane"
        )


def test_everything_is_read_in_as_many_statements_however_much_there_is(house: House) -> None:
    house.text = POLICY.replace("roles:\n", "roles:\n  leader: [U0NED]\n")
    counts = []
    for _ in range(2):
        with house.db.begin() as session:
            session.execute(update(Project).values(key=Project.key + "-before"))
        portfolio(house, 600)
        with counted(house) as seen:
            found = all_of(house, "ned", 3)
        assert len(found.lines.items) == 6
        counts.append(len(seen))
    assert found.lines.total == 1200
    assert counts[0] == counts[1] <= 25, counts


def test_a_list_of_everything_stands_by_what_matters_over_all_pages(house: House) -> None:
    house.text = POLICY.replace("roles:\n", "roles:\n  leader: [U0NED]\n")
    portfolio(house, 20)
    late = house.project()
    milestone(house, late, "Late", date(2026, 1, 20))
    lines = [line for number in range(4) for line in all_of(house, "ned", number).lines.items]
    assert len({line.project.id for line in lines}) == len(lines) == 21
    assert (lines[0].project.id, lines[0].overdue) == (late, 1)
    names = [line.name.casefold() for line in lines[1:]]
    assert names == sorted(names)
