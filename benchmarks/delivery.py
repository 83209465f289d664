"""Delivering to many destinations at once under Slack's limits: one message a second each, and never a 429."""

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import office, processes
from benchmarks.report import Ratio, Report, percentile
from bot import app, settings
from workflows import clock, outbox
from workflows.budgets.notices import LoadRefused
from workflows.outbox import Destination

WORKERS = ("4", "8")
"""Threads that deliver (MLGOV_WORKERS): the default, and twice as many."""


def run(*, small: bool) -> Report:
    """The same load for each number of workers, on SQLite."""
    rooms, each, workers = (20, 4, WORKERS[:1]) if small else (200, 31, WORKERS)
    report = Report(
        "delivery",
        f"Delivery: {rooms} channels, {each} messages each, under Slack's limits",
        (
            "workers",
            "a second",
            "pace, median",
            "slowest channel",
            "as a whole",
            "429s",
            "CPU, bot",
        ),
    )
    for number in workers:
        with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
            runs = _one(Path(folder), rooms, each, number)
        report.rows.append(
            (
                number,
                runs["a_second"],
                runs["median"],
                runs["slowest"],
                runs["whole"],
                runs["refused"],
                runs["cpu"],
            )
        )
        report.raw[number] = runs
        is_default = number == WORKERS[0]
        report.ratios += [
            Ratio(
                f"{number} workers, of one a second per channel, median",
                runs["median"],
                0.97 if is_default else None,
                is_least=True,
            ),
            Ratio(
                f"{number} workers, requests refused with 429",
                runs["refused"],
                0 if is_default else None,
            ),
        ]
    report.notes.append(
        "pace: messages a second from a channel's first to its last, as Slack saw them; as a whole: all channels"
        " from the first message of all to the last"
    )
    return report


def _one(folder: Path, rooms: int, each: int, workers: str) -> dict[str, Any]:
    limits = office.CountedLimits()
    with office.slack(rooms=rooms, limits=limits) as slack:
        url = f"sqlite:///{folder / 'mlgov.db'}"
        _enqueue(slack, url, folder, rooms, each)
        seen: dict[str, list[float]] = defaultdict(list)
        arrived = threading.Condition()
        wanted = rooms * each

        def note(item: dict[str, Any]) -> None:
            if item["type"] == "message":
                with arrived:
                    seen[item["channel"]].append(time.monotonic())
                    arrived.notify_all()

        slack.sandbox.world.feed.listen(note)
        limits.is_on = True
        given = slack.settings(url, folder, MLGOV_WORKERS=workers)
        with office.bot(given) as server, arrived:
            before = server.cpu_seconds()
            if not arrived.wait_for(
                lambda: sum(len(times) for times in seen.values()) >= wanted, each * 10 + 30
            ):
                raise processes.DidNotWork("not everything was delivered in time")
            cpu = server.cpu_seconds() - before
    if {len(times) for times in seen.values()} != {each} or len(seen) != rooms:
        raise processes.DidNotWork("a message was lost or repeated")
    paces = [(each - 1) / (max(times) - min(times)) for times in seen.values()]
    began = min(min(times) for times in seen.values())
    ended = max(max(times) for times in seen.values())
    return {
        "a_second": wanted / (ended - began),
        "median": statistics.median(paces),
        "slowest": min(paces),
        "p5": percentile(paces, 0.05),
        "whole": (each - 1) / (ended - began),
        "refused": sum(limits.refused.values()),
        "cpu": cpu / (ended - began),
    }


def _enqueue(slack: office.Slack, url: str, folder: Path, rooms: int, each: int) -> None:
    """Put everything into the outbox, through the service that all notices go through."""
    given = {name.lower(): value for name, value in slack.settings(url, folder).items()}
    bot = app.create(settings.read({}, **given))
    with bot.deps.db.begin(patient=True) as session:
        now = clock.now(session)
        for number in range(each):
            for channel in range(rooms):
                outbox.post(
                    session,
                    LoadRefused("AWS/123456789012", "2026-01", "120,000 rows would become 40,000."),
                    to=Destination.channel(office.TEAM, office.room(channel)),
                    dedupe_key=f"bench:{channel}:{number}",
                    now=now,
                )
    bot.stop()
