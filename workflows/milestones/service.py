"""How milestones stand, read as others see them, and who may change them. `changes` holds what people do with them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.milestones import queries, reminding
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows import permissions, visibility
from workflows.actors import Actor, ActorKind
from workflows.errors import NotAllowed, RefusalFact
from workflows.milestones import reads
from workflows.milestones.records import Detail, MilestoneRecord
from workflows.policy import Policy

TYPE = "milestone"
SOON = 14
"""Days ahead that count as due soon, where the policy's first reminder does not come earlier."""

Clicked = tuple[str, str] | None


# --- reading


def list_for_projects(
    session: Session, project_ids: Collection[int], *, policy: Policy, now: datetime
) -> dict[int, list[MilestoneRecord]]:
    """Project id → its milestones by day, met ones too; projects without one are left out."""
    rows = queries.list_of_projects(session, project_ids)
    by_project: dict[int, list[MilestoneRecord]] = {}
    for record in reads.load_records(session, rows, policy=policy, now=now):
        by_project.setdefault(record.project_id, []).append(record)
    return by_project


def list_due(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> tuple[MilestoneRecord, ...]:
    """What is overdue or due soon and this person's own: as owner, or of a project of theirs where nobody owns it."""
    ahead = max(policy.milestones.days_before[:1] or (SOON,))
    today = reads.today_of(policy, now)
    return tuple(
        record
        for record in list_open(session, actor, policy=policy, now=now)
        if (record.owner is None or record.owner.id == actor.id)
        and record.days_left(today) <= ahead
    )


def list_open(
    session: Session, actor: Actor, *, policy: Policy, now: datetime
) -> list[MilestoneRecord]:
    """Open milestones that the person owns, or of projects they own, manage or sponsor, the earliest first."""
    rows = queries.list_open_of_person(session, actor.id)
    return reads.load_records(session, rows, policy=policy, now=now)


def load_detail(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> Detail:
    """A milestone with its history, before somebody who may read it. Raises NotFound."""
    permissions.require_member(actor, "milestone.read", subject=(TYPE, milestone_id))
    row = queries.find(session, milestone_id)
    if row is None or not sees(session, actor, row, policy=policy, clicked=clicked):
        raise reads.no_milestone()
    return reads.load_detail(session, milestone_id, policy=policy, now=now)

    # --- who may


def sees(
    session: Session, actor: Actor, row: Milestone, *, policy: Policy, clicked: Clicked = None
) -> bool:
    """Whether somebody may read a milestone: its project is in their sight, they answer for it or administer, or they
    have a message that shows it before them (`clicked`)."""
    project = queries.load_projects(session, [row.project_id])[row.project_id]
    return (
        actor.id in reads.answering_ids(row.owner_id, project)
        or visibility.sees_project(session, actor, row.project_id, policy=policy)
        or is_administrator(session, actor, policy)
        or _is_before_them(session, actor, row, clicked)
    )


def _is_before_them(session: Session, actor: Actor, row: Milestone, clicked: Clicked) -> bool:
    subject = visibility.find_shown(session, actor, clicked)
    match subject:
        case (type_, id_) if type_ == TYPE:
            return id_ == str(row.id)
        case ("reminder", id_):
            items = reminding.list_items_of(session, int(id_))
            return any(item.milestone_id == row.id for item in items)
        case ("milestone_import", id_):
            return row.import_id == int(id_)
        case ("approval", id_):
            return approvals.find_subject(session, int(id_)) == (TYPE, row.id)
        case _:
            return False


def require_may_change(
    session: Session, actor: Actor, milestone_id: int, *, policy: Policy, clicked: Clicked = None
) -> None:
    """Refuse who may not change it, before they write anything. Raises GovernanceError."""
    row = queries.find(session, milestone_id)
    if row is None:
        raise reads.no_milestone()
    require_answering(session, actor, row, policy=policy, clicked=clicked)


def require_answering(
    session: Session, actor: Actor, row: Milestone, *, policy: Policy, clicked: Clicked = None
) -> None:
    """Refuse whoever neither owns the milestone nor answers for its project, administrators apart.

    Raises NotFound for who may not even read it, as for one that is not there.
    """
    permissions.require_member(actor, "milestone.change", subject=(TYPE, row.id))
    project = queries.load_projects(session, [row.project_id])[row.project_id]
    ids = reads.answering_ids(row.owner_id, project)
    if actor.id in ids or is_administrator(session, actor, policy):
        return
    fact = RefusalFact("milestone.change", TYPE, str(row.id), why="not_answering")
    if not sees(session, actor, row, policy=policy, clicked=clicked):
        raise reads.no_milestone(fact)
    people = lookups.find_people(session, ids)
    names = [people[one].name for one in ids if one in people and people[one].slack_id]
    who = " or ".join(names) or "an administrator"
    raise NotAllowed(
        f"Only those who answer for this milestone can change it. Ask {who}.", audit=fact
    )


def is_administrator(session: Session, actor: Actor, policy: Policy) -> bool:
    """Whether the actor holds the policy's role `admin`, or is mlgov itself or its operator."""
    return actor.kind is not ActorKind.PERSON or "admin" in visibility.list_roles(
        session, actor.id, policy=policy
    )


def may_add_for_others(session: Session, actor: Actor, project: Project, *, policy: Policy) -> bool:
    """Whether the person owns, manages or sponsors the project, or administers."""
    return actor.id in {
        project.owner_id,
        project.manager_id,
        project.sponsor_id,
    } or is_administrator(session, actor, policy)
