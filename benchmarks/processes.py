"""Starting, watching and stopping the processes that are measured."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MLGOV = (sys.executable, "-m", "bot.cli.main")


class DidNotWork(Exception):
    """A process that is measured failed; the message holds what it said."""


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without the settings of a deployment, plus `given`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLGOV_", "SLACK_"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"} | dict(given or {})


def seconds(command: Sequence[str], given: Mapping[str, str] | None = None) -> float:
    """How long a command takes from its start to its end."""
    began = time.perf_counter()
    done = subprocess.run(
        command, check=False, env=environment(given), cwd=ROOT, capture_output=True, text=True
    )
    took = time.perf_counter() - began
    _require_good(command, done.returncode, done.stdout + done.stderr)
    return took


def measured(*arguments: str, given: Mapping[str, str] | None = None) -> dict[str, float]:
    """Seconds, CPU seconds and peak megabytes of what `benchmarks.peak` runs."""
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        out = Path(folder) / "peak.json"
        command = (sys.executable, "-m", "benchmarks.peak", str(out), *arguments)
        done = subprocess.run(
            command, check=False, env=environment(given), cwd=ROOT, capture_output=True, text=True
        )
        _require_good(command, done.returncode, done.stdout + done.stderr)
        figures: dict[str, float] = json.loads(out.read_text())
        return figures


def _require_good(command: Sequence[str], code: int, output: str) -> None:
    if code:
        raise DidNotWork(f"{' '.join(command)} ended with {code}:\n{output[-4000:]}")


class Server:
    """A process that serves until it is told to stop. `line` is what it said when it was ready."""

    def __init__(self, process: "subprocess.Popen[str]", line: str, took: float):
        self._process = process
        self.line = line
        self.seconds_to_ready = took

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def megabytes(self) -> float:
        """The most memory it has held so far, in MB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise DidNotWork("the process is gone")

    def cpu_seconds(self) -> float:
        """Processor time it has used so far."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(
    command: Sequence[str],
    given: Mapping[str, str] | None = None,
    *,
    says: str,
    patience: float = 30.0,
) -> Iterator[Server]:
    """Start a server and wait for a line with `says` on its standard output; it is stopped in the end."""
    with tempfile.TemporaryFile("w+") as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=environment(given) | {"PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        try:
            line = _wait_for(process, says, began + patience)
            took = time.perf_counter() - began
            if line is None:
                complaints.seek(0)
                raise DidNotWork(
                    f"{' '.join(command)} did not get ready:\n{complaints.read()[-4000:]}"
                )
            yield Server(process, line, took)
            if process.poll() is not None:
                complaints.seek(0)
                raise DidNotWork(f"{' '.join(command)} ended early:\n{complaints.read()[-4000:]}")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait_for(process: "subprocess.Popen[str]", says: str, until: float) -> str | None:
    if process.stdout is None:
        raise DidNotWork("its output is not read")
    while time.perf_counter() < until:
        line = process.stdout.readline()
        if not line:
            return None
        if says in line:
            return line.strip()
    return None


def python(module: str, *arguments: Any) -> tuple[str, ...]:
    """The command that runs a module of ours."""
    return (sys.executable, "-m", module, *(str(one) for one in arguments))
