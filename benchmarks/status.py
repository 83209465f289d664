"""The status of one project among many, beside the raw SQL that asks the same."""

import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import portfolio
from benchmarks.portfolio import Shape
from benchmarks.report import Ratio, Report, percentile
from storage.base import MoneySum
from storage.db import Database
from tests.contexts import make_context
from workflows import policy, status
from workflows.people import service as people

OURS, ALONE = "mlgov's status", "the raw SQL alone"
_QUESTIONS = (
    "SELECT p.id, p.key, p.name, p.status, o.name FROM project p LEFT JOIN person o ON o.id = p.owner_id WHERE p.key = :key",
    """SELECT b.id, b.currency, b.basis, r.amount FROM budget b JOIN budget_revision r ON r.budget_id = b.id
    AND r.revision = (SELECT max(revision) FROM budget_revision x WHERE x.budget_id = b.id AND x.valid_from <= '2026-01-31')
    WHERE b.project_id = :id""",
    """SELECT c.currency, money_sum(c.effective), max(l.charges_through) FROM cost_month c
    JOIN allocation_key k ON k.id = c.allocation_key_id JOIN cost_load l ON l.id = c.load_id
    WHERE k.project_id = :id AND c.month = '2026-01-01' GROUP BY c.currency""",
    "SELECT id, state, expires_at FROM approval WHERE project_id = :id AND state = 'pending' ORDER BY id LIMIT 20",
)


def run(*, small: bool) -> Report:
    """Random projects, one after the other, alternating between the two ways; medians over all of them."""
    shape = Shape(200, 30, 40) if small else Shape(10_000, 1_000)
    looks = 20 if small else 500
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        path = Path(folder) / "portfolio.db"
        portfolio.write(path, shape)
        times = _measure(path, shape, looks)
    report = Report(
        "status",
        f"Status: one of {shape.projects:,} projects, {shape.cost_rows:,} daily cost rows; milliseconds",
        ("way", "p50", "p95", "slowest"),
    )
    for name, took in times.items():
        report.rows.append((name, *(percentile(took, share) for share in (0.5, 0.95)), max(took)))
    report.ratios = [
        Ratio(
            "time of the raw SQL's",
            statistics.median(times[OURS]) / statistics.median(times[ALONE]),
        ),
        Ratio("p95", percentile(times[OURS], 0.95), unit=" ms"),
    ]
    report.notes.append(f"{looks} looks of a leader, each at another project.")
    report.raw = dict(times)
    return report


def _measure(path: Path, shape: Shape, looks: int) -> dict[str, list[float]]:
    database = Database(f"sqlite:///{path}")
    record = sqlite3.connect(path)
    record.create_aggregate("money_sum", 1, MoneySum)  # type: ignore[arg-type]
    running = policy.parse(portfolio.POLICY).policy
    luck = random.Random(7)
    numbers = [luck.randrange(1, shape.projects + 1) for _ in range(looks)]

    def ours(number: int) -> None:
        with database.read() as session:
            actor = people.actor(session, portfolio.reader(0))
            if actor is None:
                raise RuntimeError("nobody reads")
            status.load_project(
                make_context(session, actor=actor, policy=running, now=portfolio.NOW),
                f"project-{number:05}",
            )

    def alone(number: int) -> None:
        values = {"key": f"project-{number:05}", "id": number}
        for question in _QUESTIONS:
            record.execute(question, values).fetchall()

    try:
        return _alternate({OURS: ours, ALONE: alone}, numbers)
    finally:
        record.close()
        database.close()


def _alternate(
    ways: dict[str, Callable[[int], None]], numbers: Sequence[int]
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(numbers[0])
    for number in numbers:
        for name, way in ways.items():
            began = time.perf_counter()
            way(number)
            times[name].append((time.perf_counter() - began) * 1000)
    return times
