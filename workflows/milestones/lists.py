"""What was overdue when it was imported: one list to one person, and nobody is reminded before they say so."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones import queries as statements
from storage.milestones.tables import Milestone, MilestoneImport
from storage.people import lookups
from storage.people.tables import Person
from storage.projects.tables import Project
from workflows import permissions, rollout
from workflows.audit import service as audit
from workflows.context import ActorKind, Context
from workflows.errors import NotFound, RefusalFact
from workflows.job_runner import DueSlot, Lock, Registry
from workflows.milestones import reads, reminders
from workflows.milestones.notices import OverdueFound
from workflows.milestones.records import Line, MilestoneRecord, OverdueList, PersonRef, ReminderCard
from workflows.milestones.service import is_administrator, refresh_copies
from workflows.outbox import Destination, Subject
from workflows.timers import DueTimer

# --- What the messages about milestones show, read as everything stands at that moment


def reminder(ctx: Context, reminder_id: int) -> ReminderCard | None:
    """One message as it stands now; None when there is no such message."""
    message = statements.find_reminder(ctx.session, reminder_id)
    if message is None:
        return None
    ids = list(
        dict.fromkeys(
            item.milestone_id for item in statements.list_items_of(ctx.session, message.id)
        )
    )
    person = lookups.find_people(ctx.session, [message.person_id])[message.person_id]
    mine = reminders.build_run(ctx, person)
    today = mine.today
    rows = sorted(
        queries.load_by_ids(ctx.session, ids).values(),
        key=lambda milestone: (milestone.forecast, milestone.id),
    )
    projects = queries.load_projects(ctx.session, {milestone.project_id for milestone in rows})
    latest = statements.find_latest(ctx.session, person.id, ids)
    snoozes = statements.find_snoozes(ctx.session, person.id, ids)
    lines = []
    for milestone, record in zip(rows, reads.load_records(ctx, rows), strict=True):
        project = projects[milestone.project_id]
        until = snoozes.get(milestone.id)
        following, also = mine.next_reminder(milestone)
        lines.append(
            Line(
                milestone=record,
                is_live=latest.get(milestone.id) == message.id and _hears(mine, milestone),
                snoozed_until=until if until and until > today else None,
                why=_why(person.id, milestone, project),
                next_on=following,
                next_also=also,
            )
        )
    return ReminderCard(message.id, tuple(lines), today)


def _hears(mine: reminders.ReminderRun, row: Milestone) -> bool:
    """Whether it is still this person's: before the day the first of the chain's, overdue everybody's in it."""
    chain = mine.chain(row)
    reach = chain if row.forecast < mine.today else chain[:1]
    return mine.person.id in reach


def _why(person_id: str, row: Milestone, project: Project) -> str:
    if person_id == row.owner_id or (row.owner_id is None and person_id == project.owner_id):
        return "owner"
    return "manager" if person_id == project.manager_id else "sponsor"


def milestone(
    ctx: Context, milestone_id: int, *, by_id: str | None
) -> tuple[MilestoneRecord, PersonRef | None, date] | None:
    """A milestone, who brought it here, and the organisation's day; None when it is gone."""
    row = queries.find(ctx.session, milestone_id)
    if row is None:
        return None
    people = lookups.find_people(ctx.session, [by_id] if by_id else [])
    (record,) = reads.load_records(ctx, [row])
    return record, reads.person_ref(people.get(by_id or "")), reads.today_of(ctx.policy, ctx.now)


# --- What was overdue when it was imported
#
# one list to one person, and nobody is reminded before they say so.

TYPE = "milestone_import"


def _no_list(audit: RefusalFact | None = None) -> NotFound:
    """The same refusal for a list that is not there and for somebody else's."""
    return NotFound("There is no such list of yours here.", audit=audit, hint="milestones.own")


def choose_receiver(
    row: Milestone, project: Project, people: Mapping[str, Person]
) -> Person | None:
    """Who gets the list that a milestone stands on: whoever manages its project, else owns or sponsors it, else owns the milestone."""
    for id_ in (project.manager_id, project.owner_id, project.sponsor_id, row.owner_id):
        person = people.get(id_ or "")
        if person is not None and person.is_member:
            return person
    return None


