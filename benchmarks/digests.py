"""Making a thousand digests over a large portfolio, beside the raw SQL that asks the same."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import portfolio, processes
from benchmarks.portfolio import Shape
from benchmarks.report import Ratio, Report

OURS, ALONE = "mlgov's digests", "the raw SQL alone"
_MODULES = {OURS: "benchmarks.digests_ours", ALONE: "benchmarks.digests_alone"}


def run(*, small: bool) -> Report:
    """Each way in a process of its own, in turn; medians."""
    shape = Shape(200, 30, 40) if small else Shape(10_000, 1_000)
    rounds = 1 if small else 3
    figures: dict[str, list[dict[str, Any]]] = {OURS: [], ALONE: []}
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        path = Path(folder) / "portfolio.db"
        portfolio.write(path, shape)
        for _ in range(rounds):
            for name, runs in figures.items():
                runs.append(_one(name, path, shape, Path(folder)))
            if figures[OURS][-1]["said"] != figures[ALONE][-1]["said"]:
                raise processes.DidNotWork("the two ways came to different figures")
        picture = _picture_seconds()
    seconds = {
        name: statistics.median(run["seconds"] for run in runs) for name, runs in figures.items()
    }
    memory = {name: max(run["megabytes"] for run in runs) for name, runs in figures.items()}
    report = Report(
        "digests",
        f"Digests: {shape.readers:,} readers ({portfolio.LEADERS} see all) over {shape.projects:,} projects and "
        f"{shape.cost_rows:,} daily cost rows",
        ("way", "seconds", "ms each", "peak MB"),
    )
    for name in figures:
        each = seconds[name] * 1000 / shape.readers
        report.rows.append((name, seconds[name], each, memory[name]))
    shares = [
        ours["seconds"] / alone["seconds"]
        for ours, alone in zip(figures[OURS], figures[ALONE], strict=True)
    ]
    report.ratios = [
        Ratio("time of the raw SQL's", statistics.median(shares)),
        Ratio("peak memory of the raw SQL's", memory[OURS] / memory[ALONE]),
    ]
    report.notes += [
        "Both ways came to the same sums, to the last digit, for every reader.",
        f"A picture takes {picture * 1000:.0f} ms to draw, once for all who see the same; it is not in the figures above.",
    ]
    report.raw = {
        name: [{key: run[key] for key in ("seconds", "megabytes", "cpu")} for run in runs]
        for name, runs in figures.items()
    }
    return report


def _one(name: str, path: Path, shape: Shape, folder: Path) -> dict[str, Any]:
    out = folder / "said.json"
    measured = processes.measured(_MODULES[name], str(path), str(shape.readers), str(out))
    answer: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return measured | answer


def _picture_seconds() -> float:
    import time

    from bot.charts.drawing import Bars, Row

    rows = tuple(Row(f"Project {n}", 90.0 - n, "90 % (9 of 10 EUR)") for n in range(6))
    Bars(rows, 100.0, "all of the budget").png()
    began = time.perf_counter()
    Bars(rows, 100.0, "all of the budget").png()
    return time.perf_counter() - began
