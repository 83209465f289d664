"""Cost is written beside what counts: nobody counts it before all of it is there, and a kill leaves the old or the new."""

import ast
import itertools
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot import failpoints
from storage import runtime
from storage.budgets import costs as cost_queries
from storage.budgets import generations
from storage.budgets.tables import BudgetAlert, CostEntry, CostLoad, CostMonth
from storage.db import Database
from storage.digests import figures
from storage.enums import CostBasis
from storage.leases import Lease
from tests.budgets.conftest import ORG, Charge, Money, days
from tests.contexts import make_context
from workflows import clock, jobs, policy
from workflows.budgets import alerts, cost_loading, costs, service
from workflows.budgets.forms import SummaryForm
from workflows.errors import InvalidInput
from workflows.job_runner import Runner

JANUARY = date(2026, 1, 1)
LAST = date(2026, 1, 31)
OLD, NEW = Decimal(40), Decimal(900)
"""What `triage` has cost in January by the first bill and by the second."""


def first_bill() -> list[Charge]:
    return [*days(JANUARY, 20, "2"), *days(JANUARY, 5, "1", account="Nobody")]


def second_bill() -> list[Charge]:
    return [*days(JANUARY, 20, "45"), *days(JANUARY, 5, "1", account="Nobody")]


def everything(money: Money) -> dict[str, Any]:
    """What every reader of cost says."""
    today, projects = money.now.date(), [1, 2]
    with money.db.read() as session:
        found: dict[str, Any] = {
            by: costs.summarise_costs(session, SummaryForm.model_validate({"by": by})).lines
            for by in ("project", "service", "day")
        }
        found |= {
            "months": sorted(cost_queries.sums_by_months(session, projects, JANUARY, LAST)),
            "days": sorted(cost_queries.sums_by_days(session, projects, JANUARY, LAST)),
            "months_of_all": list(cost_queries.sums_by_months(session, None, JANUARY, LAST)),
            "days_of_all": list(cost_queries.sums_by_days(session, None, JANUARY, LAST)),
            "by_day": cost_queries.list_days(session, 1, "EUR", CostBasis.BILLED, JANUARY, LAST),
            "days_of": cost_queries.list_days_by_project(session, projects, JANUARY, LAST),
            "services": cost_queries.sums_by_service(
                session, 1, "EUR", CostBasis.BILLED, JANUARY, LAST
            ),
            "first": cost_queries.first_day(session, projects, today),
            "through": cost_queries.data_through_by_project(session, projects, today),
            "by_source": cost_queries.through_by_source(session, today),
            "data_through": cost_queries.data_through(session, today),
            "data_through_early": cost_queries.data_through(session, JANUARY),
            "latest": cost_queries.latest_charge(session),
            "future": cost_queries.has_future(session, today),
            "sources": cost_queries.list_sources(session),
            "loads": [through for _, through, _ in cost_queries.list_loads(session)],
            "unallocated": cost_queries.sum_unallocated(session, today),
            "digest_weeks": [
                tuple(row)
                for row in figures.cost_of_two_weeks(
                    session,
                    None,
                    CostBasis.BILLED,
                    first=date(2026, 1, 14),
                    last=date(2026, 1, 20),
                    before=date(2026, 1, 7),
                )
            ],
            "burn": [
                (burn.spent, burn.data_through)
                for burns in service.burns_by_project(
                    make_context(session, policy=money.policy, now=money.now), projects
                ).values()
                for burn in burns
            ],
        }
        return found


def spent(money: Money) -> Decimal:
    with money.db.read() as session:
        lines = costs.summarise_costs(session, SummaryForm.model_validate({"by": "project"}))
    return next(line.amount for line in lines.lines if line.label == "triage")


def held(money: Money) -> dict[str, int]:
    with money.db.read() as session:
        return {
            table.__tablename__: session.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            for table in (CostLoad, CostEntry, CostMonth)
        }


