"""From the click to the committed decision, over signed HTTP, beside a Bolt app that only acks."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from benchmarks import databases, head, office, processes, seeding
from benchmarks.report import Ratio, Report, percentile

AT_ONCE = (1, 8, 32)
ROOMS = 8
"""Channels in which the cards stand. Delivery edits and answers in them meanwhile, at Slack's pace."""


@dataclass(slots=True)
class Level:
    """What was measured at one number of clicks at once; each list has one entry per round."""

    rates: list[float] = field(default_factory=list)
    undecided: int = 0
    latencies: list[float] = field(default_factory=list)
    decided: int = 0

    def add(self, answers: list[list[float]], committed: int) -> None:
        """Count one round: only what was committed counts for the rate."""
        began = min(sent for _, sent, _, _ in answers)
        ended = max(sent + took for _, sent, took, _ in answers)
        self.rates.append(committed / (ended - began))
        self.latencies += [took for _, _, took, _ in answers]
        self.decided += committed
        self.undecided += len(answers) - committed

    @property
    def rate(self) -> float:
        """Per second, median of the rounds."""
        return statistics.median(self.rates)

    def ms(self, share: float) -> float:
        """A percentile of the answers' times, in milliseconds."""
        return percentile(self.latencies, share) * 1000


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes clicks."""

    host: str
    port: int
    path: str
    secret: str
    server: processes.Server


def run(*, small: bool) -> Report:
    """Bare Bolt, the same with a bare commit, then mlgov on SQLite and on PostgreSQL; a round is every card once."""
    cards, rounds = (24, 1) if small else (480, 3)
    report = Report(
        "clicks",
        "Clicks: from the signed request to the answer; mlgov answers once the decision is committed",
        ("server", "at once", "a second", "of bare Bolt", "p50 ms", "p95 ms", "p99 ms"),
    )
    results: dict[str, dict[int, Level]] = {}
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        for kind in databases.KINDS:
            work = Path(folder) / kind
            work.mkdir()
            bare, committing, ours, waits = _one(kind, work, cards, rounds)
            results.setdefault("bare Bolt, ack only", bare)
            results.setdefault("bare Bolt and sqlite3", committing)
            results[f"mlgov, {kind}"] = ours
    bare, committing = results["bare Bolt, ack only"], results["bare Bolt and sqlite3"]
    for name, levels in results.items():
        for at_once, level in levels.items():
            share = level.rate / bare[at_once].rate
            report.rows.append(
                (name, at_once, level.rate, share, *(level.ms(s) for s in (0.5, 0.95, 0.99)))
            )
    sqlite = results["mlgov, sqlite"]
    report.ratios = [
        Ratio(
            "SQLite, rate of bare Bolt's, 8 at once",
            sqlite[8].rate / bare[8].rate,
            0.5,
            is_least=True,
        ),
        Ratio(
            "SQLite, rate of bare Bolt's with a bare commit, 8 at once",
            sqlite[8].rate / committing[8].rate,
        ),
        Ratio("SQLite, p99 at 8 at once", sqlite[8].ms(0.99), 50.0, unit=" ms"),
        Ratio(
            "PostgreSQL, rate of bare Bolt's, 8 at once",
            results["mlgov, postgresql"][8].rate / bare[8].rate,
        ),
    ]
    # Of the databases PostgreSQL is the last: on SQLite one lock is held for the whole transaction anyway.
    report.ratios += [
        Ratio(
            f"PostgreSQL, the ledger's head is held, median of {at_once} at once",
            statistics.median(seconds) * 1000,
            1.5,
            unit=" ms",
        )
        for at_once, seconds in waits.items()
    ]
    levels_of_ours = [
        level for name in results if name.startswith("mlgov") for level in results[name].values()
    ]
    report.notes.append(
        f"{sum(one.decided for one in levels_of_ours):,} decisions found committed; clicks that were answered but decided "
        f"nothing, and do not count: {sum(one.undecided for one in levels_of_ours):,}"
    )
    report.raw = {
        name: {str(at_once): level.rates for at_once, level in levels.items()}
        for name, levels in results.items()
    }
    return report


def _one(
    kind: str, work: Path, cards: int, rounds: int
) -> tuple[dict[int, Level], dict[int, Level], dict[int, Level], dict[int, list[float]]]:
    with office.slack(rooms=ROOMS) as slack, databases.fresh(kind, work) as url:
        seeding.open_requests(slack, url, work, cards, rooms=ROOMS)
        bodies = seeding.clicks(slack, ROOMS, work, rounds * len(AT_ONCE))
        secret = slack.sandbox.signing_secret
        bare = _yardstick(secret, bodies, cards, rounds)
        committing = _yardstick(secret, bodies, cards, rounds, str(work / "bare.db"))
        with mlgov(slack, url, work) as target:
            warm_up(target, bodies)
            ours = {at_once: Level() for at_once in AT_ONCE}
            for turn in range(rounds):
                for place, at_once in enumerate(AT_ONCE):
                    first = (turn * len(AT_ONCE) + place) * cards
                    before = seeding.decided(url)
                    answers = send(target, bodies, first, cards, at_once)
                    committed = seeding.decided(url) - before
                    ours[at_once].add(answers, committed)
        waits = head.held(slack, url, work, cards=cards, at_once=AT_ONCE[:2])
    return bare, committing, ours, waits


def _yardstick(secret: str, bodies: Path, cards: int, rounds: int, *files: str) -> dict[int, Level]:
    levels = {at_once: Level() for at_once in AT_ONCE}
    with bare_bolt(secret, *files) as target:
        send(target, bodies, 0, min(cards, 100), 4)
        for turn in range(rounds):
            for place, at_once in enumerate(AT_ONCE):
                first = (turn * len(AT_ONCE) + place) * cards
                answers = send(target, bodies, first, cards, at_once)
                levels[at_once].add(answers, len(answers))
    return levels


@contextmanager
def bare_bolt(secret: str, *files: str) -> Iterator[Target]:
    """A yardstick, in a process of its own; with a file it commits before it acks."""
    command = processes.python("benchmarks.bare_bolt", secret, *files)
    with processes.serving(command, says="ready at") as server:
        yield _target(server, secret)


@contextmanager
def mlgov(slack: office.Slack, url: str, work: Path, **more: str) -> Iterator[Target]:
    """`mlgov run --http` on this database."""
    with office.bot(slack.settings(url, work, **more)) as server:
        yield _target(server, slack.sandbox.signing_secret)


def _target(server: processes.Server, secret: str) -> Target:
    word = next(word for word in server.line.split() if word.startswith("http://"))
    parts = urlsplit(word.rstrip("."))
    if parts.hostname is None or parts.port is None:
        raise processes.DidNotWork(f"no address in {server.line!r}")
    return Target(parts.hostname, parts.port, parts.path, secret, server)


def warm_up(target: Target, bodies: Path, count: int = 100) -> None:
    """Clicks on nothing: they walk the same way to the database, and are refused there."""
    path = bodies.with_name("warm.txt")
    with bodies.open("rb") as file:
        payload = json.loads(parse_qs(file.readline().strip().decode())["payload"][0])
    payload["actions"][0]["value"] = "999999:1"
    body = urlencode({"payload": json.dumps(payload)}).encode()
    path.write_bytes(b"\n".join([body] * count))
    send(target, path, 0, count, 4)


def send(
    target: Target, bodies: Path, first: int, count: int, at_once: int, *, every: float = 0.0
) -> list[list[float]]:
    """Send some of the bodies from a process of its own; [line, sent at, seconds, status] of each."""
    plan: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "path": target.path,
        "secret": target.secret,
        "requests": str(bodies),
        "first": first,
        "count": count,
        "at_once": at_once,
        "every": every,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", file.name],
            check=False,
            capture_output=True,
            text=True,
            env=processes.environment(),
            cwd=processes.ROOT,
        )
    if done.returncode:
        raise processes.DidNotWork(f"the client failed:\n{done.stderr[-2000:]}")
    answers: list[list[float]] = json.loads(done.stdout)
    if wrong := [status for *_, status in answers if status != 200]:
        raise processes.DidNotWork(f"{len(wrong)} requests were answered with {wrong[0]}")
    return answers
