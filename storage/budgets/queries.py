"""The only statements over budgets, their revisions and their alerts."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget, BudgetAlert, BudgetRevision
from storage.people import queries as people
from storage.people.tables import Channel, Person
from storage.projects.tables import Project


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


def list_budgets(
    session: Session, projects: Collection[int] | None = None
) -> Sequence[Budget]:
    """Budgets of these projects, or all of them."""
    statement = select(Budget).order_by(Budget.project_id, Budget.id)
    if projects is None:
        return session.execute(statement).scalars().all()
    wanted = sorted(projects)
    found: list[Budget] = []
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        found += (
            session.execute(statement.where(Budget.project_id.in_(part)))
            .scalars()
            .all()
        )
    return found


def list_revisions(
    session: Session, budget_ids: Collection[int]
) -> dict[int, list[BudgetRevision]]:
    """Budget id → its revisions, oldest first."""
    found: dict[int, list[BudgetRevision]] = {id_: [] for id_ in budget_ids}
    wanted = sorted(budget_ids)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        rows = session.execute(
            select(BudgetRevision)
            .where(BudgetRevision.budget_id.in_(part))
            .order_by(BudgetRevision.budget_id, BudgetRevision.revision)
        ).scalars()
        for row in rows:
            found[row.budget_id].append(row)
    return found


def find_same(
    session: Session, project: int, period: str, starts: date, currency: str, basis: str
) -> Budget | None:
    """The budget that a row of a file means."""
    return session.execute(
        select(Budget).where(
            Budget.project_id == project,
            Budget.period == period,
            Budget.starts == starts,
            Budget.currency == currency,
            Budget.basis == basis,
        )
    ).scalar_one_or_none()


def recorded(
    session: Session, budget_id: int, revision: int, period_start: date, basis: str
) -> set[int]:
    """Thresholds that were recorded already for this budget, revision, round and basis."""
    return set(
        session.execute(
            select(BudgetAlert.threshold).where(
                BudgetAlert.budget_id == budget_id,
                BudgetAlert.revision == revision,
                BudgetAlert.period_start == period_start,
                BudgetAlert.basis == basis,
            )
        ).scalars()
    )


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ALERT: dict[str, Any] = {
    name: make(BudgetAlert).on_conflict_do_nothing().returning(BudgetAlert.id)
    for name, make in _INSERT.items()
}


def insert_alert(session: Session, values: dict[str, Any]) -> int | None:
    """Record a crossing; its id, or None when another transaction has just recorded the same one."""
    return session.execute(
        _ALERT[session.get_bind().dialect.name], values
    ).scalar_one_or_none()


def alerts_to_follow(
    session: Session, budget_ids: Collection[int], since: date
) -> list[int]:
    """Ids of alerts of these budgets that were told and whose rounds are open, or ended since a day."""
    found: list[int] = []
    wanted = sorted(budget_ids)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        found += session.execute(
            select(BudgetAlert.id)
            .where(
                BudgetAlert.budget_id.in_(part),
                BudgetAlert.told.is_(True),
                BudgetAlert.period_end >= since,
            )
            .order_by(BudgetAlert.id)
        ).scalars()
    return found


def find_alert(session: Session, alert_id: int) -> BudgetAlert | None:
    """An alert, not locked."""
    return session.get(BudgetAlert, alert_id)


def lock_alert(session: Session, alert_id: int) -> BudgetAlert | None:
    """An alert, locked until the transaction ends."""
    return session.execute(
        select(BudgetAlert).where(BudgetAlert.id == alert_id).with_for_update()
    ).scalar_one_or_none()


def told_alerts(session: Session, budget_id: int) -> Sequence[int]:
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


def project(session: Session, project_id: int) -> Project:
    """The project of a budget."""
    return session.execute(select(Project).where(Project.id == project_id)).scalar_one()


def projects_by_id(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Project id → project."""
    found: dict[int, Project] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), 500):
        rows = session.execute(
            select(Project).where(Project.id.in_(wanted[start : start + 500]))
        ).scalars()
        found |= {row.id: row for row in rows}
    return found


def find_project(session: Session, key: str) -> Project | None:
    """A project by its folded key."""
    return session.execute(
        select(Project).where(Project.key == key)
    ).scalar_one_or_none()


def person(session: Session, person_id: str | None) -> Person | None:
    """Someone by opaque id."""
    return session.get(Person, person_id) if person_id else None


def find_people(
    session: Session, org_key: str, *, slack_id: str, email: str | None
) -> Sequence[Person]:
    """People whose Slack id, or else folded e-mail address, a file gave."""
    if not email:
        found = people.find_by_slack_id(session, org_key, slack_id)
        return [] if found is None else [found]
    return (
        session.execute(
            select(Person).where(Person.org_key == org_key, Person.email == email)
        )
        .scalars()
        .all()
    )


def requests(
    session: Session, budget_id: int, *, pending_only: bool = False, most: int = 10
) -> Sequence[Any]:
    """The newest requests for more of this budget, with who asked, newest first."""
    statement = (
        select(
            Approval.id,
            Approval.state,
            Approval.facts,
            Approval.created_at,
            Person.name.label("requester"),
            Person.slack_id.label("requester_slack_id"),
        )
        .join(Person, Person.id == Approval.requester_id)
        .where(Approval.subject_type == "budget", Approval.subject_id == budget_id)
        .order_by(Approval.id.desc())
        .limit(most)
    )
    if pending_only:
        statement = statement.where(Approval.state == "pending")
    return session.execute(statement).all()


def is_open_channel(session: Session, org_key: str, slack_id: str) -> bool:
    """Whether others than the organisation's members read a channel, as far as the mirror knows."""
    return (
        session.execute(
            select(Channel.id).where(
                Channel.org_key == org_key,
                Channel.slack_id == slack_id,
                or_(Channel.is_shared_outside.is_(True), Channel.has_guests.is_(True)),
            )
        ).first()
        is not None
    )
