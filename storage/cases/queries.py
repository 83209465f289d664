"""Reading and writing business cases and their revisions."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.audit.tables import PrivateText
from storage.cases.tables import BusinessCase, CaseCheck, CaseRevision, ProjectOutcome, RankOverride
from storage.enums import ApprovalState, CaseState
from storage.inventory.tables import Model
from storage.people.lookups import among, in_parts
from storage.projects.tables import Project

# --- One case


def lock(session: Session, case_id: int) -> BusinessCase | None:
    """A case, locked until the transaction ends."""
    return session.execute(
        select(BusinessCase)
        .where(BusinessCase.id == case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find(session: Session, case_id: int) -> BusinessCase | None:
    """A case, not locked."""
    return session.get(BusinessCase, case_id)


def find_by_request(session: Session, request_key: str) -> BusinessCase | None:
    """The case that this submission began."""
    return session.execute(
        select(BusinessCase).where(BusinessCase.request_key == request_key)
    ).scalar_one_or_none()


def find_by_promise(session: Session, promise: str) -> BusinessCase | None:
    """The case that was proposed from this message."""
    return session.execute(
        select(BusinessCase).where(BusinessCase.promise == promise)
    ).scalar_one_or_none()


def find_of_project(session: Session, project_id: int) -> BusinessCase | None:
    """The case of a project."""
    return session.execute(
        select(BusinessCase).where(BusinessCase.project_id == project_id)
    ).scalar_one_or_none()


def list_of_projects(session: Session, project_ids: Collection[int]) -> dict[int, BusinessCase]:
    """Project id → its case, for those that have one."""
    rows = in_parts(session, select(BusinessCase), BusinessCase.project_id, project_ids)
    return {case.project_id: case for (case,) in rows if case.project_id is not None}


def find_revision(session: Session, case_id: int, number: int) -> CaseRevision | None:
    """One revision of a case."""
    return session.execute(
        select(CaseRevision).where(CaseRevision.case_id == case_id, CaseRevision.number == number)
    ).scalar_one_or_none()


def list_revisions(session: Session, case_id: int) -> Sequence[CaseRevision]:
    """Every revision of a case, the first first."""
    return (
        session.execute(
            select(CaseRevision)
            .where(CaseRevision.case_id == case_id)
            .order_by(CaseRevision.number)
        )
        .scalars()
        .all()
    )


def find_last_number(session: Session, case_id: int) -> int:
    """The number of the newest revision; 0 where there is none."""
    return session.execute(
        select(func.coalesce(func.max(CaseRevision.number), 0)).where(
            CaseRevision.case_id == case_id
        )
    ).scalar_one()


def find_waiting_request(session: Session, case_id: int) -> int | None:
    """The id of the request about this case that waits for a decision."""
    return session.execute(
        select(Approval.id).where(
            Approval.subject_type == "case",
            Approval.subject_id == case_id,
            Approval.state == ApprovalState.PENDING.value,
        )
    ).scalar_one_or_none()


def find_text(session: Session, text_id: int | None) -> str | None:
    """A private text; None where there is none, or its author was erased."""
    if text_id is None:
        return None
    return session.execute(
        select(PrivateText.text).where(PrivateText.id == text_id)
    ).scalar_one_or_none()


# --- Several cases


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list."""

    id: int
    title: str
    state: str
    step: int
    revision: int
    changed_at: datetime
    project_id: int | None
    agreed: int | None


_LISTED = (
    BusinessCase.id,
    BusinessCase.title,
    BusinessCase.state,
    BusinessCase.step,
    BusinessCase.revision,
    BusinessCase.changed_at,
    BusinessCase.project_id,
    BusinessCase.agreed,
)


def list_of_person(session: Session, person_id: str) -> list[CaseRow]:
    """Cases that this person began, owns or sponsors and that were not dropped, what changed last first."""
    statement = (
        select(*_LISTED)
        .where(
            or_(
                BusinessCase.created_by == person_id,
                BusinessCase.owner_id == person_id,
                BusinessCase.sponsor_id == person_id,
            ),
            BusinessCase.state != CaseState.DROPPED.value,
        )
        .order_by(BusinessCase.changed_at.desc(), BusinessCase.id.desc())
    )
    return [CaseRow(*row) for row in session.execute(statement)]


@dataclass(frozen=True, slots=True)
class AlikeRow:
    """A project that may be about the same."""

    id: int
    key: str
    name: str
    status: str
    owner_id: str | None
    business_unit: str | None
    category: str | None
    problem: str
    """What its case says; empty without one."""


def list_alike(
    session: Session,
    business_unit: str | None,
    category: str | None,
    within: Collection[int] | None,
) -> list[AlikeRow]:
    """Projects of the same unit or category among those with the ids `within` (None: all), by id."""
    same: list[ColumnElement[bool]] = []
    if business_unit:
        same.append(func.lower(Project.business_unit) == business_unit.lower())
    if category:
        same.append(Project.category == category)
    if not same:
        return []
    statement = (
        select(
            Project.id,
            Project.key,
            Project.name,
            Project.status,
            Project.owner_id,
            Project.business_unit,
            Project.category,
            BusinessCase.content,
        )
        .outerjoin(BusinessCase, BusinessCase.project_id == Project.id)
        .where(or_(*same))
    )
    rows = among(session, statement, Project.id, within)
    return sorted(
        (
            AlikeRow(id_, key, name, status, owner, unit, kind, (content or {}).get("problem", ""))
            for id_, key, name, status, owner, unit, kind, content in rows
        ),
        key=lambda row: row.id,
    )


