"""What the record proves of the way of projects: statements for all of them at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry
from storage.budgets.costs import basis_column, counted
from storage.budgets.tables import AllocationKey, CostMonth
from storage.cases.tables import BusinessCase, CaseReturn, CaseRevision
from storage.enums import CostBasis
from storage.inventory.tables import Model, ModelPerson, ModelTransition, ModelVersion
from storage.milestones.tables import Milestone
from storage.people.lookups import among, in_parts, parts
from storage.projects.tables import Project, ProjectMove

Within = Collection[int] | None
"""The ids of the projects that are asked about; None for all."""


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project, with when its case was begun; None where it has none."""

    id: int
    key: str
    name: str
    status: str
    owner_id: str | None
    manager_id: str | None
    created_at: datetime
    proposed_at: datetime | None


def list_projects(session: Session, within: Within) -> list[ProjectRow]:
    """Projects by id."""
    statement = select(
        Project.id,
        Project.key,
        Project.name,
        Project.status,
        Project.owner_id,
        Project.manager_id,
        Project.created_at,
        BusinessCase.created_at,
    ).outerjoin(BusinessCase, BusinessCase.project_id == Project.id)
    rows = among(session, statement, Project.id, within)
    return sorted((ProjectRow(*row) for row in rows), key=lambda row: row.id)


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A state that a project came into; the first has no `source`."""

    project_id: int
    source: str | None
    target: str
    at: datetime


def list_moves(session: Session, within: Within) -> list[MoveRow]:
    """The states that projects came into, by project, the first first."""
    statement = select(
        ProjectMove.project_id, ProjectMove.source, ProjectMove.target, ProjectMove.at
    ).order_by(ProjectMove.project_id, ProjectMove.id)
    return [MoveRow(*row) for row in among(session, statement, ProjectMove.project_id, within)]


def list_agreed(session: Session, within: Within) -> list[tuple[int, datetime]]:
    """(project id, when the first estimate of its case was approved of those that still count). What a file brought as
    agreed was approved elsewhere, nobody knows when."""
    statement = (
        select(BusinessCase.project_id, func.min(CaseRevision.agreed_at))
        .join(CaseRevision, CaseRevision.case_id == BusinessCase.id)
        .where(CaseRevision.agreed_at.is_not(None), CaseRevision.approval_id.is_not(None))
        .group_by(BusinessCase.project_id)
    )
    rows = among(session, statement, BusinessCase.project_id, within)
    return [(id_, at) for id_, at in rows if id_ is not None and at is not None]


def list_met(
    session: Session, types: Collection[str], within: Within
) -> list[tuple[int, str, date]]:
    """(project id, type, day) of the first milestone of each of these types that was met."""
    statement = (
        select(Milestone.project_id, Milestone.type, func.min(Milestone.actual))
        .where(
            Milestone.actual.is_not(None),
            Milestone.dropped_at.is_(None),
            Milestone.type.in_(sorted(types)),
        )
        .group_by(Milestone.project_id, Milestone.type)
    )
    rows = among(session, statement, Milestone.project_id, within)
    return [(id_, type_, day) for id_, type_, day in rows if day is not None]


def list_first_versions(session: Session, within: Within) -> list[tuple[int, datetime]]:
    """(project id, when the first version of one of its models was added)."""
    statement = (
        select(Model.project_id, func.min(ModelVersion.created_at))
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(Model.project_id.is_not(None))
        .group_by(Model.project_id)
    )
    rows = among(session, statement, Model.project_id, within)
    return [(id_, at) for id_, at in rows if id_ is not None]


def list_first_steps(
    session: Session, steps: Collection[str], within: Within
) -> list[tuple[int, str, datetime]]:
    """(project id, step, when a version of one of its models took it for the first time)."""
    statement = (
        select(Model.project_id, ModelTransition.step, func.min(ModelTransition.created_at))
        .join(ModelTransition, ModelTransition.model_id == Model.id)
        .where(Model.project_id.is_not(None), ModelTransition.step.in_(sorted(steps)))
        .group_by(Model.project_id, ModelTransition.step)
    )
    rows = among(session, statement, Model.project_id, within)
    return [(id_, step, at) for id_, step, at in rows if id_ is not None]


def list_people(session: Session, within: Within) -> set[tuple[int, str]]:
    """(project id, person id) of whoever has a part in the models or the milestones of projects."""
    owners = select(Model.project_id, Model.owner_id).where(Model.owner_id.is_not(None)).distinct()
    makers = (
        select(Model.project_id, ModelPerson.person_id)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .join(ModelPerson, ModelPerson.version_id == ModelVersion.id)
        .distinct()
    )
    named = select(Milestone.project_id, Milestone.owner_id, Milestone.done_by).where(
        Milestone.dropped_at.is_(None)
    )
    people = {
        (id_, person)
        for statement in (owners, makers)
        for id_, person in among(session, statement, Model.project_id, within)
    }
    people |= {
        (id_, person)
        for id_, *both in among(session, named.distinct(), Milestone.project_id, within)
        for person in both
    }
    return {(id_, person) for id_, person in people if id_ is not None and person is not None}


# --- What was just proved, by the ledger


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of the ledger by which something was done."""

    seq: int
    at: datetime
    action: str
    subject_type: str
    subject_id: int


def list_entries(
    session: Session, actions: Collection[str], *, after: int, to: int
) -> list[EntryRow]:
    """The entries with these actions after entry `after` and up to entry `to`, in their order."""
    statement = (
        select(
            AuditEntry.seq,
            AuditEntry.at,
            AuditEntry.action,
            AuditEntry.subject_type,
            AuditEntry.subject_id,
        )
        .where(AuditEntry.seq > after, AuditEntry.seq <= to, AuditEntry.action.in_(sorted(actions)))
        .order_by(AuditEntry.seq)
    )
    return [
        EntryRow(seq, at, action, type_, int(id_))
        for seq, at, action, type_, id_ in session.execute(statement)
    ]


