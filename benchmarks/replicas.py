"""Two replicas on PostgreSQL beside one: how many more clicks, and who had the processor meanwhile."""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import clicks, databases, office, seeding
from benchmarks.clicks import Level, Target
from benchmarks.report import Ratio, Report

AT_ONCE = (8, 32)
"""Clicks at once over all replicas together."""
REPLICAS = (1, 2)


@dataclass(slots=True)
class Busy:
    """Shares of one core: of every replica, and of all cores of the machine together."""

    replicas: list[list[float]] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)


def run(*, small: bool) -> Report:
    """A round is every card once at each level; one replica, then two, on one database, with delivery on."""
    cards, rounds = (24, 1) if small else (480, 3)
    levels = {(count, at_once): Level() for count in REPLICAS for at_once in AT_ONCE}
    busy = {key: Busy() for key in levels}
    with (
        tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder,
        office.slack(rooms=clicks.ROOMS) as slack,
        databases.fresh("postgresql", Path(folder)) as url,
    ):
        work = Path(folder)
        seeding.open_requests(slack, url, work, cards, rooms=clicks.ROOMS)
        bodies = seeding.clicks(slack, clicks.ROOMS, work, rounds * len(levels))
        turn = 0
        for count in REPLICAS:
            with ExitStack() as running:
                targets = [
                    running.enter_context(clicks.mlgov(slack, url, work)) for _ in range(count)
                ]
                for target in targets:
                    clicks.warm_up(target, bodies)
                for _ in range(rounds):
                    for at_once in AT_ONCE:
                        before = seeding.decided(url)
                        answers = _send(
                            targets, bodies, turn * cards, cards, at_once, busy[count, at_once]
                        )
                        committed = seeding.decided(url) - before
                        levels[count, at_once].add(answers, committed)
                        turn += 1
    report = Report(
        "replicas",
        "Replicas: clicks on PostgreSQL by one process and by two",
        (
            "replicas",
            "at once",
            "a second",
            "of one",
            "p50 ms",
            "p99 ms",
            "core share of each",
            "machine",
        ),
    )
    for (count, at_once), level in levels.items():
        each = busy[count, at_once]
        shares = zip(*each.replicas, strict=True)
        report.rows.append(
            (
                count,
                at_once,
                level.rate,
                level.rate / levels[1, at_once].rate,
                level.ms(0.5),
                level.ms(0.99),
                " ".join(f"{sum(one) / len(one):.0%}" for one in shares),
                f"{sum(each.machine) / len(each.machine):.0%}",
            )
        )
    report.ratios = [
        Ratio(
            f"two replicas' rate of one's, {at_once} at once",
            levels[2, at_once].rate / levels[1, at_once].rate,
        )
        for at_once in AT_ONCE
    ]
    undecided = sum(level.undecided for level in levels.values())
    report.notes.append(
        f"{os.cpu_count()} cores, which PostgreSQL, the client and the stand-in share; "
        f"clicks that were answered but decided nothing: {undecided:,}"
    )
    report.raw = {
        f"{count} at {at_once}": level.rates for (count, at_once), level in levels.items()
    }
    return report


def _send(
    targets: Sequence[Target], bodies: Path, first: int, cards: int, at_once: int, busy: Busy
) -> list[list[float]]:
    """The cards, in equal parts to every replica at the same time."""
    part = cards // len(targets)
    used = [target.server.cpu_seconds() for target in targets]
    began, worked = time.monotonic(), _machine_seconds()
    with ThreadPoolExecutor(len(targets)) as pool:
        sent = [
            pool.submit(
                clicks.send, target, bodies, first + place * part, part, at_once // len(targets)
            )
            for place, target in enumerate(targets)
        ]
        answers = [answer for each in sent for answer in each.result()]
    took = time.monotonic() - began
    busy.machine.append((_machine_seconds() - worked) / took / (os.cpu_count() or 1))
    busy.replicas.append(
        [
            (target.server.cpu_seconds() - before) / took
            for target, before in zip(targets, used, strict=True)
        ]
    )
    return answers


def _machine_seconds() -> float:
    """Processor time that all cores together have worked, for anybody."""
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
