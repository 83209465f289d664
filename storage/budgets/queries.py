"""Queries of budgets, their revisions and their alerts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import bindparam, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget, BudgetAlert, BudgetRevision
from storage.people import queries as people
from storage.people.lookups import in_parts, parts
from storage.people.tables import Channel, Person
from storage.projects.tables import Project

# --- What a look at many budgets needs of them, as plain rows
#
# no object is made of what nobody changes.


class BudgetRow(NamedTuple):
    """A budget; `period` and `basis` are values of their enums."""

    id: int
    project_id: int
    period: str
    starts: date
    ends: date | None
    currency: str
    basis: str


class RevisionRow(NamedTuple):
    """What a budget has from `valid_from` on, or through `valid_until`."""

    budget_id: int
    revision: int
    amount: Decimal
    valid_from: date
    valid_until: date | None
    approval_id: int | None


_BUDGETS = select(
    Budget.id,
    Budget.project_id,
    Budget.period,
    Budget.starts,
    Budget.ends,
    Budget.currency,
    Budget.basis,
).order_by(Budget.project_id, Budget.id)
_REVISIONS = select(
    BudgetRevision.budget_id,
    BudgetRevision.revision,
    BudgetRevision.amount,
    BudgetRevision.valid_from,
    BudgetRevision.valid_until,
    BudgetRevision.approval_id,
).order_by(BudgetRevision.budget_id, BudgetRevision.revision)


def list_budget_rows(session: Session, projects: Collection[int] | None) -> list[BudgetRow]:
    """Budgets of these projects, or all of them (None), by project."""
    if projects is None:
        return [BudgetRow(*row) for row in session.execute(_BUDGETS)]
    return [
        BudgetRow(*row)
        for part in parts(projects)
        for row in session.execute(_BUDGETS.where(Budget.project_id.in_(part)))
    ]


def list_revision_rows(
    session: Session, budgets: Collection[int] | None
) -> dict[int, list[RevisionRow]]:
    """Budget id → its revisions, oldest first, of these budgets or of all (None)."""
    revisions: dict[int, list[RevisionRow]] = {}
    statements = (
        [_REVISIONS]
        if budgets is None
        else [_REVISIONS.where(BudgetRevision.budget_id.in_(part)) for part in parts(budgets)]
    )
    for statement in statements:
        for row in session.execute(statement):
            revisions.setdefault(row.budget_id, []).append(RevisionRow(*row))
    return revisions


# --- The only statements over budgets, their revisions and their alerts


def lock_budget(session: Session, budget_id: int) -> Budget | None:
    """The budget, locked until the transaction ends."""
    return session.execute(
        select(Budget)
        .where(Budget.id == budget_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find_budget(session: Session, budget_id: int) -> Budget | None:
    """The budget, not locked."""
    return session.get(Budget, budget_id)


_WHOLE = (
    select(Budget, Project, BudgetRevision)
    .join(Project, Project.id == Budget.project_id)
    .outerjoin(BudgetRevision, BudgetRevision.budget_id == Budget.id)
    .where(Budget.id == bindparam("budget_id"))
    .order_by(BudgetRevision.revision)
)


def find_whole(
    session: Session, budget_id: int
) -> tuple[Budget, Project, list[BudgetRevision]] | None:
    """The budget, its project, and its revisions, oldest first, in one statement; not locked."""
    rows = session.execute(_WHOLE, {"budget_id": budget_id}).all()
    if not rows:
        return None
    budget, project, _ = rows[0]
    return budget, project, [row[2] for row in rows if row[2] is not None]


def list_budgets(session: Session, projects: Collection[int] | None = None) -> Sequence[Budget]:
    """Budgets of these projects, or all of them."""
    statement = select(Budget).order_by(Budget.project_id, Budget.id)
    if projects is None:
        return session.execute(statement).scalars().all()
    budgets: list[Budget] = []
    for part in parts(projects):
        budgets += session.execute(statement.where(Budget.project_id.in_(part))).scalars().all()
    return budgets


def list_revisions(
    session: Session, budget_ids: Collection[int]
) -> dict[int, list[BudgetRevision]]:
    """Budget id → its revisions, oldest first."""
    revisions: dict[int, list[BudgetRevision]] = {id_: [] for id_ in budget_ids}
    for part in parts(budget_ids):
        rows = session.execute(
            select(BudgetRevision)
            .where(BudgetRevision.budget_id.in_(part))
            .order_by(BudgetRevision.budget_id, BudgetRevision.revision)
        ).scalars()
        for row in rows:
            revisions[row.budget_id].append(row)
    return revisions


def list_after(session: Session, after: int, most: int) -> Sequence[Budget]:
    """Budgets in the order of their ids, from the one after `after` on."""
    return (
        session.execute(select(Budget).where(Budget.id > after).order_by(Budget.id).limit(most))
        .scalars()
        .all()
    )


def list_by_id(session: Session, ids: Collection[int]) -> Sequence[Budget]:
    """These budgets, in the order of their ids."""
    return (
        session.execute(select(Budget).where(Budget.id.in_(sorted(ids))).order_by(Budget.id))
        .scalars()
        .all()
    )


Round = tuple[int, int, date, str]
"""A round, one period of a budget under one revision: budget id, revision, first day, basis."""


def list_recorded(
    session: Session, budget_ids: Collection[int], since: date
) -> dict[Round, set[int]]:
    """Round → thresholds recorded already, for rounds of these budgets that end on `since` or later."""
    thresholds: dict[Round, set[int]] = {}
    for part in parts(budget_ids):
        rows = session.execute(
            select(
                BudgetAlert.budget_id,
                BudgetAlert.revision,
                BudgetAlert.period_start,
                BudgetAlert.basis,
                BudgetAlert.threshold,
            ).where(BudgetAlert.budget_id.in_(part), BudgetAlert.period_end >= since)
        )
        for budget_id, revision, first, basis, threshold in rows:
            thresholds.setdefault((budget_id, revision, first, basis), set()).add(threshold)
    return thresholds


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ALERT: dict[str, Any] = {
    name: make(BudgetAlert)
    .on_conflict_do_nothing()
    .returning(BudgetAlert.id, BudgetAlert.budget_id, BudgetAlert.threshold)
    for name, make in _INSERT.items()
}


def insert_alerts(session: Session, rows: Sequence[dict[str, Any]]) -> dict[tuple[int, int], int]:
    """Record crossings: (budget id, threshold) → id, without those that another transaction has just recorded.

    `rows` are of one round of each budget.
    """
    if not rows:
        return {}
    inserted = session.execute(_ALERT[session.get_bind().dialect.name], list(rows))
    return {(budget_id, threshold): id_ for id_, budget_id, threshold in inserted}


def list_alerts_to_follow(
    session: Session, budget_ids: Collection[int], since: date
) -> list[tuple[int, int]]:
    """(alert, budget) of alerts of these budgets that were told and whose rounds are open, or ended since a day."""
    alerts: list[tuple[int, int]] = []
    for part in parts(budget_ids):
        rows = session.execute(
            select(BudgetAlert.id, BudgetAlert.budget_id)
            .where(
                BudgetAlert.budget_id.in_(part),
                BudgetAlert.told.is_(True),
                BudgetAlert.period_end >= since,
            )
            .order_by(BudgetAlert.id)
        )
        alerts += [(alert_id, budget_id) for alert_id, budget_id in rows]
    return alerts


def find_alert(session: Session, alert_id: int) -> BudgetAlert | None:
    """An alert, not locked."""
    return session.get(BudgetAlert, alert_id)


def lock_alert(session: Session, alert_id: int) -> BudgetAlert | None:
    """An alert, locked until the transaction ends."""
    return session.execute(
        select(BudgetAlert).where(BudgetAlert.id == alert_id).with_for_update()
    ).scalar_one_or_none()


def list_told_alerts(session: Session, budget_id: int) -> Sequence[int]:
    """Ids of the budget's alerts that were posted, so that their cards follow."""
    return (
        session.execute(
            select(BudgetAlert.id)
            .where(BudgetAlert.budget_id == budget_id, BudgetAlert.told.is_(True))
            .order_by(BudgetAlert.id)
        )
        .scalars()
        .all()
    )


