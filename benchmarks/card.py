"""How soon a clicked card shows the decision: from the sent click to Slack's acceptance of that very card's edit."""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import clicks, databases, office, processes, seeding
from benchmarks.report import Ratio, Report, percentile

ROOMS = 8
PATIENCE = 90.0
REST = 60.0
"""Seconds before the burst, in which Slack's allowance of edits (50 a minute) fills up again."""


def run(*, small: bool) -> Report:
    """One click at a time, then a burst within a second; each card is clicked once in its phase."""
    alone, burst, rest = (3, 4, 2.0) if small else (20, 20, REST)
    report = Report(
        "card",
        "Card: seconds from the click until Slack has taken the edit of the clicked card, under Slack's limits",
        ("database, clicks", "clicks", "p50", "p95", "slowest", "429s"),
    )
    for kind in databases.KINDS[: 1 if small else None]:
        with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
            _one(report, kind, Path(folder), alone, burst, rest)
    return report


def _one(report: Report, kind: str, work: Path, alone: int, burst: int, rest: float) -> None:
    limits = office.CountedLimits()
    with office.slack(rooms=ROOMS, limits=limits) as slack, databases.fresh(kind, work) as url:
        seeding.open_requests(slack, url, work, alone + burst, rooms=ROOMS)
        places = [(channel, card.ts) for channel, card in seeding.cards(slack, ROOMS)]
        bodies = seeding.clicks(slack, ROOMS, work, 1)
        edits = _Edits(slack)
        limits.is_on = True
        with clicks.mlgov(slack, url, work) as target:
            clicks.warm_up(target, bodies)
            phases = {
                "one at a time": (0, alone, 1, 1.0),
                f"{burst} within a second": (alone, burst, burst, 0.8 / burst),
            }
            for name, (first, count, at_once, every) in phases.items():
                if first:
                    time.sleep(rest)
                before = sum(limits.refused.values())
                answers = clicks.send(target, bodies, first, count, at_once, every=every)
                took = [edits.wait(places[int(line)], sent) - sent for line, sent, _, _ in answers]
                refused = sum(limits.refused.values()) - before
                p50, p95 = (percentile(took, share) for share in (0.5, 0.95))
                report.rows.append((f"{kind}, {name}", count, p50, p95, max(took), refused))
                report.ratios.append(Ratio(f"{kind}, {name}, p95", p95, 1.5, unit=" s"))
                report.raw[f"{kind}, {name}"] = took


class _Edits:
    """When Slack took the edits of each message."""

    def __init__(self, slack: office.Slack) -> None:
        self._times: dict[tuple[str, str], list[float]] = {}
        self._changed = threading.Condition()
        slack.sandbox.world.feed.listen(self._note)

    def _note(self, item: dict[str, Any]) -> None:
        if item["type"] == "message_changed":
            with self._changed:
                place = (item["channel"], item["ts"])
                self._times.setdefault(place, []).append(time.monotonic())
                self._changed.notify_all()

    def wait(self, place: tuple[str, str], since: float) -> float:
        """When a message was first edited after `since`."""
        with self._changed:
            is_edited = self._changed.wait_for(
                lambda: next((at for at in self._times.get(place, ()) if at > since), None),
                PATIENCE,
            )
        if not is_edited:
            raise processes.DidNotWork(f"a clicked card was not edited in {PATIENCE:.0f} s")
        return float(is_edited)
