"""What was overdue when it was imported: one list to one person, and nobody is reminded before they say so."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones import reminding as statements
from storage.milestones.tables import Milestone, MilestoneImport
from storage.people import lookups
from storage.people.tables import Person
from storage.projects.tables import Project
from workflows import permissions, rollout
from workflows.actors import Actor, ActorKind
from workflows.audit import service as audit
from workflows.errors import NotFound, RefusalFact
from workflows.milestones import reads, reminders
from workflows.milestones.following import Clicked, follow
from workflows.milestones.notices import OverdueFound
from workflows.milestones.records import OverdueList
from workflows.milestones.service import is_administrator
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

TYPE = "milestone_import"
NO_LIST = "There is no such list of yours here. `/mlgov milestones` lists what is yours."
"""Said of a list that is not there, and of somebody else's."""


def receiver(row: Milestone, project: Project, people: Mapping[str, Person]) -> Person | None:
    """Who gets the list that a milestone stands on: whoever manages its project, else owns or sponsors it, else owns the milestone."""
    for id_ in (project.manager_id, project.owner_id, project.sponsor_id, row.owner_id):
        person = people.get(id_ or "")
        if person is not None and reminders.can_be_told(person):
            return person
    return None


def tell(
    session: Session,
    actor: Actor,
    person: Person,
    rows: Sequence[Milestone],
    *,
    file: str,
    sha256: str,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    """Put overdue milestones of one file on this person's list and show it to them in their working hours."""
    found = queries.find_same_import(session, person.id, sha256)
    if found is None:
        found = MilestoneImport(person_id=person.id, sha256=sha256, file=file, created_at=now)
        session.add(found)
        session.flush()
    for row in rows:
        row.import_id = found.id
    session.flush()
    audit.record(
        session,
        actor,
        "milestones.listed",
        (TYPE, found.id),
        now=now,
        person=person.id,
        milestones=[row.id for row in rows],
    )
    rollout.tell(
        session,
        person.id,
        OverdueFound(found.id),
        to=Destination.person(org_key, person.slack_id or ""),
        dedupe_key=f"milestones-overdue:{found.id}",
        policy=policy,
        now=now,
        subject=Subject.of(TYPE, found.id),
        due_at=reminders.calendar_of(person, policy).next_open(now),
    )


def seen(
    session: Session, actor: Actor, import_id: int, *, policy: Policy, now: datetime
) -> OverdueList:
    """A list before the person to whom it was sent, or an administrator. Raises NotFound for everybody else."""
    permissions.require_member(actor, "milestones.read", subject=(TYPE, import_id))
    found = queries.find_import(session, import_id)
    shown = card(session, import_id, policy=policy, now=now)
    if found is None or shown is None or not _is_for(session, actor, found, policy):
        raise NotFound(NO_LIST)
    return shown


def _is_for(session: Session, actor: Actor, found: MilestoneImport, policy: Policy) -> bool:
    return actor.id == found.person_id or is_administrator(session, actor, policy)


def card(session: Session, import_id: int, *, policy: Policy, now: datetime) -> OverdueList | None:
    """A list as it stands now; None when there is no such list."""
    found = queries.find_import(session, import_id)
    if found is None:
        return None
    today = reads.today_of(policy, now)
    rows = queries.by_ids(session, queries.ids_of_import(session, import_id))
    records = reads.records(
        session,
        sorted(rows.values(), key=lambda row: (row.forecast, row.id)),
        policy=policy,
        now=now,
    )
    still = tuple(one for one in records if one.is_open and one.forecast < today)
    starter = lookups.find_people(session, [found.started_by] if found.started_by else [])
    return OverdueList(
        id=found.id,
        file=found.file,
        milestones=still,
        handled=len(records) - len(still),
        started_at=found.started_at,
        started_by=reads.who(starter.get(found.started_by or "")),
        today=today,
    )


def start_reminding(
    session: Session,
    actor: Actor,
    import_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> int:
    """Whoever answers for what is on the list is reminded of it from their next working morning on; how many of it.

    Again changes nothing. Raises NotFound for others than the person whose list it is and administrators.
    """
    permissions.require_member(actor, "milestones.start", subject=(TYPE, import_id))
    found = queries.lock_import(session, import_id)
    if found is None:
        raise NotFound(NO_LIST)
    if not _is_for(session, actor, found, policy):
        raise NotFound(
            NO_LIST, audit=RefusalFact("milestones.start", TYPE, str(import_id), why="not_theirs")
        )
    rows = statements.not_started(session, import_id)
    for row in rows:
        row.reminds_from = now
        row.revision += 1
    if found.started_at is None:
        found.started_at = now
        found.started_by = actor.id if actor.kind is ActorKind.PERSON else None
        audit.record(
            session,
            actor,
            "milestones.started",
            (TYPE, import_id),
            now=now,
            milestones=[row.id for row in rows],
        )
    follow(session, rows, policy=policy, now=now, clicked=clicked)
    return len(rows)
