"""Queries of models, versions, their steps, findings and measures."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeVarTuple

from sqlalchemy import Select, case, delete, func, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget
from storage.enums import FindingStatus, ModelState
from storage.inventory.tables import (
    Finding,
    Model,
    ModelAgreement,
    ModelDependency,
    ModelMetric,
    ModelPerson,
    ModelReading,
    ModelTransition,
    ModelVersion,
)
from storage.people.tables import Person
from storage.projects.tables import Project

Columns = TypeVarTuple("Columns")


def lock_model(session: Session, model_id: int) -> Model | None:
    """A model, locked until the transaction ends."""
    return session.execute(
        select(Model)
        .where(Model.id == model_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def lock_version(session: Session, version_id: int) -> ModelVersion | None:
    """A version, locked until the transaction ends, after its model."""
    model_id = session.execute(
        select(ModelVersion.model_id).where(ModelVersion.id == version_id)
    ).scalar_one_or_none()
    if model_id is None:
        return None
    # Always the model first: whoever locks both in the other order could wait for the other for ever.
    lock_model(session, model_id)
    return session.execute(
        select(ModelVersion)
        .where(ModelVersion.id == version_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find_model(session: Session, model_id: int) -> Model | None:
    """A model, not locked."""
    return session.get(Model, model_id)


def find_version(session: Session, version_id: int) -> ModelVersion | None:
    """A version, not locked."""
    return session.get(ModelVersion, version_id)


def find_by_key(session: Session, key: str) -> Model | None:
    """The model of that key."""
    return session.execute(select(Model).where(Model.key == key)).scalar_one_or_none()


class Named(NamedTuple):
    """What a model is called."""

    id: int
    key: str
    name: str


def list_names(session: Session) -> list[Named]:
    """What all models are called."""
    rows = session.execute(select(Model.id, Model.key, Model.name))
    return [Named(row.id, row.key, row.name) for row in rows]


def find_by_request(session: Session, request_key: str) -> Model | None:
    """The model that a window or a program registered."""
    return session.execute(
        select(Model).where(Model.request_key == request_key)
    ).scalar_one_or_none()


def list_concerning_ids(session: Session, person_id: str) -> set[int]:
    """Models that somebody owns, made or validates, has to mend, or whose output a model of theirs takes."""
    mine = select(Model.id).where(Model.owner_id == person_id)
    asked = (
        mine,
        select(ModelVersion.model_id)
        .join(ModelPerson, ModelPerson.version_id == ModelVersion.id)
        .where(ModelPerson.person_id == person_id),
        select(Finding.model_id).where(
            Finding.owner_id == person_id, Finding.status != FindingStatus.RESOLVED.value
        ),
        select(ModelDependency.upstream_id).where(ModelDependency.model_id.in_(mine)),
    )
    return {one for each in asked for one in session.scalars(each)}


def search_models(
    session: Session,
    words: str,
    *,
    within: Collection[int] | None = None,
    beside: Collection[int] = (),
) -> Sequence[Model]:
    """Models by name whose key, name, vendor, technique, or owner's name has the words.

    With `within` only models of these projects, and the models `beside`.
    """
    query = _filter_models(select(Model), words, within, beside)
    return session.scalars(query.order_by(func.lower(Model.name), Model.id)).all()


def search_first(
    session: Session,
    words: str,
    *,
    within: Collection[int] | None = None,
    beside: Collection[int] = (),
    leading: Sequence[ModelState],
    order: Mapping[ModelState, int],
    most: int,
) -> tuple[list[Model], dict[ModelState, int]]:
    """The first of what `search_models` finds, in the order of their states and then by name, and how many are in each state.

    A model stands as that of its versions whose state comes first in `leading`; one without versions as itself.
    """
    nearness = {state.value: place for place, state in enumerate(leading)}
    best = (
        select(
            ModelVersion.model_id, func.min(case(nearness, value=ModelVersion.state)).label("place")
        )
        .group_by(ModelVersion.model_id)
        .subquery()
    )
    by_place = {place: state.value for place, state in enumerate(leading)}
    state = case(by_place, value=best.c.place, else_=Model.state)

    def filtered(query: Select[*Columns]) -> Select[*Columns]:
        return _filter_models(query, words, within, beside).outerjoin(
            best, best.c.model_id == Model.id
        )

    ranks = {each.value: rank for each, rank in order.items()}
    rank = case(ranks, value=state, else_=len(ranks))
    rows = session.scalars(
        filtered(select(Model)).order_by(rank, func.lower(Model.name), Model.id).limit(most)
    )
    numbers = session.execute(filtered(select(state.label("state"), func.count())).group_by(state))
    return list(rows), {ModelState(each): number for each, number in numbers}


def _filter_models(
    query: Select[*Columns], words: str, within: Collection[int] | None, beside: Collection[int]
) -> Select[*Columns]:
    query = query.select_from(Model).outerjoin(Person, Person.id == Model.owner_id)
    if words:
        query = query.where(
            or_(
                *(
                    func.lower(column).contains(words.casefold(), autoescape=True)
                    for column in (
                        Model.key,
                        Model.name,
                        Model.vendor,
                        Model.technique,
                        Person.name,
                    )
                )
            )
        )
    if within is not None:
        query = query.where(or_(Model.project_id.in_(sorted(within)), Model.id.in_(sorted(beside))))
    return query


def list_by_ids(session: Session, ids: Collection[int]) -> Sequence[Model]:
    """These models, by name."""
    return session.scalars(
        select(Model).where(Model.id.in_(sorted(ids))).order_by(func.lower(Model.name))
    ).all()


def find_by_keys(session: Session, keys: Collection[str]) -> dict[str, Model]:
    """Key → model."""
    rows = session.scalars(select(Model).where(Model.key.in_(sorted(keys))))
    return {row.key: row for row in rows}


def list_versions(session: Session, model_ids: Collection[int]) -> Sequence[ModelVersion]:
    """Every version of these models, newest first."""
    return session.scalars(
        select(ModelVersion)
        .where(ModelVersion.model_id.in_(sorted(model_ids)))
        .order_by(ModelVersion.id.desc())
    ).all()


def find_version_named(session: Session, model_id: int, version: str) -> ModelVersion | None:
    """The version of that name."""
    return session.execute(
        select(ModelVersion).where(
            ModelVersion.model_id == model_id, ModelVersion.version == version
        )
    ).scalar_one_or_none()


def list_parts(session: Session, version_ids: Collection[int]) -> Sequence[ModelPerson]:
    """Who made and validated these versions."""
    return session.scalars(
        select(ModelPerson)
        .where(ModelPerson.version_id.in_(sorted(version_ids)))
        .order_by(ModelPerson.version_id, ModelPerson.part, ModelPerson.person_id)
    ).all()


def set_part(session: Session, version_id: int, part: str, person_ids: Collection[str]) -> None:
    """Set who has this part in a version: exactly these people."""
    session.execute(
        delete(ModelPerson).where(ModelPerson.version_id == version_id, ModelPerson.part == part)
    )
    for person_id in sorted(set(person_ids)):
        session.add(ModelPerson(version_id=version_id, person_id=person_id, part=part))
    session.flush()


def list_upstream(session: Session, model_id: int) -> Sequence[Model]:
    """The models whose output a model takes."""
    return session.scalars(
        select(Model)
        .join(ModelDependency, ModelDependency.upstream_id == Model.id)
        .where(ModelDependency.model_id == model_id)
    ).all()


def lock_links(session: Session) -> None:
    """Let one transaction at a time write links: two at once could each add half of a circle, seeing none."""
    # SQLite has one writer at a time anyway. The number is "mode" in ASCII; no other lock of mlgov has it.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(0x6D6F6465)))


def set_upstream(session: Session, model_id: int, upstream_ids: Collection[int]) -> None:
    """Set the models whose output this one takes."""
    session.execute(delete(ModelDependency).where(ModelDependency.model_id == model_id))
    for upstream_id in sorted(set(upstream_ids) - {model_id}):
        session.add(ModelDependency(model_id=model_id, upstream_id=upstream_id))
    session.flush()


def list_links(session: Session, ids: Collection[int]) -> list[tuple[int, int]]:
    """(model, upstream model) wherever one of these is either."""
    wanted = sorted(ids)
    rows = session.execute(
        select(ModelDependency.model_id, ModelDependency.upstream_id).where(
            or_(ModelDependency.model_id.in_(wanted), ModelDependency.upstream_id.in_(wanted))
        )
    )
    return [(row.model_id, row.upstream_id) for row in rows]


def find_all_links(session: Session) -> dict[int, set[int]]:
    """Model id → ids of the models whose output it takes."""
    links: dict[int, set[int]] = {}
    rows = session.execute(select(ModelDependency.model_id, ModelDependency.upstream_id))
    for row in rows:
        links.setdefault(row.model_id, set()).add(row.upstream_id)
    return links


def list_steps(session: Session, model_id: int, most: int) -> Sequence[ModelTransition]:
    """The latest steps of a model and its versions, newest first."""
    return session.scalars(
        select(ModelTransition)
        .where(ModelTransition.model_id == model_id)
        .order_by(ModelTransition.id.desc())
        .limit(most)
    ).all()


def find_step(session: Session, step_id: int) -> ModelTransition | None:
    """One step."""
    return session.get(ModelTransition, step_id)


def find_suspended_from(session: Session, version_id: int) -> str | None:
    """The state in which a version was suspended last."""
    return session.execute(
        select(ModelTransition.source)
        .where(
            ModelTransition.version_id == version_id,
            ModelTransition.target == ModelState.SUSPENDED.value,
        )
        .order_by(ModelTransition.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def list_agreements(
    session: Session, version_id: int, step: str, revision: int
) -> Sequence[ModelAgreement]:
    """Who has agreed to a step of a version as it is."""
    return session.scalars(
        select(ModelAgreement)
        .where(
            ModelAgreement.version_id == version_id,
            ModelAgreement.step == step,
            ModelAgreement.revision == revision,
        )
        .order_by(ModelAgreement.id)
    ).all()


def list_agreed(session: Session, version_id: int, revision: int) -> Sequence[tuple[str, str]]:
    """(step, person's name) of every agreement that counts for a version as it is."""
    return session.execute(
        select(ModelAgreement.step, Person.name)
        .join(Person, Person.id == ModelAgreement.person_id)
        .where(ModelAgreement.version_id == version_id, ModelAgreement.revision == revision)
        .order_by(ModelAgreement.id)
    ).all()


def find_projects(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Project id → project."""
    rows = session.scalars(select(Project).where(Project.id.in_(sorted(ids))))
    return {row.id: row for row in rows}


def find_project(session: Session, key: str) -> Project | None:
    """The project of that key."""
    return session.execute(select(Project).where(Project.key == key)).scalar_one_or_none()


def find_project_by_id(session: Session, project_id: int | None) -> Project | None:
    """The project of that id; None where there is none."""
    return session.get(Project, project_id) if project_id is not None else None


def has_budget(session: Session, project_id: int) -> bool:
    """Whether a project has any budget."""
    return (
        session.execute(
            select(Budget.id).where(Budget.project_id == project_id).limit(1)
        ).scalar_one_or_none()
        is not None
    )


def list_due_reviews(session: Session, today: date) -> Sequence[int]:
    """Models in the inventory whose review day has come."""
    return list(
        session.scalars(
            select(Model.id)
            .where(Model.next_review.is_not(None), Model.next_review <= today)
            .order_by(Model.id)
        )
    )


def list_owned_and_due(session: Session, person_id: str, today: date) -> Sequence[Model]:
    """Models of this person whose review day has come."""
    return session.scalars(
        select(Model).where(
            Model.owner_id == person_id, Model.next_review.is_not(None), Model.next_review <= today
        )
    ).all()


def list_validating(session: Session, person_id: str) -> Sequence[ModelVersion]:
    """Versions that wait for this person's validation."""
    return session.scalars(
        select(ModelVersion)
        .join(ModelPerson, ModelPerson.version_id == ModelVersion.id)
        .where(
            ModelPerson.person_id == person_id,
            ModelPerson.part == "validator",
            ModelVersion.state == ModelState.VALIDATION.value,
        )
        .order_by(ModelVersion.state_since, ModelVersion.id)
    ).all()


def find_valid_until(session: Session, approval_id: int) -> datetime | None:
    """Until when an approval holds; None for one that holds for good."""
    return session.execute(
        select(Approval.valid_until).where(Approval.id == approval_id)
    ).scalar_one_or_none()


def add_step(session: Session, **values: object) -> int:
    """Keep a step; its id."""
    row = ModelTransition(**values)
    session.add(row)
    session.flush()
    return row.id


def list_ended_approvals(session: Session, now: datetime) -> Sequence[int]:
    """Ids of versions in use whose approval has ended by `now`."""
    return list(
        session.scalars(
            select(ModelVersion.id).where(
                ModelVersion.state == ModelState.IN_USE.value,
                ModelVersion.approved_until.is_not(None),
                ModelVersion.approved_until <= now,
            )
        )
    )


# --- The only statements over findings, measures in use and their readings


def list_unsettled(session: Session, model_ids: Collection[int]) -> Sequence[Finding]:
    """Findings of these models that were not resolved, accepted ones too, newest first."""
    return session.scalars(
        select(Finding)
        .where(
            Finding.model_id.in_(sorted(model_ids)), Finding.status != FindingStatus.RESOLVED.value
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
    """The finding that mlgov filed under this key; None when it is new."""
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
