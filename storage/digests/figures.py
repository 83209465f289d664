"""Queries behind a digest's figures: a fixed few statements, whatever the number of projects. Money stays exact.

`within` are the ids of the projects that the reader may see; None means all of them.
"""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVarTuple

from sqlalchemy import Date, Row, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.budgets.costs import COUNTS, basis_column, counted
from storage.budgets.tables import (
    AllocationKey,
    Budget,
    BudgetAlert,
    BudgetRevision,
    CostEntry,
    CostLoad,
    CostMonth,
)
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
) -> list[Row[*Ts]]:
    if within is None:
        return list(session.execute(statement))
    wanted = sorted(within)
    return [
        row
        for start in range(0, len(wanted), PART)
        for row in session.execute(statement.where(column.in_(wanted[start : start + PART])))
    ]


def count_projects(session: Session, within: Within) -> int:
    """The number of projects that the reader may see."""
    if within is not None:
        return len(within)
    return int(session.execute(select(func.count(Project.id))).scalar_one())


def list_open_budgets(
    session: Session,
    within: Within,
    *,
    today: date,
    spans: dict[Period, tuple[date, date]],
    middles: dict[Period, date],
) -> list[Row[int, int, str, str, str, str, date, date, Decimal]]:
    """Every budget whose round is open today, with its amount: budget_id, project_id, project, period, currency,
    basis, first, last, amount. `spans` tells the round in which today lies, of each recurring period, and `middles` the
    first day of its middle month, by which a revision for a single round counts (`workflows.budgets.rules.counts`).
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
            Budget.id.label("budget_id"),
            Budget.project_id,
            Project.name.label("project"),
            Budget.period,
            Budget.currency,
            Budget.basis,
            first.label("first"),
            last.label("last"),
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
    return _rows(session, statement, Budget.project_id, within)


def cost_by_months(
    session: Session, within: Within, first: date, last: date
) -> list[Row[int, str, Decimal, Decimal]]:
    """project_id, currency, billed, effective of whole calendar months, from the roll-up."""
    statement = (
        select(
            AllocationKey.project_id,
            CostMonth.currency,
            func.money_sum(CostMonth.billed).label("billed"),
            func.money_sum(CostMonth.effective).label("effective"),
        )
        .join(AllocationKey, AllocationKey.id == CostMonth.allocation_key_id)
        .where(
            CostMonth.month >= first.replace(day=1),
            CostMonth.month <= last,
            counted(CostMonth),
            AllocationKey.project_id.is_not(None),
        )
        .group_by(AllocationKey.project_id, CostMonth.currency)
    )
    return _rows(session, statement, AllocationKey.project_id, within)


def cost_by_days(
    session: Session, within: Within, first: date, last: date
) -> list[Row[int, str, Decimal, Decimal]]:
    """The same of any span of days, from the entries."""
    statement = (
        select(
            AllocationKey.project_id,
            CostEntry.currency,
            func.money_sum(CostEntry.billed).label("billed"),
            func.money_sum(CostEntry.effective).label("effective"),
        )
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(
            CostEntry.charge_date >= first,
            CostEntry.charge_date <= last,
            counted(CostEntry),
            AllocationKey.project_id.is_not(None),
        )
        .group_by(AllocationKey.project_id, CostEntry.currency)
    )
    return _rows(session, statement, AllocationKey.project_id, within)


def cost_of_two_weeks(
    session: Session, within: Within, basis: CostBasis, *, first: date, last: date, before: date
) -> list[Row[int, str, str, Decimal | None, Decimal | None]]:
    """project_id, project, currency, cost from `first` to `last`, and before: from `before` to the day before `first`."""
    column = basis_column(basis)
    statement = (
        select(
            AllocationKey.project_id,
            Project.name.label("project"),
            CostEntry.currency,
            func.money_sum(case((CostEntry.charge_date >= first, column), else_=None)).label(
                "cost"
            ),
            func.money_sum(case((CostEntry.charge_date < first, column), else_=None)).label(
                "before"
            ),
        )
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .join(Project, Project.id == AllocationKey.project_id)
        .where(CostEntry.charge_date >= before, CostEntry.charge_date <= last, counted(CostEntry))
        .group_by(AllocationKey.project_id, Project.name, CostEntry.currency)
    )
    return _rows(session, statement, AllocationKey.project_id, within)


def list_sources(session: Session, within: Within, today: date) -> list[Row[int | None, str]]:
    """project_id, source: which sources have told cost of which project."""
    statement = (
        select(AllocationKey.project_id, CostLoad.source)
        .join(CostMonth, CostMonth.allocation_key_id == AllocationKey.id)
        .join(CostLoad, CostLoad.id == CostMonth.load_id)
        .where(CostMonth.month <= today, AllocationKey.project_id.is_not(None), COUNTS)
        .distinct()
    )
    return _rows(session, statement, AllocationKey.project_id, within)


def list_crossings(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[Row[int, int, str, datetime]]:
    """Budgets that were found spent to the full in that time: budget_id, project_id, project, by first crossing."""
    statement = (
        select(
            BudgetAlert.budget_id,
            Budget.project_id,
            Project.name.label("project"),
            func.min(BudgetAlert.created_at).label("at"),
        )
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .join(Project, Project.id == Budget.project_id)
        .where(
            BudgetAlert.threshold >= 100,
            BudgetAlert.created_at >= since,
            BudgetAlert.created_at < until,
        )
        .group_by(BudgetAlert.budget_id, Budget.project_id, Project.name)
    )
    return _rows(session, statement, Budget.project_id, within)


def list_ended_requests(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[Row[int, int | None, str, datetime, datetime | None]]:
    """Requests that ended in that time: approval_id, project_id, state, created_at, decided_at."""
    statement = (
        select(
            Approval.id.label("approval_id"),
            Approval.project_id,
            Approval.state,
            Approval.created_at,
            Approval.decided_at,
        )
        .where(
            Approval.state != ApprovalState.PENDING.value,
            Approval.decided_at >= since,
            Approval.decided_at < until,
        )
        .order_by(Approval.id)
    )
    return _rows(session, statement, Approval.project_id, within)


def list_verdicts(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[Row[int, int, str, str, datetime]]:
    """Verdicts on the requests that were approved or rejected in that time: approval_id, position, stage, person_id, at."""
    statement = (
        select(
            Decision.approval_id,
            Decision.position,
            ApprovalStage.name.label("stage"),
            Decision.person_id,
            Decision.decided_at.label("at"),
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
    return _rows(session, statement, Approval.project_id, within)


def count_pending(session: Session, within: Within, now: datetime) -> int:
    """Requests about projects in sight that wait for somebody."""
    statement = select(Approval.project_id, func.count(Approval.id)).where(
        Approval.state == ApprovalState.PENDING.value, Approval.expires_at > now
    )
    rows = _rows(session, statement.group_by(Approval.project_id), Approval.project_id, within)
    return sum(number for _, number in rows)


_MILESTONE = (
    Milestone.id.label("milestone_id"),
    Milestone.title,
    Milestone.type,
    Project.name.label("project"),
    Milestone.forecast,
)


def list_milestones_met(
    session: Session, within: Within, first: date, last: date
) -> list[Row[int, str, str, str, date, date | None, date]]:
    """Milestones that were met on these days: milestone_id, title, type, project, forecast, actual, baseline."""
    statement = (
        select(*_MILESTONE, Milestone.actual, Milestone.baseline)
        .join(Project, Project.id == Milestone.project_id)
        .where(Milestone.actual >= first, Milestone.actual <= last, Milestone.dropped_at.is_(None))
        .order_by(Milestone.actual, Milestone.id)
    )
    return _rows(session, statement, Milestone.project_id, within)


def list_milestones_moved(
    session: Session, within: Within, since: datetime, until: datetime
) -> list[Row[int, str, str, str, date, date, date]]:
    """Each move, in order, of milestones still open: the same columns, with old and new."""
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
    return _rows(session, statement, Milestone.project_id, within)


def list_milestones_open(
    session: Session, within: Within, first: date, last: date
) -> list[Row[int, str, str, str, date]]:
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
    return _rows(session, statement, Milestone.project_id, within)


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