def send_list(
    ctx: Context, person: Person, rows: Sequence[Milestone], *, file: str, sha256: str
) -> None:
    """Put overdue milestones of one file on this person's list and show it to them in their working hours."""
    overdue_list = queries.find_same_import(ctx.session, person.id, sha256)
    if overdue_list is None:
        overdue_list = MilestoneImport(
            person_id=person.id, sha256=sha256, file=file, created_at=ctx.now
        )
        ctx.session.add(overdue_list)
        ctx.session.flush()
    for row in rows:
        row.import_id = overdue_list.id
    ctx.session.flush()
    audit.record(
        ctx,
        "milestones.listed",
        (TYPE, overdue_list.id),
        person=person.id,
        milestones=[row.id for row in rows],
    )
    rollout.message_unasked(
        ctx,
        person.id,
        OverdueFound(overdue_list.id),
        to=Destination.person(ctx.org, person.slack_id or ""),
        dedupe_key=f"milestones-overdue:{overdue_list.id}",
        subject=Subject.of(TYPE, overdue_list.id),
        due_at=reminders.calendar_of(person, ctx.policy).next_open(ctx.now),
    )


def load_list_for(ctx: Context, import_id: int) -> OverdueList:
    """A list before the person to whom it was sent, or an administrator. Raises NotFound for everybody else."""
    permissions.require_member(ctx.actor, "milestones.read", subject=(TYPE, import_id))
    overdue_list = queries.find_import(ctx.session, import_id)
    overdue = load_list(ctx, import_id)
    if overdue_list is None or overdue is None or not _is_for(ctx, overdue_list):
        raise _no_list()
    return overdue


def _is_for(ctx: Context, overdue_list: MilestoneImport) -> bool:
    return ctx.actor.id == overdue_list.person_id or is_administrator(ctx)


def load_list(ctx: Context, import_id: int) -> OverdueList | None:
    """A list as it stands now; None when there is no such list."""
    overdue_list = queries.find_import(ctx.session, import_id)
    if overdue_list is None:
        return None
    today = reads.today_of(ctx.policy, ctx.now)
    rows = queries.load_by_ids(ctx.session, queries.list_import_ids(ctx.session, import_id))
    records = reads.load_records(ctx, sorted(rows.values(), key=lambda row: (row.forecast, row.id)))
    still = tuple(one for one in records if one.is_open and one.forecast < today)
    starter = lookups.find_people(
        ctx.session, [overdue_list.started_by] if overdue_list.started_by else []
    )
    return OverdueList(
        id=overdue_list.id,
        file=overdue_list.file,
        milestones=still,
        handled=len(records) - len(still),
        started_at=overdue_list.started_at,
        started_by=reads.person_ref(starter.get(overdue_list.started_by or "")),
        today=today,
    )


def start_reminding(ctx: Context, import_id: int) -> int:
    """Whoever answers for what is on the list is reminded of it from their next working morning on; how many of it.

    Again changes nothing. Raises NotFound for others than the person whose list it is and administrators.
    """
    permissions.require_member(ctx.actor, "milestones.start", subject=(TYPE, import_id))
    overdue_list = queries.lock_import(ctx.session, import_id)
    if overdue_list is None:
        raise _no_list()
    if not _is_for(ctx, overdue_list):
        raise _no_list(RefusalFact("milestones.start", TYPE, str(import_id), why="not_theirs"))
    rows = statements.lock_not_started(ctx.session, import_id)
    for row in rows:
        row.reminds_from = ctx.now
        row.revision += 1
    if overdue_list.started_at is None:
        overdue_list.started_at = ctx.now
        overdue_list.started_by = ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None
        audit.record(
            ctx, "milestones.started", (TYPE, import_id), milestones=[row.id for row in rows]
        )
    refresh_copies(ctx, rows)
    return len(rows)


# --- What falls due in milestones
#
# a person's working morning, and once a day that nobody is forgotten.


def _run_morning(ctx: Context, timer: DueTimer) -> None:
    reminders.run_reminders(ctx, timer.subject.id)


def _lock_morning(session: Session, person_id: str) -> Lock:
    return Lock(queries.try_lock(session, person_id))


def _ensure_mornings(ctx: Context, slot: DueSlot) -> None:
    reminders.ensure_scheduled(ctx)


PART = Registry(
    timers={reminders.LOOK: _run_morning},
    schedules={"milestones.ensure": _ensure_mornings},
    locks={reminders.SUBJECT: _lock_morning},
    daily={"milestones.ensure": "04:00"},
)
