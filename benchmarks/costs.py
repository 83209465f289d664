"""Importing a large FOCUS file, beside DuckDB that groups the same file and writes the same groups."""

import shutil
import sqlite3
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import focus_file, office, processes
from benchmarks.report import Ratio, Report
from storage import migrate, runtime
from storage.db import Database
from storage.projects.tables import Project

ROWS = 1_000_000
OURS = "mlgov import costs"
ALONE = "DuckDB and sqlite3"
ALONE_ONE = "DuckDB (1 thread, 200 MB) and sqlite3"
_GROUPS = """
SELECT l.source, l.billing_period, e.charge_date, k.sub_account_id, k.tags, e.service, e.category, e.currency,
    e.billed, e.effective, e.rows
FROM cost_entry e JOIN cost_load l ON l.id = e.load_id JOIN allocation_key k ON k.id = e.allocation_key_id
"""


def run(*, small: bool) -> Report:
    """Each in a process of its own, in turn; medians."""
    rows, rounds = (20_000, 1) if small else (ROWS, 5)
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        return _measure(rows, rounds, Path(folder))


def _measure(rows: int, rounds: int, folder: Path) -> Report:
    bill = folder / "bill.csv"
    totals = focus_file.write(bill, rows)
    template = folder / "template.db"
    _prepare(template)
    policy = folder / "governance.yml"
    policy.write_text(office.POLICY, encoding="utf-8")
    timings: dict[str, list[dict[str, float]]] = {OURS: [], ALONE: [], ALONE_ONE: []}
    for _ in range(rounds):
        for name, runs in timings.items():
            database = folder / f"{len(runs)}-{list(timings).index(name)}.db"
            shutil.copy(template, database)
            runs.append(_import(name, bill, database, policy))
        _require_same(*(folder / f"{len(timings[OURS]) - 1}-{place}.db" for place in range(3)))
    seconds = {
        name: statistics.median(run["seconds"] for run in runs) for name, runs in timings.items()
    }
    memory = {name: max(run["megabytes"] for run in runs) for name, runs in timings.items()}
    shares = {
        name: statistics.median(
            ours["seconds"] / other["seconds"]
            for ours, other in zip(timings[OURS], runs, strict=True)
        )
        for name, runs in timings.items()
    }
    report = Report(
        "costs",
        f"Costs: {rows:,} FOCUS rows ({totals.bytes / 1e6:.0f} MB of CSV) into SQLite",
        ("way", "seconds", "CPU seconds", "mlgov's time of it", "peak MB"),
    )
    for name, runs in timings.items():
        cpu = statistics.median(run["cpu"] for run in runs)
        report.rows.append((name, seconds[name], cpu, shares[name], memory[name]))
    report.ratios = [
        Ratio("time of DuckDB's, at its own settings", shares[ALONE], 1.2),
        Ratio("time of DuckDB's, with as much memory and as many threads", shares[ALONE_ONE]),
        Ratio("peak memory", memory[OURS], 320.0, unit=" MB"),
    ]
    report.notes.append("The three databases hold the same groups, to the last digit.")
    report.raw = dict(timings)
    return report


def _prepare(path: Path) -> None:
    """A migrated record with the projects that the file's tags name."""
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    shape = focus_file.Shape()
    with database.begin() as session:
        runtime.set_facts(session, {"org_key": office.TEAM, "team_id": office.TEAM})
        for number in range(shape.accounts):
            team = focus_file.TEAMS[number % len(focus_file.TEAMS)]
            session.add(
                Project(
                    key=f"ml-{team}-{number:03}",
                    name=f"{team.title()} {number}",
                    status="active",
                    created_at=datetime(2025, 6, 1, tzinfo=UTC),
                )
            )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _import(name: str, bill: Path, database: Path, policy: Path) -> dict[str, float]:
    if name == OURS:
        return processes.measured(
            "mlgov",
            "import",
            "costs",
            str(bill),
            given={"MLGOV_DATABASE_URL": f"sqlite:///{database}", "MLGOV_POLICY": str(policy)},
        )
    limits = ("1", "200") if name == ALONE_ONE else ()
    return processes.measured("benchmarks.duckdb_alone", str(bill), str(database), *limits)


def _require_same(*paths: Path) -> None:
    """Raise when the databases do not hold the same groups; then remove them."""
    digests = set()
    for path in paths:
        with sqlite3.connect(path) as record:
            digests.add(hash(frozenset(record.execute(_GROUPS))))
        record.close()
        for part in path.parent.glob(path.name + "*"):
            part.unlink()
    if len(digests) != 1:
        raise processes.DidNotWork("the ways did not come to the same groups")