def stopping(at: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Do something the first time a place is passed."""
    passed = itertools.count()

    def probe(name: str) -> None:
        if name == at and next(passed) == 0:
            act()

    return probe


def test_no_reader_counts_what_is_being_written(money: Money) -> None:
    money.budget()
    money.costs(first_bill())
    before = everything(money)
    seen: dict[str, dict[str, Any]] = {}

    def probe(name: str) -> None:
        seen.setdefault(name, everything(money))

    # Of more days, and of days to come.
    more = [*second_bill(), *days(date(2026, 1, 21), 11, "1", account="Acme Vision")]
    money.costs(more, probe=probe)
    after = everything(money)
    for place in ("costs.begun", "costs.entries", "costs.months", "costs.before_current"):
        assert seen[place] == before, place
    assert seen["costs.after_current"] == after
    assert after["by_day"] != before["by_day"]
    assert {name for name in after if after[name] == before[name]} <= {
        "first",
        "unallocated",
        "data_through_early",
    }
    # What was replaced is still there, and counts no more; gone, it makes no difference.
    assert held(money)["cost_load"] == 2
    cost_loading.remove_for(money.db)
    assert held(money)["cost_load"] == 1
    assert everything(money) == after


def test_every_select_over_cost_says_which_loads_it_counts() -> None:
    """Found in the code, so that the next reader cannot forget it."""
    root = Path(__file__).parents[2] / "storage"
    readers = 0
    for path in root.rglob("*.py"):
        if "migrations" in path.parts or path.name in {"tables.py", "generations.py"}:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.name == "counted":
                continue
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            calls = {
                node.func.id
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            tables = names & {"CostEntry", "CostMonth", "CostLoad"}
            if "select" not in calls or not tables:
                continue
            readers += 1
            of_one_load = "load_id" in {argument.arg for argument in function.args.args}
            assert of_one_load or names & {"counted", "COUNTS"}, (
                f"{path}: {function.name} counts what is only being written"
            )
    assert readers > 15


def test_it_is_removed_by_the_clock_hand_also_what_nobody_goes_on_with(money: Money) -> None:
    money.costs(first_bill())

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        money.costs(second_bill(), probe=stopping("costs.months", stop))
    assert spent(money) == OLD
    tick(money)
    assert held(money)["cost_load"] == 1
    # One whose writer vanished is left alone while somebody may still go on with it.
    with money.db.begin() as session:
        old = session.execute(select(CostLoad)).scalar_one()
        generations.begin(
            session,
            "gone",
            JANUARY,
            sha256="0",
            rows=1,
            charges_through=LAST,
            now=money.now,
            real_now=clock.real_now(session),
        )
    tick(money)
    assert held(money)["cost_load"] == 2
    with money.db.begin() as session:
        session.execute(
            update(CostLoad)
            .where(CostLoad.id != old.id)
            .values(written_at=clock.real_now(session) - timedelta(hours=1))
        )
    tick(money)
    assert held(money)["cost_load"] == 1
    assert spent(money) == OLD


def tick(money: Money) -> None:
    with money.db.begin() as session:
        runtime.set_offset(session, money.now - clock.real_now(session))
    Runner(money.db, jobs.REGISTRY, policy=lambda: (money.policy, 1), org_key=ORG).run()


def test_a_writer_that_stood_still_too_long_changes_nothing(money: Money) -> None:
    money.costs(first_bill())

    def put_aside() -> None:
        with money.db.begin() as session:
            generations.put_aside_abandoned(session, clock.real_now(session) + timedelta(hours=1))
        cost_loading.remove_for(money.db)

    with pytest.raises(InvalidInput, match="start it again"):
        money.costs(second_bill(), probe=stopping("costs.entries", put_aside))
    assert spent(money) == OLD
    assert held(money)["cost_load"] == 1


def test_two_that_deliver_the_same_month_at_once_leave_one_of_them_whole(money: Money) -> None:
    money.costs(first_bill())
    other = replace(money, work=money.work / "other")
    other.work.mkdir()
    third = days(JANUARY, 20, "46")
    report = money.costs(
        second_bill(), probe=stopping("costs.before_current", lambda: check(other.costs(third)))
    )
    check(report)
    assert [period.what for period in report.periods] == ["replaced"]
    assert spent(money) == NEW
    cost_loading.remove_for(money.db)
    assert held(money)["cost_load"] == 1


def check(report: Any) -> None:
    assert report.refused == ()


def test_readers_in_between_see_the_old_or_the_new(money: Money) -> None:
    money.costs(first_bill())
    seen: set[Decimal] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.add(spent(money))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for bill in (second_bill(), first_bill()):
            money.costs(bill, replace_period=True)
            cost_loading.remove_for(money.db)
    finally:
        is_over.set()
        reader.join()
    assert seen <= {OLD, NEW}


def test_a_dry_run_says_what_would_happen_and_writes_nothing(money: Money) -> None:
    money.costs(first_bill())
    before = held(money)
    bill = [*days(JANUARY, 20, "45"), *days(JANUARY, 5, "7", account="Nobody else")]
    dry = money.costs(bill, dry_run=True)
    assert held(money) == before
    assert spent(money) == OLD
    real = money.costs(bill)
    assert (dry.periods, dry.unallocated) == (real.periods, real.unallocated)
    assert dry.unallocated == (("EUR", Decimal(35)),)


def import_and_die(url: str, work: Path, point: str, skip: int) -> None:
    """A command that is killed at a named place."""
    cost_loading.BATCH = 7
    alerts.WRITTEN = 1
    failpoints.arm(point, skip=skip)
    text = "version: 1\norganisation: {name: Acme}\n"
    money = Money(Database(url), work, policy.parse(text).policy)
    money.costs(second_bill(), probe=failpoints.hit)
    cost_loading.remove_for(money.db, probe=failpoints.hit)


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "skip", "is_new"),
    [
        ("costs.entries", 1, False),
        ("costs.before_current", 0, False),
        ("costs.after_current", 0, True),
        ("budgets.evaluated", 0, True),
        ("costs.removed", 1, True),
    ],
)
def test_killed_at_any_place_it_is_the_old_or_the_new(
    money: Money, database_url: str, point: str, skip: int, is_new: bool
) -> None:
    money.budget()
    money.budget(project="vision")
    money.costs(first_bill())
    before = everything(money)
    process = multiprocessing.get_context("forkserver").Process(
        target=import_and_die, args=(database_url, money.work, point, skip)
    )
    process.start()
    process.join(60)
    assert process.exitcode == failpoints.STATUS
    assert spent(money) == (NEW if is_new else OLD)
    if not is_new:
        assert everything(money) == before
    # Whoever died holds up nobody: its lease and its load are let go in time.
    with money.db.begin() as session:
        hour_ago = clock.real_now(session) - timedelta(hours=1)
        session.execute(
            update(CostLoad).where(CostLoad.state == "writing").values(written_at=hour_ago)
        )
        session.execute(update(Lease).values(until=hour_ago))
    tick(money)
    assert spent(money) == (NEW if is_new else OLD)
    assert held(money) == {"cost_load": 1, "cost_entry": 25, "cost_month": 2}
    with money.db.read() as session:
        thresholds = set(session.execute(select(BudgetAlert.threshold)).scalars())
    assert thresholds == ({50, 80} if is_new else set())
    # Done once more, it is as if nothing had happened.
    again = money.costs(second_bill())
    assert [one.what for one in again.periods] == ["unchanged" if is_new else "replaced"]
    assert spent(money) == NEW
