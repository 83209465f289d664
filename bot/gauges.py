"""What Prometheus reads at `/metrics` of the state of things: of this process, and of the record where it can be read.

What cannot be read is left out, so that no old figure passes for a new one.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.bounded import Bounded
from bot.seldom import Seldom
from storage.db import Database, DatabaseBusy
from workflows import measuring
from workflows.measuring import Figure

log = logging.getLogger("mlgov")

LIMIT = 0.8
"""Seconds that a scrape waits for the database; the answer as a whole stays below one."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a gauge says, and what its label tells apart."""

    words: str
    label: str = ""


OF_THE_PROCESS: dict[str, Gauge] = {
    "tick_age_seconds": Gauge("Seconds since due timers were last looked at"),
    "delivery_age_seconds": Gauge("Seconds since delivery last looked for work"),
    "slack_up": Gauge(
        "1 while Slack can be reached and takes the token; 0 once it was out of reach for a minute, or refuses the token"
    ),
    "slack_answer_age_seconds": Gauge(
        "Seconds since Slack last answered a call as it should; it is asked every 20 seconds where nothing else asks"
    ),
    "socket_up": Gauge(
        "1 while the socket of Socket Mode stands; absent where Slack's requests come over HTTP"
    ),
    "database_up": Gauge("1 when the database answered this scrape in time"),
    "database_read_seconds": Gauge("How long reading the figures below took"),
}
OF_THE_RECORD: dict[str, Gauge] = {
    "mirror_age_seconds": Gauge(
        "Seconds since Slack's people, groups and channels were read; +Inf for never", "kind"
    ),
    "outbox_rows": Gauge(
        "Messages that are on their way or were given up: pending, sending, dead", "state"
    ),
    "outbox_held": Gauge(
        "1 while nothing is sent until an operator releases it (a copy was restored, or --hold)"
    ),
    "outbox_oldest_seconds": Gauge("Age of the oldest message that is due and not sent"),
    "timers_due": Gauge("Timers that are due, those that are tried again later included"),
    "timers_late_seconds": Gauge("How late the oldest of them is"),
    "schedules_due": Gauge("Schedules that are due"),
    "schedules_late_seconds": Gauge("How late the oldest of them is"),
    "approvals_waiting": Gauge("Requests for approval that wait for somebody"),
    "approvals_oldest_seconds": Gauge("Age of the oldest of them"),
    "approvals_overdue": Gauge("Those whose time is over and that have not expired yet"),
    "cost_data_age_days": Gauge(
        "Days since the last day of which a source has told any cost; 20 sources are named, the rest counts as other",
        "source",
    ),
    "ledger_head_age_seconds": Gauge(
        "Time since the daily head of the ledger was last published, to the channel and to the anchor",
        "place",
    ),
    "reader_age_seconds": Gauge("Time since a system outside was last read whole", "reader"),
}
"""By name, without the prefix `mlgov_`."""
GAUGES = OF_THE_PROCESS | OF_THE_RECORD


@dataclass(slots=True)
class _Reading:
    figures: list[Figure]
    seconds: float
    is_up: bool


class Gauges(Collector):
    """The gauges of one bot. `process` gives those of the process itself, and never waits."""

    def __init__(self, database: Database, process: Callable[[], Iterable[Figure]]) -> None:
        self._database = database
        self._process = process
        self._reading = Bounded("metrics", self._read)
        self._seldom = Seldom(log)

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks; takes no longer than LIMIT, whatever the database does."""
        try:
            reading = self._reading.ask(LIMIT)
        except TimeoutError:
            reading = _Reading([], LIMIT, is_up=False)
        figures = [
            *reading.figures,
            Figure("database_up", float(reading.is_up)),
            Figure("database_read_seconds", reading.seconds),
            *self._process(),
        ]
        for name, gauge in GAUGES.items():
            family = GaugeMetricFamily(
                f"mlgov_{name}", gauge.words, labels=[gauge.label] if gauge.label else None
            )
            for figure in figures:
                if figure.name == name:
                    family.add_metric([figure.label] if gauge.label else [], figure.value)
            if family.samples:
                yield family

    def _read(self) -> _Reading:
        began = time.monotonic()
        figures: list[Figure] = []
        try:
            with self._database.read(within=LIMIT / 2) as session:
                for figure in measuring.list_figures(session):
                    figures.append(figure)
                    if time.monotonic() - began > LIMIT / 2:
                        break
        except DatabaseBusy:
            pass  # an outage is told where it was noticed; what took too long is left out
        except Exception:
            self._seldom.say(logging.ERROR, "read", "figures could not be read", exc_info=True)
        seconds = time.monotonic() - began
        return _Reading(figures, seconds, is_up=bool(figures))
