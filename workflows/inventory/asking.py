"""Which measures of what is in use mlgov reads itself, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from storage.inventory import finding_queries, queries
from workflows.actors import SYSTEM
from workflows.errors import GovernanceError
from workflows.inventory import monitoring
from workflows.inventory.forms import GiveReading
from workflows.policy import Policy
from workflows.sources.text import storable

MOST = 300
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A measure whose value is wanted for `at`, and the query that gives it."""

    metric_id: int
    version_id: int
    model: str
    version: str
    metric: str
    query: str
    at: datetime
    since: datetime
    """From when the version stands as it does; before it nothing is asked."""

    @property
    def words(self) -> str:
        """`fraud-score:7 accuracy`."""
        return f"{self.model}:{self.version} {self.metric}"


def start_of_round(policy: Policy, now: datetime) -> datetime:
    """The start of the present round. Every process asks for the same instants, so each reading is kept once."""
    seconds = policy.readings.every.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def list_measures(session: Session, *, policy: Policy, now: datetime) -> list[Asked]:
    """Every measure in use for which the policy has a query."""
    at, rules = start_of_round(policy, now), policy.readings
    measures = []
    for row, version, model in finding_queries.list_metrics_in_use(session):
        query = rules.query(model.key, version.version, row.name)
        if query is not None:
            measures.append(
                Asked(
                    row.id,
                    version.id,
                    model.key,
                    version.version,
                    row.name,
                    query,
                    at,
                    version.state_since,
                )
            )
    return measures


def list_due_measures(session: Session, *, policy: Policy, now: datetime) -> list[Asked]:
    """Those of the measures that have no reading since the present round began, of what was in use by then."""
    measures = list_measures(session, policy=policy, now=now)
    latest = finding_queries.find_latest_readings(session, [one.metric_id for one in measures])
    return [
        one
        for one in measures
        if one.since <= one.at
        and (one.metric_id not in latest or latest[one.metric_id].at < one.at)
    ]


def keep_readings(
    session: Session,
    values: Mapping[Asked, Decimal],
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    """Keep and judge what was read. What another process kept meanwhile, or is watched no more, changes nothing."""
    for asked, value in values.items():
        version = queries.find_version(session, asked.version_id)
        if version is None:
            continue
        try:
            form = GiveReading(metric=asked.metric, value=value, at=asked.at)
            monitoring.take_reading(
                session, SYSTEM, version, form, policy=policy, now=now, org_key=org_key
            )
        except (GovernanceError, ValidationError):
            continue  # one value that can't be kept costs itself alone


def keep_failures(session: Session, why: Mapping[Asked, str]) -> None:
    """Remember why measures could not be read; whoever looks at the model reads it until a reading comes."""
    for asked, sentence in why.items():
        row = finding_queries.find_metric(session, asked.metric_id)
        if row is not None:
            row.trouble = storable(sentence, MOST)
