"""The only statements over milestones, their links, moves and lists."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.enums import ApprovalState
from storage.milestones.tables import (
    Milestone,
    MilestoneImport,
    MilestoneLink,
    MilestoneMove,
    ReminderItem,
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
    """The milestone that a window added."""
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
    """Every milestone of these projects, dropped ones too, in the order of their ids."""
    found: list[Milestone] = []
    for part in parts(project_ids):
        statement = select(Milestone).where(Milestone.project_id.in_(part)).order_by(Milestone.id)
        found += session.execute(statement.with_for_update() if lock else statement).scalars()
    return found


def lock_of_projects(session: Session, project_ids: Collection[int]) -> list[Milestone]:
    """Every milestone of these projects, dropped ones too, locked in the order of their ids.

    All writers of many lock in that order, so that two of them never wait for each other.
    """
    statement = select(Milestone).order_by(Milestone.id).with_for_update()
    return [row for (row,) in in_parts(session, statement, Milestone.project_id, project_ids)]


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
    """A milestone needs exactly these from now on."""
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
    """Let one transaction at a time draw links, so that two cannot close a circle together."""
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
