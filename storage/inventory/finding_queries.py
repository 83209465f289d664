"""The only statements over findings, measures in use and their readings."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.enums import FindingStatus, ModelState
from storage.inventory.tables import Finding, Model, ModelMetric, ModelReading, ModelVersion


def list_unsettled(session: Session, model_ids: Collection[int]) -> Sequence[Finding]:
    """Findings of these models that were not resolved, accepted ones too, newest first."""
    return session.scalars(
        select(Finding)
        .where(
            Finding.model_id.in_(sorted(model_ids)),
            Finding.status != FindingStatus.RESOLVED.value,
        )
        .order_by(Finding.id.desc())
    ).all()


def list_findings(session: Session, model_id: int) -> Sequence[Finding]:
    """Every finding of a model, resolved ones too, oldest first."""
    return session.scalars(
        select(Finding).where(Finding.model_id == model_id).order_by(Finding.id)
    ).all()


def list_open_of(session: Session, person_id: str) -> Sequence[Finding]:
    """Findings that this person has to mend, accepted ones left out."""
    return session.scalars(
        select(Finding).where(
            Finding.owner_id == person_id,
            Finding.status.in_((FindingStatus.OPEN.value, FindingStatus.IN_PROGRESS.value)),
        )
    ).all()


def find_finding(session: Session, finding_id: int) -> Finding | None:
    """A finding, not locked."""
    return session.get(Finding, finding_id)


def lock_finding(session: Session, finding_id: int) -> Finding | None:
    """A finding, locked until the transaction ends."""
    return session.execute(
        select(Finding)
        .where(Finding.id == finding_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find_by_source(session: Session, source_key: str) -> Finding | None:
    """What mlgov found before under this key."""
    return session.execute(
        select(Finding).where(Finding.source_key == source_key)
    ).scalar_one_or_none()


def list_unsettled_from(
    session: Session, source: str, model_id: int | None = None
) -> Sequence[Finding]:
    """Findings of one source that are not resolved, of one model or of all."""
    query = select(Finding).where(
        Finding.source == source, Finding.status != FindingStatus.RESOLVED.value
    )
    if model_id is not None:
        query = query.where(Finding.model_id == model_id)
    return session.scalars(query).all()


def list_ended_acceptances(session: Session, today: date) -> Sequence[Finding]:
    """Findings whose acceptance is over."""
    return session.scalars(
        select(Finding)
        .where(Finding.status == FindingStatus.ACCEPTED.value, Finding.accepted_until < today)
        .order_by(Finding.id)
    ).all()


def list_metrics(
    session: Session, version_ids: Collection[int], *, dropped: bool = False
) -> Sequence[ModelMetric]:
    """The measures of these versions' plans, by id; those that a later plan left out too where they are asked for."""
    query = select(ModelMetric).where(ModelMetric.version_id.in_(sorted(version_ids)))
    if not dropped:
        query = query.where(ModelMetric.dropped_at.is_(None))
    return session.scalars(query.order_by(ModelMetric.id)).all()


def find_metric(session: Session, metric_id: int) -> ModelMetric | None:
    """A measure by its id."""
    return session.get(ModelMetric, metric_id)


def list_metrics_in_use(session: Session) -> list[tuple[ModelMetric, ModelVersion, Model]]:
    """The measures of every version that is in use, each with its version and model."""
    rows = session.execute(
        select(ModelMetric, ModelVersion, Model)
        .join(ModelVersion, ModelVersion.id == ModelMetric.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelMetric.dropped_at.is_(None),
            ModelVersion.state.in_((ModelState.IN_USE.value, ModelState.MODIFICATION.value)),
        )
        .order_by(ModelMetric.id)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def find_reading(session: Session, metric_id: int, at: datetime) -> ModelReading | None:
    """The reading of a measure at that time."""
    return session.execute(
        select(ModelReading).where(ModelReading.metric_id == metric_id, ModelReading.at == at)
    ).scalar_one_or_none()


def find_latest_readings(session: Session, metric_ids: Collection[int]) -> dict[int, ModelReading]:
    """Measure id → its newest reading."""
    newest = (
        select(ModelReading.metric_id, func.max(ModelReading.at).label("at"))
        .where(ModelReading.metric_id.in_(sorted(metric_ids)))
        .group_by(ModelReading.metric_id)
        .subquery()
    )
    rows = session.scalars(
        select(ModelReading).join(
            newest,
            (newest.c.metric_id == ModelReading.metric_id) & (newest.c.at == ModelReading.at),
        )
    )
    return {row.metric_id: row for row in rows}
