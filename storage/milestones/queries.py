"""Queries of milestones, their links, moves, lists and reminders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.delivery.tables import Outbox
from storage.enums import ApprovalState, OutboxState
from storage.milestones.tables import (
    Milestone,
    MilestoneImport,
    MilestoneLink,
    MilestoneMove,
    MilestoneSnooze,
    Reminder,
    ReminderItem,
    Reminding,
)
from storage.people.lookups import in_parts, parts
from storage.projects.tables import Project


def lock(session: Session, milestone_id: int) -> Milestone | None:
    """A milestone, locked until the transaction ends."""
    return session.execute(
        select(Milestone)
        .where(Milestone.id == milestone_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find(session: Session, milestone_id: int) -> Milestone | None:
    """A milestone, not locked."""
    return session.get(Milestone, milestone_id)


def load_by_ids(session: Session, ids: Collection[int]) -> dict[int, Milestone]:
    """Milestone id → milestone."""
    return {row.id: row for (row,) in in_parts(session, select(Milestone), Milestone.id, ids)}


def find_by_request(session: Session, request_key: str) -> Milestone | None:
    """The milestone that was added by this submission; None when it is new."""
    return session.execute(
        select(Milestone).where(Milestone.request_key == request_key)
    ).scalar_one_or_none()


def list_of_projects(session: Session, project_ids: Collection[int]) -> list[Milestone]:
    """Milestones of these projects that were not dropped, by project, day and id."""
    statement = (
        select(Milestone)
        .where(Milestone.dropped_at.is_(None))
        .order_by(Milestone.project_id, Milestone.forecast, Milestone.id)
    )
    return [row for (row,) in in_parts(session, statement, Milestone.project_id, project_ids)]


def every_of_projects(
    session: Session, project_ids: Collection[int], *, lock: bool
) -> list[Milestone]:
    """Every milestone of these projects, dropped ones too, in the order of their ids.

    All writers of many lock in that order, so that two of them never wait for each other.
    """
    milestones: list[Milestone] = []
    for part in parts(project_ids):
        statement = select(Milestone).where(Milestone.project_id.in_(part)).order_by(Milestone.id)
        milestones += session.execute(statement.with_for_update() if lock else statement).scalars()
    return milestones


def list_open_of_person(session: Session, person_id: str) -> Sequence[Milestone]:
    """Open milestones that the person owns, or that are of projects they own, manage or sponsor."""
    return (
        session.execute(
            select(Milestone)
            .join(Project, Project.id == Milestone.project_id)
            .where(
                Milestone.actual.is_(None),
                Milestone.dropped_at.is_(None),
                or_(
                    Milestone.owner_id == person_id,
                    Project.owner_id == person_id,
                    Project.manager_id == person_id,
                    Project.sponsor_id == person_id,
                ),
            )
            .order_by(Milestone.forecast, Milestone.id)
        )
        .scalars()
        .all()
    )


def list_people_with_a_part(session: Session) -> set[str]:
    """Everybody whom reminders of open milestones could reach."""
    rows = session.execute(
        select(Milestone.owner_id, Project.owner_id, Project.manager_id, Project.sponsor_id)
        .join(Project, Project.id == Milestone.project_id)
        .where(
            Milestone.actual.is_(None),
            Milestone.dropped_at.is_(None),
            Milestone.reminds_from.is_not(None),
        )
        .distinct()
    ).all()
    return {one for row in rows for one in row if one}


def list_links(session: Session, ids: Collection[int]) -> set[tuple[int, int]]:
    """(milestone, needed) of every link that touches one of these."""
    pairs: set[tuple[int, int]] = set()
    for part in parts(ids):
        rows = session.execute(
            select(MilestoneLink.milestone_id, MilestoneLink.needs_id).where(
                or_(MilestoneLink.milestone_id.in_(part), MilestoneLink.needs_id.in_(part))
            )
        )
        pairs |= {(milestone, needed) for milestone, needed in rows}
    return pairs


def set_needs(session: Session, milestone_id: int, needs: Collection[int]) -> None:
    """Let a milestone need exactly these."""
    session.execute(
        delete(MilestoneLink).where(
            MilestoneLink.milestone_id == milestone_id, MilestoneLink.needs_id.not_in(sorted(needs))
        )
    )
    there = set(
        session.execute(
            select(MilestoneLink.needs_id).where(MilestoneLink.milestone_id == milestone_id)
        ).scalars()
    )
    session.add_all(
        MilestoneLink(milestone_id=milestone_id, needs_id=one) for one in sorted(set(needs) - there)
    )
    session.flush()


def lock_links(session: Session) -> None:
    """Let one transaction at a time write links: two at once could each add half of a circle, seeing none."""
    # SQLite has one writer at a time anyway. The key is "mile" in ASCII: any number nobody else locks by.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(0x6D696C65)))


def load_projects(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Project id → project."""
    return {row.id: row for (row,) in in_parts(session, select(Project), Project.id, ids)}


