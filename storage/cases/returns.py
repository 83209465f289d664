"""Reading and writing what came of projects, and when somebody was asked about it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.cases.tables import BusinessCase, CaseReturn, CaseRevision, ReturnAsking
from storage.delivery.tables import Outbox
from storage.enums import AskingKind, OutboxState, ProjectStatus
from storage.people.lookups import among, in_parts
from storage.people.tables import Person
from storage.projects.tables import Project

USED = (ProjectStatus.APPROVED.value, ProjectStatus.IN_PROGRESS.value, ProjectStatus.LIVE.value)
"""States in which a project that was in use once still is."""


# --- Projects


def try_lock_project(session: Session, project_id: int) -> str:
    """Lock a project without waiting: `taken`, `held` by another transaction, or `gone`."""
    wanted = select(Project.id).where(Project.id == project_id)
    locked = session.execute(wanted.with_for_update(skip_locked=True)).first()
    if locked is not None:
        return "taken"
    return "gone" if session.execute(wanted).first() is None else "held"


def list_live_without_day(session: Session, *, most: int) -> Sequence[Project]:
    """At most so many projects that are live by their state, and of which nobody noted since when, locked."""
    return (
        session.execute(
            select(Project)
            .where(Project.status == ProjectStatus.LIVE.value, Project.live_on.is_(None))
            .order_by(Project.id)
            .limit(most)
            .with_for_update()
        )
        .scalars()
        .all()
    )


_above = select(Person.manager_id).where(Person.id == bindparam("person")).cte(recursive=True)
# UNION and not UNION ALL: people who manage each other, by mistake in an import, end the recursion.
_above = _above.union(select(Person.manager_id).join(_above, Person.id == _above.c.manager_id))
_SUPERIORS = select(_above.c.manager_id).where(_above.c.manager_id.is_not(None))


def list_superiors(session: Session, person_id: str) -> set[str]:
    """Everybody to whom this person reports, at any remove."""
    return set(session.execute(_SUPERIORS, {"person": person_id}).scalars())


# --- Estimates


@dataclass(frozen=True, slots=True)
class PlanRow:
    """An estimate of a project that was agreed. `flows` and `content` are as `CaseRevision` has them."""

    project_id: int
    case_id: int
    content: dict[str, Any]
    flows: dict[str, Any]
    made_by: str | None

    @property
    def currency(self) -> str:
        """Of all its amounts."""
        return str(self.content["currency"])

    @property
    def starts(self) -> date:
        """The first day of its first month."""
        return date.fromisoformat(self.content["starts"])


_HOLDS = and_(CaseRevision.case_id == BusinessCase.id, CaseRevision.number == BusinessCase.agreed)
_PLANS = select(
    BusinessCase.project_id,
    BusinessCase.id,
    CaseRevision.content,
    CaseRevision.flows,
    CaseRevision.made_by,
)


def find_plans(session: Session, project_ids: Collection[int]) -> dict[int, PlanRow]:
    """Project id → the estimate that holds, for those that have one."""
    return _load_plans(session, _PLANS.join(CaseRevision, _HOLDS), project_ids)


def find_first_plans(session: Session, project_ids: Collection[int]) -> dict[int, PlanRow]:
    """Project id → the first estimate that was agreed, which nobody had results for."""
    first = (
        select(CaseRevision.case_id, func.min(CaseRevision.number).label("number"))
        .where(CaseRevision.agreed_at.is_not(None))
        .group_by(CaseRevision.case_id)
        .subquery()
    )
    statement = _PLANS.join(first, first.c.case_id == BusinessCase.id).join(
        CaseRevision,
        and_(CaseRevision.case_id == first.c.case_id, CaseRevision.number == first.c.number),
    )
    return _load_plans(session, statement, project_ids)


def _load_plans(
    session: Session, statement: Select[*tuple[Any, ...]], project_ids: Collection[int]
) -> dict[int, PlanRow]:
    rows: Iterable[Sequence[Any]] = in_parts(
        session, statement, BusinessCase.project_id, project_ids
    )
    return {project_id: PlanRow(project_id, *estimate) for project_id, *estimate in rows}


def list_writers(session: Session, project_ids: Collection[int]) -> dict[int, set[str]]:
    """Project id → who began its business case, was to own it, or made the estimate that holds; without a case nobody."""
    statement = (
        select(
            BusinessCase.project_id,
            BusinessCase.created_by,
            BusinessCase.owner_id,
            CaseRevision.made_by,
        )
        .outerjoin(CaseRevision, _HOLDS)
        .where(BusinessCase.project_id.is_not(None))
    )
    return {
        project_id: {person for person in people if person}
        for project_id, *people in in_parts(
            session, statement, BusinessCase.project_id, project_ids
        )
        if project_id is not None
    }


# --- Returns


def find_return(session: Session, return_id: int) -> CaseReturn | None:
    """A return, not locked."""
    return session.get(CaseReturn, return_id)


def find_by_request(session: Session, request_key: str) -> CaseReturn | None:
    """The return that this submission reported."""
    return session.execute(
        select(CaseReturn).where(CaseReturn.request_key == request_key)
    ).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """What came of a project in a period. `note` is empty without one, and where its author was erased."""

    id: int
    project_id: int
    starts: date
    ends: date
    amount: Decimal
    currency: str
    source: str
    note: str
    replaces_id: int | None
    reported_by: str | None
    reported_at: datetime
    attested_by: str | None
    attested_at: datetime | None
    withdrawn_at: datetime | None


_RETURNS: Select[*tuple[Any, ...]] = select(
    CaseReturn.id,
    CaseReturn.project_id,
    CaseReturn.starts,
    CaseReturn.ends,
    CaseReturn.amount,
    CaseReturn.currency,
    CaseReturn.source,
    func.coalesce(PrivateText.text, ""),
    CaseReturn.replaces_id,
    CaseReturn.reported_by,
    CaseReturn.reported_at,
    CaseReturn.attested_by,
    CaseReturn.attested_at,
    CaseReturn.withdrawn_at,
).outerjoin(PrivateText, PrivateText.id == CaseReturn.note_id)


def list_standing(session: Session, project_ids: Collection[int]) -> list[ReturnRow]:
    """The returns of these projects that count, the earliest period first."""
    statement = _RETURNS.where(CaseReturn.withdrawn_at.is_(None))
    rows: Iterable[Sequence[Any]] = in_parts(session, statement, CaseReturn.project_id, project_ids)
    return sorted(
        (ReturnRow(*row) for row in rows), key=lambda row: (row.project_id, row.starts, row.id)
    )


def list_of_project(session: Session, project_id: int) -> list[ReturnRow]:
    """Every return of a project, those that count no more as well, as they were reported."""
    statement = _RETURNS.where(CaseReturn.project_id == project_id).order_by(CaseReturn.id)
    return [ReturnRow(*row) for row in session.execute(statement)]


def list_unattested(session: Session) -> dict[int, list[str | None]]:
    """Project id → who reported each of its returns that counts and that nobody has attested."""
    rows = session.execute(
        select(CaseReturn.project_id, CaseReturn.reported_by)
        .where(CaseReturn.withdrawn_at.is_(None), CaseReturn.attested_at.is_(None))
        .order_by(CaseReturn.id)
    )
    reporters: dict[int, list[str | None]] = {}
    for project_id, reported_by in rows:
        reporters.setdefault(project_id, []).append(reported_by)
    return reporters


@dataclass(frozen=True, slots=True)
class AttestedRow:
    """A return that somebody attested, and that counts."""

    project_id: int
    starts: date
    ends: date
    amount: Decimal
    currency: str


def list_attested(session: Session) -> list[AttestedRow]:
    """Every return of any project that counts and that somebody attested."""
    rows = session.execute(
        select(
            CaseReturn.project_id,
            CaseReturn.starts,
            CaseReturn.ends,
            CaseReturn.amount,
            CaseReturn.currency,
        ).where(CaseReturn.withdrawn_at.is_(None), CaseReturn.attested_at.is_not(None))
    )
    return [AttestedRow(*row) for row in rows]


def list_with_returns(session: Session, project_ids: Collection[int] | None) -> list[Project]:
    """Projects that are or were in use, or of which something was reported, of these or of all, by id."""
    is_measured = Project.id.in_(
        select(CaseReturn.project_id).where(CaseReturn.withdrawn_at.is_(None))
    )
    statement = select(Project).where(or_(Project.live_on.is_not(None), is_measured))
    rows = among(session, statement, Project.id, project_ids)
    return sorted((project for (project,) in rows), key=lambda project: project.id)


# --- When somebody was asked


def find_asking(session: Session, asking_id: int) -> ReturnAsking | None:
    """An asking, not locked."""
    return session.get(ReturnAsking, asking_id)


def list_askings(session: Session, project_id: int) -> list[ReturnAsking]:
    """Every asking about a project, the oldest first."""
    statement = select(ReturnAsking).where(ReturnAsking.project_id == project_id)
    return list(session.execute(statement.order_by(ReturnAsking.id)).scalars())


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A project in use, and how far asking about it has come. All days are None before the first of their kind."""

    project_id: int
    live_on: date
    measured_until: date | None
    """The last day of any return that counts."""
    due_on: date | None
    """When the last asking about a period was due."""
    asked_until: date | None
    """The last day that was asked about."""
    silence: date | None
    """The first day of the latest silence about which the owner was asked."""
    silence_on: date | None
    """When that was."""
    shown_since: date | None
    """The first day of the latest silence that the sponsor was shown."""
    is_lost: bool
    """Some message about it was not sent while its reader was at work."""


