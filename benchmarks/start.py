"""How soon and how small mlgov starts, beside Python alone and beside the libraries that it stands on."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import office, processes
from benchmarks.report import Ratio, Report

LIBRARIES = "import slack_bolt, sqlalchemy.orm"


def run(*, small: bool) -> Report:
    """Medians of several fresh processes, taken in turn so that a busy moment touches all alike."""
    rounds = 1 if small else 9
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        return _measure(rounds, Path(folder))


def _measure(rounds: int, folder: Path) -> Report:
    with office.slack() as slack:
        ready: list[float] = []
        megabytes: list[float] = []
        commands: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: processes.seconds((sys.executable, "-c", "pass")),
            "python -c 'import slack_bolt, sqlalchemy.orm'": lambda: processes.seconds(
                (sys.executable, "-c", LIBRARIES)
            ),
            "mlgov --help": lambda: processes.seconds((*processes.MLGOV, "--help")),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        given = slack.settings(f"sqlite:///{folder / 'mlgov.db'}", folder)
        for number in range(rounds + 1):
            for name, measure in commands.items():
                times[name].append(measure())
            with office.bot(given) as server:
                if number:  # the first run makes the database
                    ready.append(server.seconds_to_ready)
                    megabytes.append(server.megabytes())
    memory = {
        "python -c pass": processes.measured("-c", "pass")["megabytes"],
        "python -c 'import slack_bolt, sqlalchemy.orm'": processes.measured("-c", LIBRARIES)[
            "megabytes"
        ],
        "mlgov --help": processes.measured("mlgov", "--help")["megabytes"],
        "mlgov run, until ready": statistics.median(megabytes),
    }
    took = {name: statistics.median(found[1:]) for name, found in times.items()}
    took["mlgov run, until ready"] = statistics.median(ready)
    bare = took["python -c pass"]
    libraries = took["python -c 'import slack_bolt, sqlalchemy.orm'"]
    libraries_mb = memory["python -c 'import slack_bolt, sqlalchemy.orm'"]
    report = Report(
        "start",
        "Start: seconds and peak memory of fresh processes (medians)",
        ("process", "seconds", "× python", "× libraries", "peak MB"),
    )
    for name, seconds in took.items():
        report.rows.append((name, seconds, seconds / bare, seconds / libraries, memory[name]))
    report.ratios = [
        Ratio("mlgov --help, of importing the libraries", took["mlgov --help"] / libraries),
        Ratio(
            "mlgov run until ready, of importing the libraries",
            took["mlgov run, until ready"] / libraries,
        ),
        Ratio(
            "mlgov run, memory of importing the libraries",
            memory["mlgov run, until ready"] / libraries_mb,
        ),
    ]
    report.raw = {"seconds": times | {"mlgov run": ready}, "megabytes": memory}
    return report
