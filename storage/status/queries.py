"""Queries of introductions, App Home's pages, withheld notices, and whose Home shows what has changed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval, ApprovalStage
from storage.audit.tables import AuditEntry, AuditHead
from storage.budgets.tables import Budget, BudgetAlert
from storage.maturity.tables import MaturityInvitation
from storage.milestones.tables import Milestone
from storage.people.lookups import BY_SLACK_ID
from storage.people.tables import Person
from storage.projects.tables import Project
from storage.status.tables import HomeTab, LedgerReader, Meeting, Withheld


class WithheldRow(NamedTuple):
    """A message that was held back, and from whom."""

    kind: str
    withheld_at: datetime
    rollout: str
    name: str
    slack_id: str | None


class OpenHome(NamedTuple):
    """Somebody who has opened App Home."""

    id: str
    slack_id: str
    org_key: str


class AskedStage(NamedTuple):
    """A stage of a request that was asked already, who made the request, and the project's people."""

    requester_id: str
    name: str
    approvers: list[dict[str, Any]]
    quorum: int
    ask: str
    owner_id: str | None
    sponsor_id: str | None
    manager_id: str | None


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_MEET: dict[str, Any] = {
    name: make(Meeting).on_conflict_do_nothing().returning(Meeting.person_id)
    for name, make in _INSERT.items()
}
_MEETING = select(Meeting.met_at, Meeting.way).where(Meeting.person_id == bindparam("person"))
_UNMET = (
    select(Person.id)
    .outerjoin(Meeting, Meeting.person_id == Person.id)
    .where(
        Person.id.in_(BY_SLACK_ID),
        Person.is_bot.is_(False),
        Person.is_guest.is_(False),
        Person.is_stranger.is_(False),
        Person.is_deactivated.is_(False),
        Meeting.person_id.is_(None),
    )
)


def insert_meeting(session: Session, person_id: str, way: str, now: datetime) -> bool:
    """Insert that somebody was introduced to mlgov; False when they had been before."""
    inserted = session.execute(
        _MEET[session.get_bind().dialect.name], {"person_id": person_id, "met_at": now, "way": way}
    )
    return inserted.scalar_one_or_none() is not None


def find_meeting(session: Session, person_id: str) -> tuple[datetime, str] | None:
    """(when, how) somebody was met; None for who was not yet."""
    return session.execute(_MEETING, {"person": person_id}).first()


def find_unmet(session: Session, org_key: str, slack_id: str) -> str | None:
    """The opaque id of the full, active member with that Slack id; None for others and once they were introduced."""
    return session.execute(_UNMET, {"org": org_key, "slack": slack_id}).scalar_one_or_none()


_PAGES = select(HomeTab.pages).where(HomeTab.person_id == bindparam("person"))


def find_pages(session: Session, person_id: str) -> dict[str, Any]:
    """The pages of App Home that somebody is on; empty for the first ones."""
    return session.execute(_PAGES, {"person": person_id}).scalar_one_or_none() or {}


def set_pages(session: Session, person_id: str, pages: dict[str, Any]) -> None:
    """Set the pages of App Home that somebody is on."""
    statement = _INSERT[session.get_bind().dialect.name](HomeTab)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id"], set_={"pages": statement.excluded.pages}
        ),
        {"person_id": person_id, "pages": pages},
    )


# --- what was held back

_WITHHOLD: dict[str, Any] = {
    name: make(Withheld).on_conflict_do_nothing(index_elements=["dedupe_key"])
    for name, make in _INSERT.items()
}
_WAS_WITHHELD = select(Withheld.id).where(Withheld.dedupe_key == bindparam("key"))
_WITHHELD = (
    select(Withheld.kind, Withheld.withheld_at, Withheld.rollout, Person.name, Person.slack_id)
    .join(Person, Person.id == Withheld.person_id)
    .where(Withheld.withheld_at > bindparam("since"))
    .order_by(Withheld.withheld_at.desc(), Withheld.id.desc())
    .limit(bindparam("most"))
    .offset(bindparam("skip"))
)
_KINDS = (
    select(Withheld.kind, func.count(), func.count(Withheld.person_id.distinct()))
    .where(Withheld.withheld_at > bindparam("since"))
    .group_by(Withheld.kind)
    .order_by(func.count().desc(), Withheld.kind)
)
_REACHED = select(func.count(Withheld.person_id.distinct())).where(
    Withheld.withheld_at > bindparam("since")
)


def insert_withheld(session: Session, values: dict[str, Any]) -> None:
    """Insert a withheld notice; each fact once."""
    session.execute(_WITHHOLD[session.get_bind().dialect.name], values)


def was_withheld(session: Session, dedupe_key: str) -> bool:
    """Whether the notice of this fact was withheld before."""
    return session.execute(_WAS_WITHHELD, {"key": dedupe_key}).first() is not None


def list_withheld(
    session: Session, *, since: datetime, most: int, skip: int = 0
) -> list[WithheldRow]:
    """What was held back since then, newest first."""
    rows = session.execute(_WITHHELD, {"since": since, "most": most, "skip": skip})
    return [WithheldRow._make(row) for row in rows]


def count_withheld(
    session: Session, *, since: datetime
) -> tuple[Sequence[tuple[str, int, int]], int]:
    """How much was held back since then, as (kind, messages, people), and from how many people in all."""
    rows = session.execute(_KINDS, {"since": since}).all()
    return rows, session.execute(_REACHED, {"since": since}).scalar_one()


# --- following the ledger

