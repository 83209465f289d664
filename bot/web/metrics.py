"""What Prometheus reads at `/metrics`: what this process counts. What is read from the database is in `bot.web.metrics`.

No label holds a person, a project or a token, and every label has a bounded set of values.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text

from bot import installed
from bot.background import Bounded, Seldom
from storage import migrate
from storage.db import Database, DatabaseAway, DatabaseBusy
from workflows import operations
from workflows.operations import Figure

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

BUILD = Info("mlgov_build", "Which mlgov this is", registry=REGISTRY)
BUILD.info(installed.build())

OTHER = "other"

# --- what Slack asks of mlgov

KINDS = ("command", "click", "submission", "shortcut", "search", "message", "home", "mirror", OTHER)
"""Kinds of requests from Slack; `mirror` are events about people, groups and channels."""
REQUESTS = Counter(
    "mlgov_slack_requests_total",
    "Requests from Slack, over HTTP or Socket Mode, by what they were, the HTTP status, and the outcome: ok, refused or failed",
    ["kind", "status", "outcome"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "mlgov_slack_request_seconds",
    "Time to answer Slack, commit included",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
    registry=REGISTRY,
)
TURNED_AWAY = Counter(
    "mlgov_slack_turned_away_total",
    "Requests at /slack/events that were not taken: signature (not signed with SLACK_SIGNING_SECRET, or too old), unreadable, too_large, too_slow, gone",
    ["reason"],
    registry=REGISTRY,
)

# --- what mlgov asks of Slack

CALL_RESULTS = ("ok", "refused", "limited", "token", "failed")
_METHODS = frozenset(
    [
        "apps.connections.open",
        "auth.teams.list",
        "auth.test",
        "chat.delete",
        "chat.postEphemeral",
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.info",
        "conversations.list",
        "conversations.members",
        "conversations.open",
        "conversations.replies",
        "files.completeUploadExternal",
        "files.getUploadURLExternal",
        "files.info",
        "usergroups.list",
        "usergroups.users.list",
        "users.conversations",
        "users.info",
        "users.list",
        "users.lookupByEmail",
        "views.open",
        "views.publish",
        "views.push",
        "views.update",
    ]
)
CALLS = Counter(
    "mlgov_slack_calls_total",
    "Calls of Slack's Web API: ok, refused (with a code), limited (HTTP 429), token (the token was refused), failed (no answer of Slack's)",
    ["method", "result"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "mlgov_slack_call_seconds",
    "How long calls of Slack's Web API took",
    ["method"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)

# --- the API

API_REQUESTS = Counter(
    "mlgov_api_requests_total",
    "Requests of the API, by route and HTTP status",
    ["method", "route", "status"],
    registry=REGISTRY,
)
API_SECONDS = Histogram(
    "mlgov_api_request_seconds",
    "Time to answer a request of the API; whoever asks to wait for a decision waits up to a minute",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=REGISTRY,
)

# --- delivery, the ledger's head, what falls due, readers

DELIVERIES = Counter(
    "mlgov_deliveries_total",
    "Attempts of delivery, by how they ended",
    ["result"],
    registry=REGISTRY,
)
DEAD_LETTERS = Counter(
    "mlgov_dead_letters_total",
    "Messages that were given up and wait for a person to decide",
    registry=REGISTRY,
)
ANCHOR_FAILURES = Counter(
    "mlgov_anchor_failures_total",
    "Times that MLGOV_ANCHOR did not take the ledger's head",
    registry=REGISTRY,
)
JOBS = Counter(
    "mlgov_jobs_total",
    "Timers, schedules and recurring work that ran, by name and result: ok or failed",
    ["name", "result"],
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "mlgov_job_seconds",
    "How long they ran",
    ["name"],
    buckets=(0.01, 0.1, 0.5, 1, 5, 30, 120),
    registry=REGISTRY,
)
READS = Counter(
    "mlgov_reader_reads_total",
    "Looks at systems outside (mlflow, prometheus) by this process: ok or failed",
    ["reader", "result"],
    registry=REGISTRY,
)

_DELIVERED = [
    "done",
    "unchanged",
    "dropped",
    "gone",
    "refused",
    "limited",
    "locked",
    "notsent",
    "unknown",
    "tooearly",
    "notthere",
    "lookupfailed",
    "lost",
]


def _born() -> None:
    """Counters that alerts look at stand at zero from the start, so that the first failure is an increase."""
    for reason in ("signature", "unreadable", "too_large"):
        TURNED_AWAY.labels(reason)
    for name in _DELIVERED:
        DELIVERIES.labels(name)


_born()


def count_slack_call(method: str, result: str, seconds: float) -> None:
    """A call of the Web API ended."""
    method = method if method in _METHODS else OTHER
    CALLS.labels(method, result).inc()
    CALL_SECONDS.labels(method).observe(seconds)


def count_slack_request(kind: str, status: int, outcome: str, seconds: float) -> None:
    """A request from Slack was answered."""
    REQUESTS.labels(kind, str(status), outcome).inc()
    REQUEST_SECONDS.labels(kind).observe(seconds)


def count_delivery(name: str) -> None:
    """An attempt of delivery ended so, or with it a message was given up (`dead`)."""
    if name == "dead":
        DEAD_LETTERS.inc()
    else:
        DELIVERIES.labels(name).inc()


def expect_jobs(names: Iterable[str]) -> None:
    """These may run: they stand at zero until they do."""
    for name in names:
        JOBS.labels(name, "ok")
        JOBS.labels(name, "failed")


def expect_reader(name: str) -> None:
    """This system outside is read here."""
    READS.labels(name, "ok")
    READS.labels(name, "failed")


def exposition(more: Collector | None = None) -> bytes:
    """All metrics in Prometheus's text format, with those of `more`."""
    text = generate_latest(REGISTRY)
    if more is None:
        return text
    others = CollectorRegistry()
    others.register(more)
    return text + generate_latest(others)


