"""What is watched in use: readings judged against the plan, and those that did not come."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.enums import FindingSource, Severity
from storage.inventory import finding_queries, queries
from storage.inventory.tables import ModelMetric, ModelReading, ModelVersion
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import InvalidInput
from workflows.inventory import findings, standings, telling
from workflows.inventory.forms import GiveReading
from workflows.policy import Policy

PLAN = "monitoring_plan"
AHEAD = timedelta(hours=1)
"""How far ahead of mlgov's own clock a reading may be."""


def begin_watching(session: Session, version: ModelVersion, *, now: datetime) -> None:
    """Watch what the version's plan names; measures that a new plan leaves out are watched no more."""
    plan = standings.load_items(session, version.id).get(PLAN)
    wanted = {watched.name.casefold(): watched for watched in plan.watched} if plan else {}
    there = {
        row.name.casefold(): row
        for row in finding_queries.list_metrics(session, [version.id], dropped=True)
    }
    for name, row in there.items():
        if name not in wanted:
            row.dropped_at = row.dropped_at or now
    for name, watched in wanted.items():
        row_ = there.get(name)
        if row_ is None:
            row_ = ModelMetric(version_id=version.id, name=watched.name)
            session.add(row_)
        row_.threshold, row_.better = watched.threshold, watched.better
        row_.every_days, row_.dropped_at = watched.every_days, None
    session.flush()


def take_reading(
    session: Session,
    actor: Actor,
    version: ModelVersion,
    form: GiveReading,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> bool:
    """Keep a reading and judge it; True for a breach, which opens a finding while none of that measure is open.

    The same reading again changes nothing.
    """
    rows = {row.name.casefold(): row for row in finding_queries.list_metrics(session, [version.id])}
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
    at = form.at or now
    if at.tzinfo is None:
        raise InvalidInput("Give the time with its zone, like 2026-01-26T09:00:00Z.", field="at")
    if at > now + AHEAD:
        raise InvalidInput("That time is still to come.", field="at")
    known = finding_queries.find_reading(session, row.id, at)
    if known is not None:
        if known.value != form.value:
            raise InvalidInput(
                f"There is another value of {row.name} for that time already: {known.value.normalize():f}.",
                field="value",
            )
        return known.is_breach
    is_breach = form.value < row.threshold if row.better == "higher" else form.value > row.threshold
    row.trouble = None
    session.add(
        ModelReading(metric_id=row.id, at=at, value=form.value, is_breach=is_breach, created_at=now)
    )
    audit.record(
        session,
        actor,
        "model_version.reading",
        ("model_version", version.id),
        now=now,
        metric=row.name,
        value=_plain(form.value),
        at=at.isoformat(timespec="microseconds"),
        breach=is_breach,
    )
    if is_breach and not _is_known(session, version, row):
        _file_detected(
            session,
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
            policy=policy,
            now=now,
            org_key=org_key,
        )
    telling.refresh_copies(session, version.model_id, now=now)
    return is_breach


def detect_silence(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """Open a finding for every measure in use of which no reading came in time; once for each silence."""
    rows = finding_queries.list_metrics_in_use(session)
    latest = finding_queries.find_latest_readings(session, [row.id for row, _, _ in rows])
    for row, version, _ in rows:
        # What was suspended was silent rightly: the plan counts from when it works again.
        since = (
            max(latest[row.id].at, version.state_since) if row.id in latest else version.state_since
        )
        if now - since <= timedelta(days=row.every_days):
            continue
        day = since.astimezone(policy.organisation.zone).date()
        _file_detected(
            session,
            version,
            row,
            f"silent:{row.id}:{since.isoformat()}",
            {
                "what": "silent",
                "metric": row.name,
                "since": f"{day:%d %b %Y}",
                "days": str(row.every_days),
            },
            policy=policy,
            now=now,
            org_key=org_key,
        )


def _file_detected(
    session: Session,
    version: ModelVersion,
    row: ModelMetric,
    key: str,
    facts: dict[str, str],
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    model = queries.find_model(session, version.model_id)
    severity = Severity.HIGH if model is not None and model.tier == 1 else Severity.MEDIUM
    findings.file_detected(
        session,
        version.model_id,
        version.id,
        facts,
        severity,
        FindingSource.MONITORING,
        key,
        policy=policy,
        now=now,
        org_key=org_key,
    )


def _is_known(session: Session, version: ModelVersion, row: ModelMetric) -> bool:
    """Whether a breach of this measure is a finding already that nobody has resolved."""
    return any(
        one.version_id == version.id
        and (one.facts.get("what"), one.facts.get("metric")) == ("breach", row.name)
        for one in finding_queries.list_unsettled_from(
            session, FindingSource.MONITORING.value, version.model_id
        )
    )


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