@dataclass(frozen=True, slots=True)
class AboutRow:
    """What an entry is about: a case, or a version of a model, in its project."""

    project_id: int
    key: str
    name: str
    version: str = ""


def load_cases(session: Session, ids: Collection[int]) -> dict[int, AboutRow]:
    """Case id → case, for those with a project."""
    statement = (
        select(BusinessCase.id, BusinessCase.project_id, Project.key, BusinessCase.title)
        .join(Project, Project.id == BusinessCase.project_id)
        .order_by(BusinessCase.id)
    )
    return {
        id_: AboutRow(project_id, key, title)
        for id_, project_id, key, title in in_parts(session, statement, BusinessCase.id, ids)
        if project_id is not None
    }


def load_returns(session: Session, ids: Collection[int]) -> dict[int, AboutRow]:
    """Return id → its project, for returns of more than nothing."""
    statement = select(
        CaseReturn.id, CaseReturn.project_id, CaseReturn.amount, Project.key, Project.name
    ).join(Project, Project.id == CaseReturn.project_id)
    return {
        id_: AboutRow(project_id, key, name)
        for id_, project_id, amount, key, name in in_parts(session, statement, CaseReturn.id, ids)
        if amount > 0
    }


def list_first_returns(
    session: Session, project_ids: Collection[int] | None
) -> list[tuple[int, date]]:
    """(project id, last day of the period) of each project's first attested return of more than nothing."""
    statement = select(CaseReturn.project_id, CaseReturn.ends, CaseReturn.amount).where(
        CaseReturn.withdrawn_at.is_(None), CaseReturn.attested_at.is_not(None)
    )
    first: dict[int, date] = {}
    for id_, ends, amount in among(session, statement, CaseReturn.project_id, project_ids):
        if amount > 0:
            first[id_] = min(ends, first.get(id_, ends))
    return sorted(first.items())


def load_versions(session: Session, ids: Collection[int]) -> dict[int, AboutRow]:
    """Version id → version, for those whose model has a project."""
    statement = select(
        ModelVersion.id, Model.project_id, Model.key, Model.name, ModelVersion.version
    ).join(Model, Model.id == ModelVersion.model_id)
    return {
        id_: AboutRow(project_id, key, name, version)
        for id_, project_id, key, name, version in in_parts(
            session, statement, ModelVersion.id, ids
        )
        if project_id is not None
    }


def count_models(session: Session, project_ids: Collection[int]) -> dict[int, int]:
    """Project id → how many models it has, for those with any."""
    statement = (
        select(Model.project_id, func.count(Model.id))
        .where(Model.project_id.is_not(None))
        .group_by(Model.project_id)
    )
    rows = among(session, statement, Model.project_id, project_ids)
    return {id_: number for id_, number in rows if id_ is not None}


# --- How approved cases stand


@dataclass(frozen=True, slots=True)
class AgreedRow:
    """A case with the estimate that holds, and the project's people."""

    case_id: int
    number: int
    project_id: int
    flows: dict[str, Any]
    starts: str | None
    currency: str | None
    sponsor_id: str | None
    owner_id: str | None


def list_agreed_cases(
    session: Session, statuses: Collection[str], *, after: int, most: int
) -> Sequence[AgreedRow]:
    """The next cases after id `after` whose project is in one of these states, by id."""
    statement = (
        select(BusinessCase, CaseRevision, Project)
        .join(Project, Project.id == BusinessCase.project_id)
        .join(
            CaseRevision,
            (CaseRevision.case_id == BusinessCase.id)
            & (CaseRevision.number == BusinessCase.agreed),
        )
        .where(BusinessCase.id > after, Project.status.in_(sorted(statuses)))
        .order_by(BusinessCase.id)
        .limit(most)
    )
    return [
        AgreedRow(
            case.id,
            revision.number,
            project.id,
            revision.flows,
            revision.content.get("starts"),
            revision.content.get("currency"),
            project.sponsor_id or case.sponsor_id,
            project.owner_id,
        )
        for case, revision, project in session.execute(statement)
    ]


def list_spending(
    session: Session, project_ids: Collection[int], basis: CostBasis
) -> list[tuple[int, str, date, Decimal]]:
    """(project id, currency, first day of the month, cost) of these projects, from the roll-up."""
    statement = (
        select(
            AllocationKey.project_id,
            CostMonth.currency,
            CostMonth.month,
            func.money_sum(basis_column(basis, CostMonth)),
        )
        .join(AllocationKey, AllocationKey.id == CostMonth.allocation_key_id)
        .where(counted(CostMonth))
        .group_by(AllocationKey.project_id, CostMonth.currency, CostMonth.month)
    )
    return [
        (id_, currency, month, cost)
        for part in parts(project_ids)
        for id_, currency, month, cost in session.execute(
            statement.where(AllocationKey.project_id.in_(part))
        )
        if id_ is not None
    ]


def list_launches(
    session: Session, type_: str, project_ids: Collection[int]
) -> list[tuple[int, date, date, date | None]]:
    """(project id, baseline, forecast, actual) of milestones of a type that were not dropped, by baseline."""
    statement = (
        select(Milestone.project_id, Milestone.baseline, Milestone.forecast, Milestone.actual)
        .where(Milestone.type == type_, Milestone.dropped_at.is_(None))
        .order_by(Milestone.baseline, Milestone.id)
    )
    rows = in_parts(session, statement, Milestone.project_id, project_ids)
    return [(id_, baseline, forecast, actual) for id_, baseline, forecast, actual in rows]
