"""Queries behind a digest's figures: a fixed few statements, whatever the number of projects. Money stays exact.

`within` are the ids of the projects that the reader may see; None means all of them.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, TypeVarTuple

from sqlalchemy import Date, Row, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.budgets.costs import basis_column, counted
from storage.budgets.tables import AllocationKey, Budget, BudgetAlert, BudgetRevision, CostEntry
from storage.enums import ApprovalState, CostBasis, Period
from storage.milestones.tables import Milestone, MilestoneMove
from storage.projects.tables import Project

Within = Collection[int] | None
Ts = TypeVarTuple("Ts")

PART = 5000
"""Ids in one statement. Each is a bind parameter: SQLite takes 32,766, PostgreSQL 65,535."""


def _rows(
    session: Session,
    statement: Select[*Ts],
    column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
    within: Within,
) -> Iterator[Row[*Ts]]:
    if within is None:
        yield from session.execute(statement)
        return
    wanted = sorted(within)
    for start in range(0, len(wanted), PART):
        yield from session.execute(statement.where(column.in_(wanted[start : start + PART])))


def count_projects(session: Session, within: Within) -> int:
    """The number of projects that the reader may see."""
    if within is not None:
        return len(within)
    return int(session.execute(select(func.count(Project.id))).scalar_one())


class OpenBudget(NamedTuple):
    """A budget whose round, from `first` to `last`, is open."""

    budget_id: int
    project_id: int
    project: str
    period: str
    currency: str
    basis: str
    first: date
    last: date
    amount: Decimal


def list_open_budgets(
    session: Session,
    within: Within,
    *,
    today: date,
    spans: dict[Period, tuple[date, date]],
    middles: dict[Period, date],
) -> list[OpenBudget]:
    """Every budget whose round is open today, with its amount.

    `spans` tells the round in which today lies, of each recurring period, and `middles` the first day of its middle
    month, by which a revision for a single round counts (`workflows.budgets.rules.counts`).
    """
    day = literal(today, Date)
    fixed_last = func.coalesce(Budget.ends, Budget.starts)
    first = case(
        *((Budget.period == p.value, literal(s[0], Date)) for p, s in spans.items()),
        else_=Budget.starts,
    )
    last = case(
        *((Budget.period == p.value, literal(s[1], Date)) for p, s in spans.items()),
        else_=fixed_last,
    )
    middle = case(
        *((Budget.period == p.value, literal(day_, Date)) for p, day_ in middles.items()),
        else_=Budget.starts,
    )
    counting = aliased(BudgetRevision)
    newest = (
        select(func.max(counting.revision))
        .where(
            counting.budget_id == Budget.id,
            or_(
                and_(counting.valid_until.is_(None), counting.valid_from <= last),
                and_(
                    counting.valid_until.is_not(None),
                    or_(
                        counting.valid_from == first,
                        and_(counting.valid_from <= middle, counting.valid_until >= middle),
                    ),
                ),
            ),
        )
        .correlate(Budget)
        .scalar_subquery()
    )
    statement = (
        select(
            Budget.id,
            Budget.project_id,
            Project.name,
            Budget.period,
            Budget.currency,
            Budget.basis,
            first,
            last,
            BudgetRevision.amount,
        )
        .join(Project, Project.id == Budget.project_id)
        .join(
            BudgetRevision,
            and_(BudgetRevision.budget_id == Budget.id, BudgetRevision.revision == newest),
        )
        .where(
            or_(
                and_(
                    Budget.period != Period.FIXED.value,
                    last >= Budget.starts,
                    or_(Budget.ends.is_(None), last <= Budget.ends),
                ),
                and_(Budget.period == Period.FIXED.value, Budget.starts <= day, fixed_last >= day),
            )
        )
        .order_by(Budget.id)
    )
    return [OpenBudget._make(row) for row in _rows(session, statement, Budget.project_id, within)]


class WeekCost(NamedTuple):
    """What a project cost in some days, and in as many before; None for no cost at all."""

    project_id: int | None
    project: str
    currency: str
    cost: Decimal | None
    before: Decimal | None


def cost_of_two_weeks(
    session: Session, within: Within, basis: CostBasis, *, first: date, last: date, before: date
) -> list[WeekCost]:
    """Cost from `first` to `last`, and from `before` to the day before `first`."""
    column = basis_column(basis)
    statement = (
        select(
            AllocationKey.project_id,
            Project.name,
            CostEntry.currency,
            func.money_sum(case((CostEntry.charge_date >= first, column), else_=None)),
            func.money_sum(case((CostEntry.charge_date < first, column), else_=None)),
        )
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .join(Project, Project.id == AllocationKey.project_id)
        .where(CostEntry.charge_date >= before, CostEntry.charge_date <= last, counted(CostEntry))
        .group_by(AllocationKey.project_id, Project.name, CostEntry.currency)
    )
    rows = _rows(session, statement, AllocationKey.project_id, within)
    return [WeekCost._make(row) for row in rows]


def list_crossings(session: Session, within: Within, since: datetime, until: datetime) -> set[int]:
    """Ids of budgets that were found spent to the full in that time."""
    statement = (
        select(BudgetAlert.budget_id)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(
            BudgetAlert.threshold >= 100,
            BudgetAlert.created_at >= since,
            BudgetAlert.created_at < until,
        )
        .distinct()
    )
    return {budget_id for (budget_id,) in _rows(session, statement, Budget.project_id, within)}


class EndedRequest(NamedTuple):
    """A request that ended, and when."""

    approval_id: int
    state: str
    created_at: datetime
    decided_at: datetime | None


def list_ended_requests(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[EndedRequest]:
    """Requests that ended in that time."""
    statement = (
        select(Approval.id, Approval.state, Approval.created_at, Approval.decided_at)
        .where(
            Approval.state != ApprovalState.PENDING.value,
            Approval.decided_at >= since,
            Approval.decided_at < until,
        )
        .order_by(Approval.id)
    )
    rows = _rows(session, statement, Approval.project_id, within)
    return [EndedRequest._make(row) for row in rows]


class Verdict(NamedTuple):
    """A verdict of somebody on a request, in which of its stages, and when."""

    approval_id: int
    position: int
    stage: str
    person_id: str
    at: datetime


def list_verdicts(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[Verdict]:
    """Verdicts on the requests that were approved or rejected in that time."""
    statement = (
        select(
            Decision.approval_id,
            Decision.position,
            ApprovalStage.name,
            Decision.person_id,
            Decision.decided_at,
        )
        .join(Approval, Approval.id == Decision.approval_id)
        .join(
            ApprovalStage,
            and_(
                ApprovalStage.approval_id == Decision.approval_id,
                ApprovalStage.position == Decision.position,
            ),
        )
        .where(
            Approval.state.in_([ApprovalState.APPROVED.value, ApprovalState.REJECTED.value]),
            Approval.decided_at >= since,
            Approval.decided_at < until,
            Decision.taken_back_at.is_(None),
        )
        .order_by(Decision.approval_id, Decision.position, Decision.id)
    )
    return [Verdict._make(row) for row in _rows(session, statement, Approval.project_id, within)]


def count_pending(session: Session, within: Within, now: datetime) -> int:
    """Requests about projects in sight that wait for somebody."""
    statement = select(Approval.project_id, func.count(Approval.id)).where(
        Approval.state == ApprovalState.PENDING.value, Approval.expires_at > now
    )
    rows = _rows(session, statement.group_by(Approval.project_id), Approval.project_id, within)
    return sum(number for _, number in rows)


class MilestoneRow(NamedTuple):
    """A milestone, and where it belongs."""

    milestone_id: int
    title: str
    type: str
    project: str
    forecast: date


_MILESTONE = (Milestone.id, Milestone.title, Milestone.type, Project.name, Milestone.forecast)


def list_milestones_met(
    session: Session, within: Within, first: date, last: date
) -> list[tuple[MilestoneRow, date, date]]:
    """Milestones that were met on these days: each with the day, and the day that was promised first."""
    statement = (
        select(*_MILESTONE, Milestone.actual, Milestone.baseline)
        .join(Project, Project.id == Milestone.project_id)
        .where(Milestone.actual >= first, Milestone.actual <= last, Milestone.dropped_at.is_(None))
        .order_by(Milestone.actual, Milestone.id)
    )
    return [
        (MilestoneRow._make(row), actual, baseline)
        for *row, actual, baseline in _rows(session, statement, Milestone.project_id, within)
        if actual is not None
    ]


def list_milestones_moved(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[tuple[MilestoneRow, date, date]]:
    """Each move, in order, of milestones still open: with the old day and the new."""
    statement = (
        select(*_MILESTONE, MilestoneMove.old, MilestoneMove.new)
        .join(Milestone, Milestone.id == MilestoneMove.milestone_id)
        .join(Project, Project.id == Milestone.project_id)
        .where(
            MilestoneMove.created_at >= since,
            MilestoneMove.created_at < until,
            Milestone.actual.is_(None),
            Milestone.dropped_at.is_(None),
        )
        .order_by(MilestoneMove.id)
    )
    return [
        (MilestoneRow._make(row), old, new)
        for *row, old, new in _rows(session, statement, Milestone.project_id, within)
    ]


def list_milestones_open(
    session: Session, within: Within, first: date, last: date
) -> list[MilestoneRow]:
    """Open milestones whose forecast lies on these days."""
    statement = (
        select(*_MILESTONE)
        .join(Project, Project.id == Milestone.project_id)
        .where(
            Milestone.forecast >= first,
            Milestone.forecast <= last,
            Milestone.actual.is_(None),
            Milestone.dropped_at.is_(None),
        )
        .order_by(Milestone.forecast, Milestone.id)
    )
    rows = _rows(session, statement, Milestone.project_id, within)
    return [MilestoneRow._make(row) for row in rows]


def count_overdue(session: Session, within: Within, today: date) -> int:
    """Open milestones whose forecast has passed."""
    statement = (
        select(Milestone.project_id, func.count(Milestone.id))
        .where(
            Milestone.forecast < today, Milestone.actual.is_(None), Milestone.dropped_at.is_(None)
        )
        .group_by(Milestone.project_id)
    )
    rows = _rows(session, statement, Milestone.project_id, within)
    return sum(number for _, number in rows)
