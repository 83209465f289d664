"""Reading and writing projects and their accounts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, cast, delete, insert, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.budgets.tables import Budget, BudgetAlert
from storage.delivery.tables import Message
from storage.milestones.tables import Milestone, ReminderItem
from storage.people.lookups import parts
from storage.people.tables import Person
from storage.projects.tables import Project, ProjectAccount, ProjectMove

_OF_PERSON = (
    select(Project)
    .where(
        or_(
            Project.owner_id == bindparam("person"),
            Project.sponsor_id == bindparam("person"),
            Project.manager_id == bindparam("person"),
        )
    )
    .order_by(Project.name, Project.id)
)
_BY_KEY = select(Project).where(Project.key == bindparam("key"))


def list_of_person(session: Session, person_id: str) -> Sequence[Project]:
    """Projects that the person owns, sponsors or manages, by name."""
    return session.execute(_OF_PERSON, {"person": person_id}).scalars().all()


def add_move(session: Session, project: Project, source: str | None, at: datetime) -> None:
    """Insert that a project came from a state (None: it is new) into the one in which it is now. Flushes, for
    the project's id."""
    session.flush()
    session.add(ProjectMove(project_id=project.id, source=source, target=project.status, at=at))


def find_last_move(session: Session, project_id: int) -> ProjectMove | None:
    """How a project came into its present state."""
    return session.execute(
        select(ProjectMove)
        .where(ProjectMove.project_id == project_id)
        .order_by(ProjectMove.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def lock(session: Session, project_id: int) -> Project | None:
    """A project, locked until the transaction ends."""
    return session.execute(
        select(Project)
        .where(Project.id == project_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find_by_key(session: Session, key: str) -> Project | None:
    """A project by its key (folded)."""
    return session.execute(_BY_KEY, {"key": key}).scalar_one_or_none()


def list_names(session: Session) -> list[tuple[str, str]]:
    """(key, name) of every project."""
    return [
        (key, name)
        for key, name in session.execute(select(Project.key, Project.name).order_by(Project.key))
    ]


def list_names_of(session: Session, ids: Collection[int]) -> list[tuple[str, str]]:
    """(key, name) of these projects."""
    if not ids:
        return []
    statement = select(Project.key, Project.name).where(Project.id.in_(sorted(ids)))
    return [(key, name) for key, name in session.execute(statement)]


def list_ids(session: Session, ids: Collection[int] | None = None) -> Sequence[tuple[int, str]]:
    """(id, name) of projects by ids, or of all of them."""
    statement = select(Project.id, Project.name)
    if ids is not None:
        statement = statement.where(Project.id.in_(sorted(set(ids))))
    return [(id_, name) for id_, name in session.execute(statement)]


def list_projects(session: Session, ids: Collection[int] | None = None) -> Sequence[Project]:
    """Projects by ids, or all of them, by name."""
    statement = select(Project).order_by(Project.name, Project.id)
    if ids is not None:
        statement = statement.where(Project.id.in_(sorted(set(ids))))
    return session.execute(statement).scalars().all()


def list_by_keys(session: Session, keys: Collection[str], *, lock: bool) -> list[Project]:
    """Projects by keys, in the order of their ids."""
    by_key: list[Project] = []
    for part in parts(keys):
        statement = select(Project).where(Project.key.in_(part)).order_by(Project.id)
        by_key += session.execute(statement.with_for_update() if lock else statement).scalars()
    return by_key


def list_accounts(
    session: Session, project_ids: Collection[int] | None = None
) -> list[tuple[int, str]]:
    """(project_id, account) of these projects, or of all."""
    statement = select(ProjectAccount.project_id, ProjectAccount.account).order_by(
        ProjectAccount.account
    )
    if project_ids is not None:
        statement = statement.where(ProjectAccount.project_id.in_(sorted(set(project_ids))))
    return [(project, account) for project, account in session.execute(statement)]


def delete_accounts(session: Session, accounts: Collection[str]) -> None:
    """These accounts belong to no project any more."""
    if accounts:
        session.execute(delete(ProjectAccount).where(ProjectAccount.account.in_(sorted(accounts))))


def insert_accounts(session: Session, owners: Mapping[str, int]) -> None:
    """Each account belongs to its project from now on."""
    if owners:
        rows: list[dict[str, Any]] = [
            {"account": account, "project_id": project}
            for account, project in sorted(owners.items())
        ]
        session.execute(insert(ProjectAccount), rows)


def list_with_named_channel(session: Session) -> Sequence[Project]:
    """Projects for which a file gave the name of a channel that nobody knew."""
    return (
        session.execute(
            select(Project).where(Project.channel_name.is_not(None)).order_by(Project.id)
        )
        .scalars()
        .all()
    )


def list_channels(session: Session) -> set[str]:
    """The Slack ids of all projects' channels."""
    named = session.execute(select(Project.channel).distinct()).scalars()
    return {channel for channel in named if channel is not None}


# --- Which projects are a person's own, or of people below them

_below = select(Person.id).where(Person.id == bindparam("person")).cte("below", recursive=True)
# UNION and not UNION ALL: people who manage each other, by mistake in an import, end the recursion.
_below = _below.union(select(Person.id).join(_below, Person.manager_id == _below.c.id))
_ids = select(_below.c.id)
_OF_PEOPLE_BELOW = (
    select(Project.id)
    .where(
        or_(Project.owner_id.in_(_ids), Project.sponsor_id.in_(_ids), Project.manager_id.in_(_ids))
    )
    .order_by(Project.id)
)


def list_of_person_and_reports(session: Session, person_id: str) -> list[int]:
    """Ids of the projects that the person, or somebody who reports to them at any remove, owns, sponsors or manages."""
    return list(session.execute(_OF_PEOPLE_BELOW, {"person": person_id}).scalars())


# --- Which records with cards in Slack are about a project


def list_subjects(session: Session, project_ids: Collection[int]) -> list[tuple[str, str]]:
    """(subject type, subject id) of the requests, alerts and milestones of these projects that stand in Slack and may change."""
    wanted = sorted(set(project_ids))
    requests = (
        select(Message.subject_type, Message.subject_id)
        .join(Approval, cast(Approval.id, String) == Message.subject_id)
        .where(
            Message.subject_type == "approval",
            Message.live.is_(True),
            Approval.project_id.in_(wanted),
        )
    )
    alerts = (
        select(Message.subject_type, Message.subject_id)
        .join(BudgetAlert, cast(BudgetAlert.id, String) == Message.subject_id)
        .join(Budget, Budget.id == BudgetAlert.budget_id)
        .where(
            Message.subject_type == "budget_alert",
            Message.live.is_(True),
            Budget.project_id.in_(wanted),
        )
    )
    cards = (
        select(Message.subject_type, Message.subject_id)
        .join(Milestone, cast(Milestone.id, String) == Message.subject_id)
        .where(
            Message.subject_type == "milestone",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    reminders = (
        select(Message.subject_type, Message.subject_id)
        .join(ReminderItem, cast(ReminderItem.reminder_id, String) == Message.subject_id)
        .join(Milestone, Milestone.id == ReminderItem.milestone_id)
        .where(
            Message.subject_type == "reminder",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    lists = (
        select(Message.subject_type, Message.subject_id)
        .join(Milestone, cast(Milestone.import_id, String) == Message.subject_id)
        .where(
            Message.subject_type == "milestone_import",
            Message.live.is_(True),
            Milestone.project_id.in_(wanted),
        )
    )
    rows = session.execute(requests.union(alerts, cards, reminders, lists)).all()
    return sorted((type_, id_) for type_, id_ in rows)