def load_projects_by_keys(session: Session, keys: Collection[str]) -> dict[str, Project]:
    """Folded key → project."""
    return {row.key: row for (row,) in in_parts(session, select(Project), Project.key, keys)}


def list_project_keys(session: Session) -> list[str]:
    """The key of every project."""
    return list(session.execute(select(Project.key).order_by(Project.key)).scalars())


def list_moves(session: Session, milestone_id: int, most: int) -> Sequence[MilestoneMove]:
    """How the forecast changed, newest first."""
    return (
        session.execute(
            select(MilestoneMove)
            .where(MilestoneMove.milestone_id == milestone_id)
            .order_by(MilestoneMove.id.desc())
            .limit(most)
        )
        .scalars()
        .all()
    )


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """A waiting request to move a milestone to another day; `id` is the approval's."""

    id: int
    facts: dict[str, Any]
    requester_id: str


def find_move_requests(session: Session, ids: Collection[int]) -> dict[int, MoveRequest]:
    """Milestone id → the waiting request for another day."""
    requests: dict[int, MoveRequest] = {}
    for part in parts(ids):
        rows = session.execute(
            select(Approval.subject_id, Approval.id, Approval.facts, Approval.requester_id)
            .where(
                Approval.subject_type == "milestone",
                Approval.subject_id.in_(part),
                Approval.state == ApprovalState.PENDING,
            )
            .order_by(Approval.id)
        )
        requests |= {
            milestone_id: MoveRequest(id_, facts, requester_id)
            for milestone_id, id_, facts, requester_id in rows
        }
    return requests


def find_reason_id(session: Session, approval_id: int) -> int | None:
    """The text in which a request gave its reason."""
    return session.execute(
        select(Approval.reason_id).where(Approval.id == approval_id)
    ).scalar_one_or_none()


def list_showing_subjects(
    session: Session, milestone_ids: Collection[int]
) -> list[tuple[str, str]]:
    """(subject type, subject id) of the messages in Slack that may change and show one of these milestones."""
    subjects: set[tuple[str, str]] = set()
    for part in parts(milestone_ids):
        subjects |= {("milestone", str(one)) for one in part}
        reminders = session.execute(
            select(ReminderItem.reminder_id)
            .where(ReminderItem.milestone_id.in_(part), ReminderItem.reminder_id.is_not(None))
            .distinct()
        ).scalars()
        subjects |= {("reminder", str(one)) for one in reminders}
        lists = session.execute(
            select(Milestone.import_id)
            .where(Milestone.id.in_(part), Milestone.import_id.is_not(None))
            .distinct()
        ).scalars()
        subjects |= {("milestone_import", str(one)) for one in lists}
    return sorted(subjects)


def find_import(session: Session, import_id: int) -> MilestoneImport | None:
    """A list of overdue milestones, not locked."""
    return session.get(MilestoneImport, import_id)


def lock_import(session: Session, import_id: int) -> MilestoneImport | None:
    """A list of overdue milestones, locked until the transaction ends."""
    return session.execute(
        select(MilestoneImport).where(MilestoneImport.id == import_id).with_for_update()
    ).scalar_one_or_none()


def find_same_import(session: Session, person_id: str, sha256: str) -> MilestoneImport | None:
    """The list that a person got of this file."""
    return session.execute(
        select(MilestoneImport).where(
            MilestoneImport.person_id == person_id, MilestoneImport.sha256 == sha256
        )
    ).scalar_one_or_none()


def list_import_ids(session: Session, import_id: int) -> list[int]:
    """The milestones on a list, by day."""
    return list(
        session.execute(
            select(Milestone.id)
            .where(Milestone.import_id == import_id)
            .order_by(Milestone.forecast, Milestone.id)
        ).scalars()
    )


# --- How many milestones are late, project by project, in one statement

_LATE = (
    select(Milestone.project_id, func.count().label("n"))
    .where(
        Milestone.actual.is_(None),
        Milestone.dropped_at.is_(None),
        Milestone.forecast < bindparam("today"),
    )
    .group_by(Milestone.project_id)
)
_OF_PROJECTS = _LATE.where(Milestone.project_id.in_(bindparam("ids", expanding=True)))


def count_by_project(
    session: Session, project_ids: Collection[int] | None, today: date
) -> dict[int, int]:
    """How many open milestones of each of these projects, or of all, were due before today; those with none are left out."""
    if project_ids is None:
        rows = session.execute(_LATE, {"today": today})
    else:
        rows = session.execute(_OF_PROJECTS, {"today": today, "ids": sorted(project_ids)})
    return {project: number for project, number in rows}


# --- The statements behind reminders
#
# whose morning it is, what fell due, and what became of the messages.

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _insert(session: Session, table: Any) -> Any:
    return _INSERT[session.get_bind().dialect.name](table)


def add_person(session: Session, person_id: str) -> None:
    """Insert the row that a person's reminder timer locks, unless it is there."""
    session.execute(_insert(session, Reminding).on_conflict_do_nothing(), {"person_id": person_id})


