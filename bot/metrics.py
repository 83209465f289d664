"""What Prometheus reads at `/metrics`."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "mlgov_slack_requests_total",
    "Requests from Slack",
    ["kind", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "mlgov_slack_request_seconds",
    "Time to answer Slack, commit included",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
    registry=REGISTRY,
)
OUTBOX = Gauge(
    "mlgov_outbox_rows", "Rows that wait, by state", ["state"], registry=REGISTRY
)
OLDEST = Gauge(
    "mlgov_outbox_oldest_seconds",
    "Age of the oldest row that is due and not sent",
    registry=REGISTRY,
)
TICK_AGE = Gauge(
    "mlgov_tick_age_seconds",
    "Seconds since due timers were last looked at",
    registry=REGISTRY,
)
DELIVERY_AGE = Gauge(
    "mlgov_delivery_age_seconds",
    "Seconds since delivery last looked for work",
    registry=REGISTRY,
)
MIRROR_AGE = Gauge(
    "mlgov_mirror_age_seconds",
    "Seconds since Slack's people, groups and channels were read; +Inf for never",
    ["kind"],
    registry=REGISTRY,
)


def exposition() -> bytes:
    """All metrics in Prometheus's text format."""
    return generate_latest(REGISTRY)
