"""A tick with many timers waiting and a few due, beside a tick with few waiting: what waits must cost nothing."""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text

from benchmarks import databases
from benchmarks.report import Ratio, Report
from storage import migrate
from storage.db import Database
from storage.delivery.tables import Timer
from storage.enums import TimerState
from workflows.context import Context
from workflows.job_runner import Registry, Runner
from workflows.policy import Policy, parse
from workflows.timers import DueTimer

DUE = 10
"""Timers that are due in one tick."""
AIM = 1.5
"""How much slower a tick may be with a thousand times as many timers waiting."""
KIND = "bench.nothing"


def run(*, small: bool) -> Report:
    """Ticks in turn over a few and over many waiting timers, on both databases."""
    few, many, rounds = (100, 5_000, 5) if small else (1_000, 1_000_000, 60)
    report = Report(
        "ticking",
        f"Ticking: one tick with {DUE} timers due, of so many that wait (medians)",
        ("database, timers waiting", "tick with 10 due, ms", "tick with none due, ms"),
    )
    for kind in databases.KINDS:
        with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
            _one(report, kind, Path(folder), few, many, rounds)
    return report


def _one(report: Report, kind: str, folder: Path, few: int, many: int, rounds: int) -> None:
    with databases.fresh(kind, folder) as url:
        database = Database(url)
        migrate.upgrade(database)
        ticks: dict[int, tuple[list[float], list[float]]] = {}
        # The few before and after the many, so that neither a cold start nor a busy moment decides.
        for waiting in (few, many, few):
            _fill(database, waiting)
            due, none = _measure(database, rounds)
            before = ticks.get(waiting, ([], []))
            ticks[waiting] = (before[0] + due, before[1] + none)
        database.close()
    for waiting, times in ticks.items():
        medians = [1000 * statistics.median(one) for one in times]
        report.rows.append((f"{kind}, {waiting:,}", *medians))
    for position, what in enumerate((f"{DUE} due", "none due")):
        ratio = statistics.median(ticks[many][position]) / statistics.median(ticks[few][position])
        name = f"{kind}, a tick with {what}, {many:,} waiting beside {few:,}"
        report.ratios.append(Ratio(name, ratio, AIM))
    report.raw[kind] = {str(count): times for count, times in ticks.items()}


def _fill(database: Database, waiting: int) -> None:
    """So many timers that fall due at some time in the next years."""
    far = datetime.now(UTC) + timedelta(days=1)
    with database.begin(patient=True) as session:
        session.execute(text("DELETE FROM timer"))
        for start in range(0, waiting, 10_000):
            session.execute(
                insert(Timer),
                [
                    _row(number, far + timedelta(minutes=number % 500_000))
                    for number in range(start, min(start + 10_000, waiting))
                ],
            )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK" if database.is_sqlite else "SELECT 1")
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _row(number: int, due_at: datetime) -> dict[str, object]:
    return {
        "subject_type": "bench",
        "subject_id": str(number),
        "kind": KIND,
        "seq": 0,
        "due_at": due_at,
        "state": TimerState.DUE.value,
        "attempts": 0,
    }


def _measure(database: Database, rounds: int) -> tuple[list[float], list[float]]:
    runner = Runner(
        database, Registry(timers={KIND: _nothing}), policy=_policy(), org_key="T0BENCH"
    )
    due: list[float] = []
    none: list[float] = []
    for number in range(rounds + 2):
        none.append(_timed(runner, 0))
        past = datetime.now(UTC) - timedelta(seconds=1)
        first = -DUE * (number + 1)
        with database.begin(patient=True) as session:
            session.execute(insert(Timer), [_row(first + one, past) for one in range(DUE)])
        due.append(_timed(runner, DUE))
    return due[2:], none[2:]


def _timed(runner: Runner, expected: int) -> float:
    began = time.perf_counter()
    ran = runner.run()
    took = time.perf_counter() - began
    if ran != expected:
        raise RuntimeError(f"{ran} timers ran where {expected} were due")
    return took


def _policy() -> Callable[[], tuple[Policy, int]]:
    policy = parse("version: 1\norganisation: {name: Acme}\n").policy
    return lambda: (policy, 1)


def _nothing(ctx: Context, timer: DueTimer) -> None:
    """What a handler does that finds nothing to do."""