def load_project(session: Session, project_id: int) -> Project:
    """The project of a budget."""
    return session.execute(select(Project).where(Project.id == project_id)).scalar_one()


def load_projects(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Project id → project."""
    return {row.id: row for (row,) in in_parts(session, select(Project), Project.id, ids)}


def projects_by_keys(session: Session, keys: Collection[str]) -> dict[str, Project]:
    """Folded key → project."""
    by_key: dict[str, Project] = {}
    for part in parts(keys):
        rows = session.execute(select(Project).where(Project.key.in_(part))).scalars()
        by_key |= {row.key: row for row in rows}
    return by_key


def find_person(session: Session, person_id: str | None) -> Person | None:
    """Someone by opaque id."""
    return session.get(Person, person_id) if person_id else None


def find_people(
    session: Session, org_key: str, *, slack_id: str, email: str | None
) -> Sequence[Person]:
    """People whose Slack id, or else folded e-mail address, a file gave."""
    if not email:
        person = people.find_by_slack_id(session, org_key, slack_id)
        return [] if person is None else [person]
    return (
        session.execute(select(Person).where(Person.org_key == org_key, Person.email == email))
        .scalars()
        .all()
    )


@dataclass(frozen=True, slots=True)
class IncreaseRequest:
    """A request for more of a budget, and who asked; `id` is the approval's."""

    id: int
    state: str
    facts: dict[str, Any]
    created_at: datetime
    requester: str
    requester_slack_id: str | None


def list_requests(
    session: Session, budget_id: int, *, pending_only: bool = False, most: int = 10
) -> list[IncreaseRequest]:
    """The newest requests for more of this budget, with who asked, newest first."""
    statement = (
        select(
            Approval.id,
            Approval.state,
            Approval.facts,
            Approval.created_at,
            Person.name,
            Person.slack_id,
        )
        .join(Person, Person.id == Approval.requester_id)
        .where(Approval.subject_type == "budget", Approval.subject_id == budget_id)
        .order_by(Approval.id.desc())
        .limit(most)
    )
    if pending_only:
        statement = statement.where(Approval.state == "pending")
    return [IncreaseRequest(*row) for row in session.execute(statement)]


def list_open_channels(session: Session, org_key: str, slack_ids: Collection[str]) -> set[str]:
    """Those of these channels that others than the organisation's members read, as far as the mirror knows."""
    channels: set[str] = set()
    for part in parts(slack_ids):
        channels |= set(
            session.execute(
                select(Channel.slack_id).where(
                    Channel.org_key == org_key,
                    Channel.slack_id.in_(part),
                    or_(Channel.is_shared_outside.is_(True), Channel.has_guests.is_(True)),
                )
            ).scalars()
        )
    return channels