@dataclass(frozen=True, slots=True)
class PortfolioRow:
    """A project with the estimate that holds. `currency` and all after it are None where nothing was agreed."""

    project_id: int
    key: str
    name: str
    status: str
    owner_id: str | None
    business_unit: str | None
    category: str | None
    currency: str | None
    confidence: Decimal | None
    feasibility: Decimal | None
    tier: int | None
    likely: list[Any] | None
    """Benefits and costs by month, as runs."""
    agreed_at: datetime | None


def list_portfolio(
    session: Session, statuses: Collection[str], within: Collection[int] | None
) -> list[PortfolioRow]:
    """Projects in these states among those with the ids `within` (None: all), by id, in one statement for all."""
    statement = (
        select(
            Project.id,
            Project.key,
            Project.name,
            Project.status,
            Project.owner_id,
            Project.business_unit,
            Project.category,
            CaseRevision.currency,
            CaseRevision.confidence,
            CaseRevision.feasibility,
            CaseRevision.tier,
            CaseRevision.likely,
            CaseRevision.agreed_at,
        )
        .outerjoin(BusinessCase, BusinessCase.project_id == Project.id)
        .outerjoin(
            CaseRevision,
            and_(
                CaseRevision.case_id == BusinessCase.id, CaseRevision.number == BusinessCase.agreed
            ),
        )
        .where(Project.status.in_(sorted(statuses)))
    )
    rows = among(session, statement, Project.id, within)
    return sorted((PortfolioRow(*_cells(row)) for row in rows), key=lambda row: row.project_id)


@dataclass(frozen=True, slots=True)
class FundableRow:
    """A project that money can go to, by the estimate that holds, or by the one that waits for a decision."""

    project_id: int
    key: str
    name: str
    status: str
    currency: str
    starts: str
    """The first day of the first month, in ISO form."""
    confidence: Decimal
    feasibility: Decimal
    flows: dict[str, Any]


def list_fundable(
    session: Session, statuses: Collection[str], within: Collection[int] | None
) -> list[FundableRow]:
    """Projects in these states with the estimate that holds, or else the one that waits, among those with the ids `within`
    (None: all), by id."""
    waits = (
        select(Approval.facts["number"].as_integer())
        .where(
            Approval.subject_type == "case",
            Approval.subject_id == BusinessCase.id,
            Approval.state == ApprovalState.PENDING.value,
        )
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(
            Project.id,
            Project.key,
            Project.name,
            Project.status,
            CaseRevision.currency,
            CaseRevision.content["starts"].as_string(),
            CaseRevision.confidence,
            CaseRevision.feasibility,
            CaseRevision.flows,
        )
        .join(BusinessCase, BusinessCase.project_id == Project.id)
        .join(
            CaseRevision,
            and_(
                CaseRevision.case_id == BusinessCase.id,
                CaseRevision.number == func.coalesce(BusinessCase.agreed, waits),
            ),
        )
        .where(Project.status.in_(sorted(statuses)))
    )
    rows = among(session, statement, Project.id, within)
    return sorted((FundableRow(*_cells(row)) for row in rows), key=lambda row: row.project_id)


def _cells(row: Iterable[Any]) -> Iterator[Any]:
    # More columns than the types of a statement can tell one by one.
    return iter(row)


def find_tiers(session: Session, project_ids: Collection[int] | None) -> dict[int, int]:
    """Project id → the gravest risk tier (1 is gravest) of its models; projects without a tiered model are left out."""
    statement = (
        select(Model.project_id, func.min(Model.tier))
        .where(Model.tier.is_not(None), Model.project_id.is_not(None))
        .group_by(Model.project_id)
    )
    rows = among(session, statement, Model.project_id, project_ids)
    return {project_id: tier for project_id, tier in rows if project_id and tier}


# --- Places that somebody chose


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """A place that holds on some day, with its reason (empty where its author was erased)."""

    project_id: int
    place: int
    until: date
    reason: str
    made_by: str | None


def list_overrides(session: Session, on: date) -> list[OverrideRow]:
    """The places that hold on a day, the newest of each project last."""
    statement = (
        select(
            RankOverride.project_id,
            RankOverride.place,
            RankOverride.until,
            func.coalesce(PrivateText.text, ""),
            RankOverride.made_by,
        )
        .outerjoin(PrivateText, PrivateText.id == RankOverride.reason_id)
        .where(RankOverride.ended_at.is_(None), RankOverride.until >= on)
        .order_by(RankOverride.id)
    )
    return [OverrideRow(*row) for row in session.execute(statement)]


def end_overrides(session: Session, project_id: int, at: datetime) -> int:
    """End the places that hold for a project; how many there were."""
    rows = session.execute(
        update(RankOverride)
        .where(RankOverride.project_id == project_id, RankOverride.ended_at.is_(None))
        .values(ended_at=at)
        .returning(RankOverride.id)
    ).all()
    return len(rows)


# --- How projects ended, and cases that no longer hold


def list_outcomes(session: Session, project_id: int) -> Sequence[ProjectOutcome]:
    """What was done with a project as a whole, the latest first."""
    return session.scalars(
        select(ProjectOutcome)
        .where(ProjectOutcome.project_id == project_id)
        .order_by(ProjectOutcome.id.desc())
    ).all()


def find_check(session: Session, check_id: int) -> CaseCheck | None:
    """A question about a case, not locked."""
    return session.get(CaseCheck, check_id)


def lock_check(session: Session, check_id: int) -> CaseCheck | None:
    """A question about a case, locked until the transaction ends."""
    return session.execute(
        select(CaseCheck)
        .where(CaseCheck.id == check_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def lock_checks_of(session: Session, case_ids: Collection[int]) -> list[CaseCheck]:
    """Every question about these cases, locked in the order of their ids."""
    statement = select(CaseCheck).order_by(CaseCheck.id).with_for_update()
    return [row for (row,) in in_parts(session, statement, CaseCheck.case_id, case_ids)]
