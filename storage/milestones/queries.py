"""The only statements over milestones, their links, moves and lists."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.delivery.tables import Message
from storage.enums import ApprovalState
from storage.milestones.tables import (
    Milestone,
    MilestoneImport,
    MilestoneLink,
    MilestoneMove,
    ReminderItem,
)
from storage.people.lookups import parts
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


def by_ids(session: Session, ids: Collection[int]) -> dict[int, Milestone]:
    """Milestone id → milestone."""
    found: dict[int, Milestone] = {}
    for part in parts(ids):
        rows = session.execute(select(Milestone).where(Milestone.id.in_(part)))
        found |= {row.id: row for row in rows.scalars()}
    return found


def find_by_request(session: Session, request_key: str) -> Milestone | None:
    """The milestone that a window added."""
    return session.execute(
        select(Milestone).where(Milestone.request_key == request_key)
    ).scalar_one_or_none()


def of_projects(session: Session, project_ids: Collection[int]) -> list[Milestone]:
    """Milestones of these projects that were not dropped, by project, day and id."""
    found: list[Milestone] = []
    for part in parts(project_ids):
        found += session.execute(
            select(Milestone)
            .where(Milestone.project_id.in_(part), Milestone.dropped_at.is_(None))
            .order_by(Milestone.project_id, Milestone.forecast, Milestone.id)
        ).scalars()
    return found


def every_of_projects(
    session: Session, project_ids: Collection[int], *, lock: bool
) -> list[Milestone]:
    """Every milestone of these projects, dropped ones too, in the order of their ids."""
    found: list[Milestone] = []
    for part in parts(project_ids):
        statement = select(Milestone).where(Milestone.project_id.in_(part)).order_by(Milestone.id)
        found += session.execute(statement.with_for_update() if lock else statement).scalars()
    return found


def _open() -> Any:
    return select(Milestone).where(Milestone.actual.is_(None), Milestone.dropped_at.is_(None))


def open_of_person(session: Session, person_id: str) -> Sequence[Milestone]:
    """Open milestones that the person owns, or that are of projects they own, manage or sponsor."""
    found: Sequence[Milestone] = (
        session.execute(
            _open()
            .join(Project, Project.id == Milestone.project_id)
            .where(
                or_(
                    Milestone.owner_id == person_id,
                    Project.owner_id == person_id,
                    Project.manager_id == person_id,
                    Project.sponsor_id == person_id,
                )
            )
            .order_by(Milestone.forecast, Milestone.id)
        )
        .scalars()
        .all()
    )
    return found


def people_with_a_part(session: Session) -> set[str]:
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


def links(session: Session, ids: Collection[int]) -> set[tuple[int, int]]:
    """(milestone, needed) of every link that touches one of these."""
    found: set[tuple[int, int]] = set()
    for part in parts(ids):
        rows = session.execute(
            select(MilestoneLink.milestone_id, MilestoneLink.needs_id).where(
                or_(MilestoneLink.milestone_id.in_(part), MilestoneLink.needs_id.in_(part))
            )
        )
        found |= {(one, needed) for one, needed in rows}
    return found


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
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(0x6D696C65)))


def projects(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Project id → project."""
    found: dict[int, Project] = {}
    for part in parts(ids):
        rows = session.execute(select(Project).where(Project.id.in_(part))).scalars()
        found |= {row.id: row for row in rows}
    return found


def projects_by_keys(session: Session, keys: Collection[str]) -> dict[str, Project]:
    """Folded key → project."""
    found: dict[str, Project] = {}
    for part in parts(keys):
        rows = session.execute(select(Project).where(Project.key.in_(part))).scalars()
        found |= {row.key: row for row in rows}
    return found


def project_keys(session: Session) -> list[str]:
    """The key of every project."""
    return list(session.execute(select(Project.key).order_by(Project.key)).scalars())


def moves(session: Session, milestone_id: int, most: int) -> Sequence[MilestoneMove]:
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


def asked(session: Session, ids: Collection[int]) -> dict[int, Any]:
    """Milestone id → the waiting request for another day: its id, facts and requester's id."""
    found: dict[int, Any] = {}
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
        found |= {row.subject_id: row for row in rows}
    return found


def reason_of(session: Session, approval_id: int) -> int | None:
    """The text in which a request gave its reason."""
    return session.execute(
        select(Approval.reason_id).where(Approval.id == approval_id)
    ).scalar_one_or_none()


def moved_between(
    session: Session, project_ids: Collection[int], first: date, last: date
) -> list[MilestoneMove]:
    """How forecasts of these projects changed on days `first` to `last` (UTC), oldest first."""
    found: list[MilestoneMove] = []
    for part in parts(project_ids):
        found += (
            row
            for row in session.execute(
                select(MilestoneMove)
                .join(Milestone, Milestone.id == MilestoneMove.milestone_id)
                .where(Milestone.project_id.in_(part))
                .order_by(MilestoneMove.id)
            ).scalars()
            if first <= row.created_at.date() <= last
        )
    return found


def shown_in(session: Session, milestone_ids: Collection[int]) -> list[tuple[str, str]]:
    """(subject type, subject id) of the messages in Slack that may change and show one of these milestones."""
    found: set[tuple[str, str]] = set()
    for part in parts(milestone_ids):
        found |= {("milestone", str(one)) for one in part}
        reminders = session.execute(
            select(ReminderItem.reminder_id)
            .where(ReminderItem.milestone_id.in_(part), ReminderItem.reminder_id.is_not(None))
            .distinct()
        ).scalars()
        found |= {("reminder", str(one)) for one in reminders}
        lists = session.execute(
            select(Milestone.import_id)
            .where(Milestone.id.in_(part), Milestone.import_id.is_not(None))
            .distinct()
        ).scalars()
        found |= {("milestone_import", str(one)) for one in lists}
    return sorted(found)


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


def ids_of_import(session: Session, import_id: int) -> list[int]:
    """The milestones on a list, by day."""
    return list(
        session.execute(
            select(Milestone.id)
            .where(Milestone.import_id == import_id)
            .order_by(Milestone.forecast, Milestone.id)
        ).scalars()
    )


def has_live_card(session: Session, milestone_id: int, channel: str) -> bool:
    """Whether a card of this milestone stands in a conversation."""
    return (
        session.execute(
            select(Message.id).where(
                Message.subject_type == "milestone",
                Message.subject_id == str(milestone_id),
                Message.channel == channel,
                Message.live.is_(True),
            )
        ).first()
        is not None
    )
