"""What Prometheus reads at `/metrics`: what this process counts. What is read from the database is in `bot.gauges`.

No label holds a person, a project or a token, and every label has a bounded set of values.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from bot import version

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

BUILD = Info("mlgov_build", "Which mlgov this is", registry=REGISTRY)
BUILD.info(version.build())

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
