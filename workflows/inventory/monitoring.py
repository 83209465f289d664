"""What is watched in use: readings judged against the plan, and those that did not come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from storage.enums import FindingSource, Severity
from storage.inventory import queries
from storage.inventory.tables import ModelMetric, ModelReading, ModelVersion
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput
from workflows.evidence import service as evidence_service
from workflows.inventory import findings, permissions, service
from workflows.inventory.forms import GiveReading
from workflows.job_runner import DueSlot, Registry
from workflows.policy import Policy
from workflows.sources.text import storable

PLAN = "monitoring_plan"
AHEAD = timedelta(hours=1)
"""How far ahead of mlgov's own clock a reading may be."""


def begin_watching(ctx: Context, version: ModelVersion) -> None:
    """Watch what the version's plan names; measures that a new plan leaves out are watched no more."""
    plan = permissions.load_items(ctx.session, version.id).get(PLAN)
    wanted = {watched.name.casefold(): watched for watched in plan.watched} if plan else {}
    there = {
        row.name.casefold(): row
        for row in queries.list_metrics(ctx.session, [version.id], dropped=True)
    }
    for name, row in there.items():
        if name not in wanted:
            row.dropped_at = row.dropped_at or ctx.now
    for name, watched in wanted.items():
        row_ = there.get(name)
        if row_ is None:
            row_ = ModelMetric(version_id=version.id, name=watched.name)
            ctx.session.add(row_)
        row_.threshold, row_.better = watched.threshold, watched.better
        row_.every_days, row_.dropped_at = watched.every_days, None
    ctx.session.flush()


def take_reading(ctx: Context, version: ModelVersion, form: GiveReading) -> bool:
    """Keep a reading and judge it; True for a breach, which opens a finding while none of that measure is open.

    The same reading again changes nothing.
    """
    rows = {row.name.casefold(): row for row in queries.list_metrics(ctx.session, [version.id])}
    row = rows.get(form.metric.casefold())
    if row is None:
        listed = (
            ", ".join(one.name for one in rows.values())
            or "nothing: it is not in use, or has no monitoring plan"
        )
        raise InvalidInput(
            f"Its monitoring plan has no measure {form.metric!r}. It watches {listed}.",
            field="metric",
        )
    at = form.at or ctx.now
    if at.tzinfo is None:
        raise InvalidInput("Give the time with its zone, like 2026-01-26T09:00:00Z.", field="at")
    if at > ctx.now + AHEAD:
        raise InvalidInput("That time is still to come.", field="at")
    known = queries.find_reading(ctx.session, row.id, at)
    if known is not None:
        if known.value != form.value:
            raise InvalidInput(
                f"There is another value of {row.name} for that time already: {known.value.normalize():f}.",
                field="value",
            )
        return known.is_breach
    is_breach = form.value < row.threshold if row.better == "higher" else form.value > row.threshold
    row.trouble = None
    ctx.session.add(
        ModelReading(
            metric_id=row.id, at=at, value=form.value, is_breach=is_breach, created_at=ctx.now
        )
    )
    audit.record(
        ctx,
        "model_version.reading",
        ("model_version", version.id),
        metric=row.name,
        value=_plain(form.value),
        at=at.isoformat(timespec="microseconds"),
        breach=is_breach,
    )
    if is_breach and not _is_known(ctx.session, version, row):
        _file_detected(
            ctx,
            version,
            row,
            f"breach:{row.id}:{at.isoformat()}",
            {
                "what": "breach",
                "metric": row.name,
                "value": _plain(form.value),
                "threshold": _plain(row.threshold),
                "better": row.better,
            },
        )
    service.refresh_copies(ctx, version.model_id)
    return is_breach


def detect_silence(ctx: Context) -> None:
    """Open a finding for every measure in use of which no reading came in time; once for each silence."""
    rows = queries.list_metrics_in_use(ctx.session)
    latest = queries.find_latest_readings(ctx.session, [row.id for row, _, _ in rows])
    for row, version, _ in rows:
        # What was suspended was silent rightly: the plan counts from when it works again.
        since = (
            max(latest[row.id].at, version.state_since) if row.id in latest else version.state_since
        )
        if ctx.now - since <= timedelta(days=row.every_days):
            continue
        day = since.astimezone(ctx.policy.organisation.zone).date()
        _file_detected(
            ctx,
            version,
            row,
            f"silent:{row.id}:{since.isoformat()}",
            {
                "what": "silent",
                "metric": row.name,
                "since": f"{day:%d %b %Y}",
                "days": str(row.every_days),
            },
        )


def _file_detected(
    ctx: Context, version: ModelVersion, row: ModelMetric, key: str, facts: dict[str, str]
) -> None:
    model = queries.find_model(ctx.session, version.model_id)
    severity = Severity.HIGH if model is not None and model.tier == 1 else Severity.MEDIUM
    findings.file_detected(
        ctx, version.model_id, version.id, facts, severity, FindingSource.MONITORING, key
    )


def _is_known(session: Session, version: ModelVersion, row: ModelMetric) -> bool:
    """Whether a breach of this measure is a finding already that nobody has resolved."""
    return any(
        one.version_id == version.id
        and (one.facts.get("what"), one.facts.get("metric")) == ("breach", row.name)
        for one in queries.list_unsettled_from(
            session, FindingSource.MONITORING.value, version.model_id
        )
    )


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


# --- Which measures of what is in use mlgov reads itself, and when

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


def list_measures(ctx: Context) -> list[Asked]:
    """Every measure in use for which the policy has a query."""
    at, rules = start_of_round(ctx.policy, ctx.now), ctx.policy.readings
    measures = []
    for row, version, model in queries.list_metrics_in_use(ctx.session):
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


def list_due_measures(ctx: Context) -> list[Asked]:
    """Those of the measures that have no reading since the present round began, of what was in use by then."""
    measures = list_measures(ctx)
    latest = queries.find_latest_readings(ctx.session, [one.metric_id for one in measures])
    return [
        one
        for one in measures
        if one.since <= one.at
        and (one.metric_id not in latest or latest[one.metric_id].at < one.at)
    ]


def keep_readings(ctx: Context, values: Mapping[Asked, Decimal]) -> None:
    """Keep and judge what was read. What another process kept meanwhile, or is watched no more, changes nothing."""
    for asked, value in values.items():
        version = queries.find_version(ctx.session, asked.version_id)
        if version is None:
            continue
        try:
            form = GiveReading(metric=asked.metric, value=value, at=asked.at)
            take_reading(ctx.as_system(), version, form)
        except (GovernanceError, ValidationError):
            continue  # one value that can't be kept costs itself alone


def keep_failures(session: Session, why: Mapping[Asked, str]) -> None:
    """Remember why measures could not be read; whoever looks at the model reads it until a reading comes."""
    for asked, sentence in why.items():
        row = queries.find_metric(session, asked.metric_id)
        if row is not None:
            row.trouble = storable(sentence, MOST)


# --- What falls due in the inventory, every day
#
# reviews, readings that did not come, acceptances that are over, files that nobody handed in.


def _run_daily(ctx: Context, slot: DueSlot) -> None:
    findings.reopen_accepted(ctx)
    detect_silence(ctx)
    findings.ask_for_due_reviews(ctx)
    evidence_service.forget_files(ctx)


PART = Registry(schedules={"inventory.look": _run_daily}, daily={"inventory.look": "08:30"})