def list_live_ids(session: Session, *, after: int, most: int) -> Sequence[int]:
    """The ids of the next projects in use after id `after`, in their order."""
    return session.scalars(
        select(Project.id)
        .where(Project.id > after, Project.live_on.is_not(None), Project.status.in_(USED))
        .order_by(Project.id)
        .limit(most)
    ).all()


def list_live(session: Session, project_ids: Sequence[int], *, now: datetime) -> Sequence[LiveRow]:
    """Those in use of a batch of projects, by id."""

    def latest(column: Any, kind: AskingKind) -> Any:
        return func.max(column).filter(ReturnAsking.kind == kind.value)

    asked = (
        select(
            ReturnAsking.project_id,
            latest(ReturnAsking.due_on, AskingKind.PERIOD).label("due_on"),
            latest(ReturnAsking.ends, AskingKind.PERIOD).label("asked_until"),
            latest(ReturnAsking.starts, AskingKind.SILENCE).label("silence"),
            latest(ReturnAsking.due_on, AskingKind.SILENCE).label("silence_on"),
            latest(ReturnAsking.starts, AskingKind.SPONSOR).label("shown"),
            func.count().filter(_was_lost(now)).label("lost"),
        )
        .outerjoin(Outbox, Outbox.id == ReturnAsking.outbox_id)
        .where(ReturnAsking.project_id.in_(project_ids))
        .group_by(ReturnAsking.project_id)
    )
    measured = (
        select(CaseReturn.project_id, func.max(CaseReturn.ends).label("until"))
        .where(CaseReturn.withdrawn_at.is_(None), CaseReturn.project_id.in_(project_ids))
        .group_by(CaseReturn.project_id)
    )
    asks, measures = asked.subquery(), measured.subquery()
    statement = (
        select(
            Project.id,
            Project.live_on,
            measures.c.until,
            asks.c.due_on,
            asks.c.asked_until,
            asks.c.silence,
            asks.c.silence_on,
            asks.c.shown,
            func.coalesce(asks.c.lost, 0) > 0,
        )
        .outerjoin(asks, asks.c.project_id == Project.id)
        .outerjoin(measures, measures.c.project_id == Project.id)
        .where(Project.id.in_(project_ids), Project.live_on.is_not(None), Project.status.in_(USED))
        .order_by(Project.id)
    )
    return [LiveRow(*row) for row in session.execute(statement)]


def _was_lost(now: datetime) -> ColumnElement[bool]:
    """Whether a message was not sent in its reader's working time, and won't be any more."""
    return and_(
        ReturnAsking.skipped_at.is_(None),
        or_(
            Outbox.state == OutboxState.CANCELLED.value,
            and_(Outbox.state == OutboxState.PENDING.value, Outbox.expires_at <= now),
        ),
    )


def list_lost(session: Session, project_id: int, now: datetime) -> Sequence[ReturnAsking]:
    """Askings about a project whose message was not sent while its reader was at work."""
    return (
        session.execute(
            select(ReturnAsking)
            .join(Outbox, Outbox.id == ReturnAsking.outbox_id)
            .where(ReturnAsking.project_id == project_id, _was_lost(now))
            .order_by(ReturnAsking.id)
        )
        .scalars()
        .all()
    )


def end_return(session: Session, return_id: int, at: datetime) -> bool:
    """Let a return count no more; False where it did not count already."""
    rows = session.execute(
        update(CaseReturn)
        .where(CaseReturn.id == return_id, CaseReturn.withdrawn_at.is_(None))
        .values(withdrawn_at=at)
        .returning(CaseReturn.id)
        .execution_options(synchronize_session=False)
    ).all()
    return bool(rows)