_READ_TO = select(LedgerReader.seq).where(LedgerReader.name == bindparam("name"))
# Whoever holds the row reads on for everybody; the others have nothing to wait for.
_LOCK_READER = _READ_TO.with_for_update(skip_locked=True)
_HEAD = select(AuditHead.seq).where(AuditHead.id == 1)
_MOVE = (
    update(LedgerReader)
    .where(LedgerReader.name == bindparam("reader"))
    .values(seq=bindparam("to"))
    .execution_options(synchronize_session=False)
)
_ENTRIES = (
    select(AuditEntry.subject_type, AuditEntry.subject_id)
    .where(AuditEntry.seq > bindparam("after"), AuditEntry.seq <= bindparam("to"))
    .distinct()
)


def find_position(session: Session, name: str) -> int | None:
    """The entry up to which a reader has read; None for a reader who has not begun."""
    return session.execute(_READ_TO, {"name": name}).scalar_one_or_none()


def begin_reading(session: Session, name: str, seq: int) -> None:
    """Insert a reader of the ledger that has read up to entry `seq`."""
    insert = _INSERT[session.get_bind().dialect.name](LedgerReader)
    session.execute(insert.on_conflict_do_nothing(), {"name": name, "seq": seq})


def lock_reader(session: Session, name: str) -> int | None:
    """The same as `find_position`, locked; None also when another process reads at this moment."""
    return session.execute(_LOCK_READER, {"name": name}).scalar_one_or_none()


def move_reader(session: Session, name: str, seq: int) -> None:
    """Set the entry up to which the reader has read."""
    session.execute(_MOVE, {"reader": name, "to": seq})


def find_ledger_head(session: Session) -> int:
    """The number of the newest entry."""
    return session.execute(_HEAD).scalar_one()


def list_subjects(session: Session, *, after: int, to: int) -> Sequence[tuple[str, str]]:
    """(subject_type, subject_id) of what changed between two entries, each once."""
    return session.execute(_ENTRIES, {"after": after, "to": to}).all()


_OPEN_HOMES = (
    select(Person.id, Person.slack_id, Person.org_key)
    .where(Person.home_opened_at > bindparam("since"), Person.slack_id.is_not(None))
    .order_by(Person.home_opened_at.desc(), Person.id)
)
_PROJECT_PEOPLE = (Project.owner_id, Project.sponsor_id, Project.manager_id)
_OF_APPROVALS = (
    select(
        Approval.requester_id,
        ApprovalStage.name,
        ApprovalStage.approvers,
        ApprovalStage.quorum,
        ApprovalStage.ask,
        *_PROJECT_PEOPLE,
    )
    .join(ApprovalStage, ApprovalStage.approval_id == Approval.id)
    .join(Project, Project.id == Approval.project_id)
    .where(
        Approval.id.in_(bindparam("ids", expanding=True)), ApprovalStage.position <= Approval.stage
    )
)
_OF_BUDGETS = (
    select(Budget.owner_id, *_PROJECT_PEOPLE)
    .join(Project, Project.id == Budget.project_id)
    .where(
        or_(
            Budget.id.in_(bindparam("ids", expanding=True)),
            Budget.id.in_(
                select(BudgetAlert.budget_id).where(
                    BudgetAlert.id.in_(bindparam("alerts", expanding=True))
                )
            ),
        )
    )
)
_OF_PROJECTS = select(*_PROJECT_PEOPLE).where(Project.id.in_(bindparam("ids", expanding=True)))


def list_open_homes(session: Session, *, since: datetime) -> list[OpenHome]:
    """Who has opened App Home since then (real time), the latest first."""
    return [OpenHome._make(row) for row in session.execute(_OPEN_HOMES, {"since": since})]


def list_asked_stages(session: Session, ids: Collection[int]) -> list[AskedStage]:
    """The stages of these requests that were asked so far."""
    return [AskedStage(*row) for row in session.execute(_OF_APPROVALS, {"ids": sorted(ids)})]


def _people_in(
    session: Session, statement: Select[*tuple[Any, ...]], **bound: list[int]
) -> set[str]:
    return {id_ for row in session.execute(statement, bound) for id_ in row if id_}


def list_people_of_budgets(session: Session, ids: Collection[int]) -> set[str]:
    """Who owns these budgets, and their projects' people."""
    return _people_in(session, _OF_BUDGETS, ids=sorted(ids), alerts=[])


def list_people_of_alerts(session: Session, ids: Collection[int]) -> set[str]:
    """Who owns the budgets of these alerts, and their projects' people."""
    return _people_in(session, _OF_BUDGETS, ids=[], alerts=sorted(ids))


def list_people_of_projects(session: Session, ids: Collection[int]) -> set[str]:
    """Owner, sponsor and manager of these projects."""
    return _people_in(session, _OF_PROJECTS, ids=sorted(ids))


_OF_MILESTONES = (
    select(Milestone.owner_id, *_PROJECT_PEOPLE)
    .join(Project, Project.id == Milestone.project_id)
    .where(Milestone.id.in_(bindparam("ids", expanding=True)))
)


def list_people_of_milestones(session: Session, ids: Collection[int]) -> set[str]:
    """Who owns these milestones, and their projects' people."""
    return _people_in(session, _OF_MILESTONES, ids=sorted(ids))


_OF_INVITATIONS = select(MaturityInvitation.person_id).where(
    MaturityInvitation.id.in_(bindparam("ids", expanding=True))
)


def list_people_of_invitations(session: Session, ids: Collection[int]) -> list[str]:
    """Whose check-ins these are."""
    return list(session.execute(_OF_INVITATIONS, {"ids": sorted(ids)}).scalars())
