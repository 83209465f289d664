"""The list of models, `/mlgov models`, where the inventory is large, beside one that is small."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from benchmarks import portfolio
from benchmarks.portfolio import NOW, Shape
from benchmarks.report import Ratio, Report, percentile
from bot.inventory import cards
from storage.db import Database
from storage.inventory.tables import Model, ModelVersion
from tests.contexts import make_context
from workflows import policy
from workflows.inventory import reads
from workflows.people import service as people

VERSIONS = 10
"""Of each model."""


def run(*, small: bool) -> Report:
    """A leader, who sees all models, reads both lists in turn."""
    sizes = (5, 20) if small else (100, 1_000)
    looks = 3 if small else 20
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        databases = {size: _written(Path(folder), size) for size in sizes}
        try:
            times = _alternate(databases, looks)
        finally:
            for database in databases.values():
                database.close()
    few, many = sizes
    report = Report(
        "inventory",
        f"The list of all models with {VERSIONS} versions each; milliseconds",
        ("models", "p50", "p95", "slowest"),
    )
    for size, took in times.items():
        report.rows.append(
            (f"{size:,}", *(percentile(took, share) for share in (0.5, 0.95)), max(took))
        )
    each = {size: statistics.median(took) / size for size, took in times.items()}
    report.ratios = [
        Ratio(f"time for each of {many:,} models, of {few:,}", each[many] / each[few], 1.5),
        Ratio("p95", percentile(times[many], 0.95), unit=" ms"),
    ]
    report.raw = {str(size): took for size, took in times.items()}
    return report


def _written(folder: Path, size: int) -> Database:
    path = folder / f"{size}.db"
    portfolio.write(path, Shape(max(1, size // 10), portfolio.LEADERS + 1, 1))
    database = Database(f"sqlite:///{path}")
    with database.begin(patient=True) as session:
        session.execute(insert(Model), [_model(number) for number in range(1, size + 1)])
        session.execute(
            insert(ModelVersion),
            [
                _version(number, version)
                for number in range(1, size + 1)
                for version in range(VERSIONS)
            ],
        )
    return database


def _model(number: int) -> dict[str, object]:
    return {
        "id": number,
        "key": f"model-{number}",
        "name": f"Model {number}",
        "kind": "internal",
        "project_id": (number - 1) // 10 + 1,
        "owner_id": portfolio.reader(number % portfolio.LEADERS),
        "data_sources": [],
        "exposure": "medium",
        "purpose_class": "decision_support",
        "eu_class": "minimal",
        "tier": 2,
        "state": "inventoried",
        "created_at": NOW,
    }


def _version(model: int, number: int) -> dict[str, object]:
    return {
        "model_id": model,
        "version": str(number),
        "state": "retired" if number < VERSIONS - 1 else "in_use",
        "state_since": NOW,
        "digest": f"{model:032x}{number:032x}",
        "about": {},
        "created_at": NOW,
    }


def _alternate(databases: dict[int, Database], looks: int) -> dict[int, list[float]]:
    running = policy.parse(portfolio.POLICY).policy

    def listed(database: Database) -> Callable[[], int]:
        def look() -> int:
            with database.read() as session:
                actor = people.actor(session, portfolio.reader(0))
                if actor is None:
                    raise RuntimeError("nobody reads")
                _, counts = reads.list_first_models(
                    make_context(session, actor=actor, policy=running),
                    order=cards.ORDER,
                    most=cards.MOST,
                )
                return sum(counts.values())

        return look

    ways = {size: listed(database) for size, database in databases.items()}
    for size, way in ways.items():
        if way() != size:
            raise RuntimeError("a leader does not see all models")
    times: dict[int, list[float]] = {size: [] for size in ways}
    for _ in range(looks):
        for size, way in ways.items():
            began = time.perf_counter()
            way()
            times[size].append((time.perf_counter() - began) * 1000)
    return times