# --- What Prometheus reads at `/metrics` of the state of things
#
# of this process, and of the record where it can be read. What cannot be read is left out, so
# that no old figure passes for a new one.

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
                for figure in operations.list_figures(session):
                    figures.append(figure)
                    if time.monotonic() - began > LIMIT / 2:
                        break
        except DatabaseBusy:
            pass  # an outage is told where it was noticed; what took too long is left out
        except Exception:
            self._seldom.say(logging.ERROR, "read", "figures could not be read", exc_info=True)
        seconds = time.monotonic() - began
        return _Reading(figures, seconds, is_up=bool(figures))


# --- Whether this process still does its work, for `/healthz` and `/readyz`
#
# Liveness (`stalled`) falls when the process itself is stuck, and for nothing else: a restart
# mends neither the database nor Slack. Readiness (`not_ready`) falls when it could not answer
# people at this moment.

PATIENCE = 2.0
"""Seconds that a question to the database may take before it counts as away; whoever watches waits no longer."""


def _nothing() -> None:
    return None


@dataclass(slots=True)
class Health:
    """`beats` maps a loop's name to a function that tells how many seconds ago it last came round.

    `slack` says in a sentence why Slack is no use, if it is none.
    """

    database: Database
    beats: dict[str, Callable[[], float]]
    limit: float = 60.0
    """Seconds without a beat after which a loop counts as stopped."""
    slack: Callable[[], str | None] = _nothing
    waits: Callable[[], str | None] = _nothing
    """What has to happen before the loops begin, in words; None once they have."""
    _answers: Bounded[None] = field(init=False)
    _schema: Bounded[str | None] = field(init=False)
    _writes: Bounded[str | None] = field(init=False)

    def __post_init__(self) -> None:
        self._answers = Bounded("liveness", self._ask)
        self._schema = Bounded("readiness", lambda: migrate.read_standing(self.database).problem)
        self._writes = Bounded("writing", self.database.why_not_writable)

    def _ask(self) -> None:
        with self.database.read(within=PATIENCE) as session:
            session.execute(text("SELECT 1"))

    def _unwritable(self) -> str | None:
        try:
            return self._writes.ask(PATIENCE)
        except Exception as error:
            return f"the database cannot be reached ({type(error).__name__})"

    def stalled(self) -> str | None:
        """Which loop is stuck, in words; None when all of them run, or could not because the database is away."""
        if self.waits() is not None:
            return None
        for name, age in self.beats.items():
            if (seconds := age()) > self.limit:
                try:
                    self._answers.ask(PATIENCE)
                except (DatabaseAway, TimeoutError):
                    return None
                return f"{name} has not run for {seconds:.0f} seconds"
        return None

    def not_ready(self) -> str | None:
        """Why requests should not be sent here yet; None when they may."""
        try:
            problem = self._schema.ask(PATIENCE)
        except Exception as error:
            return f"the database cannot be reached ({type(error).__name__})"
        return problem or self._unwritable() or self.waits() or self.slack() or self.stalled()


class Beat:
    """A heart beat: `strike()` from a loop, `age()` from whoever watches."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def strike(self) -> None:
        """The loop has just run."""
        self._at = time.monotonic()

    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._at