def try_lock(session: Session, person_id: str) -> str:
    """Lock a person's reminder row without waiting: `taken`, `held` by another transaction, or `gone`."""
    wanted = select(Reminding.person_id).where(Reminding.person_id == person_id)
    # Skipped and not waited for: whoever holds the row sends this morning's message. A plain read tells held from gone.
    locked = session.execute(wanted.with_for_update(skip_locked=True)).first()
    if locked is not None:
        return "taken"
    return "gone" if session.execute(wanted).first() is None else "held"


def load_morning(session: Session, person_id: str) -> Reminding:
    """A person's reminder row, which this transaction has locked."""
    return session.execute(
        select(Reminding)
        .where(Reminding.person_id == person_id)
        .execution_options(populate_existing=True)
    ).scalar_one()


def list_items(
    session: Session, person_id: str, milestone_ids: Collection[int]
) -> list[ReminderItem]:
    """The reminders of these milestones that fell due for a person before."""
    written: list[ReminderItem] = []
    for part in parts(milestone_ids):
        written += session.execute(
            select(ReminderItem)
            .where(ReminderItem.person_id == person_id, ReminderItem.milestone_id.in_(part))
            .order_by(ReminderItem.milestone_id, ReminderItem.due, ReminderItem.step)
        ).scalars()
    return written


def list_lost(session: Session, person_id: str, now: datetime) -> set[int]:
    """Ids of this person's reminders whose message was not sent in their working time, and won't be any more."""
    return set(
        session.execute(
            select(Reminder.id)
            .join(Outbox, Outbox.id == Reminder.outbox_id)
            .where(
                Reminder.person_id == person_id,
                or_(
                    Outbox.state == OutboxState.CANCELLED,
                    and_(Outbox.state == OutboxState.PENDING, Outbox.expires_at <= now),
                ),
            )
        ).scalars()
    )


def add_reminder(session: Session, person_id: str, day: date, now: datetime) -> Reminder:
    """Insert the reminder message of a person's day."""
    reminder = Reminder(person_id=person_id, day=day, outbox_id=None, created_at=now)
    session.add(reminder)
    session.flush()
    return reminder


def add_item(session: Session, values: dict[str, Any]) -> None:
    """Insert a reminder that fell due, unless it is there already."""
    session.execute(_insert(session, ReminderItem).on_conflict_do_nothing(), values)


def find_reminder(session: Session, reminder_id: int) -> Reminder | None:
    """A message, not locked."""
    return session.get(Reminder, reminder_id)


def list_items_of(session: Session, reminder_id: int) -> list[ReminderItem]:
    """The items of a reminder message."""
    return list(
        session.execute(
            select(ReminderItem)
            .where(ReminderItem.reminder_id == reminder_id)
            .order_by(ReminderItem.milestone_id, ReminderItem.step)
        ).scalars()
    )


def find_latest(session: Session, person_id: str, milestone_ids: Collection[int]) -> dict[int, int]:
    """Milestone id → id of the latest reminder message to this person about it."""
    latest_by_milestone: dict[int, int] = {}
    for part in parts(milestone_ids):
        rows = session.execute(
            select(ReminderItem.milestone_id, func.max(ReminderItem.reminder_id))
            .where(
                ReminderItem.person_id == person_id,
                ReminderItem.milestone_id.in_(part),
                ReminderItem.reminder_id.is_not(None),
            )
            .group_by(ReminderItem.milestone_id)
        )
        latest_by_milestone |= {milestone: latest for milestone, latest in rows if latest}
    return latest_by_milestone


def find_snoozes(
    session: Session, person_id: str, milestone_ids: Collection[int]
) -> dict[int, date]:
    """Milestone id → the day from which this person is reminded of it again."""
    until_by_milestone: dict[int, date] = {}
    for part in parts(milestone_ids):
        rows = session.execute(
            select(MilestoneSnooze.milestone_id, MilestoneSnooze.until).where(
                MilestoneSnooze.person_id == person_id, MilestoneSnooze.milestone_id.in_(part)
            )
        )
        until_by_milestone |= {milestone: until for milestone, until in rows}
    return until_by_milestone


def snooze(session: Session, milestone_id: int, person_id: str, until: date, now: datetime) -> None:
    """Let this person not be reminded of this milestone before `until`."""
    insert = _insert(session, MilestoneSnooze).values(
        milestone_id=milestone_id, person_id=person_id, until=until, created_at=now
    )
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["milestone_id", "person_id"],
            set_={"until": insert.excluded.until, "created_at": insert.excluded.created_at},
        )
    )


def lock_not_started(session: Session, import_id: int) -> Sequence[Milestone]:
    """The open milestones of a list that nobody is reminded of yet, locked in the order of their ids."""
    return (
        session.execute(
            select(Milestone)
            .where(
                Milestone.import_id == import_id,
                Milestone.reminds_from.is_(None),
                Milestone.actual.is_(None),
                Milestone.dropped_at.is_(None),
            )
            .order_by(Milestone.id)
            .with_for_update()
        )
        .scalars()
        .all()
    )
