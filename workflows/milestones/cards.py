"""What the messages about milestones show, read as everything stands at that moment."""

from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones import reminding as statements
from storage.milestones.tables import Milestone
from storage.people import lookups
from storage.projects.tables import Project
from workflows.milestones import reads, reminders
from workflows.milestones.records import Line, MilestoneRecord, PersonRef, ReminderCard
from workflows.policy import Policy


def reminder(
    session: Session, reminder_id: int, *, policy: Policy, now: datetime
) -> ReminderCard | None:
    """One message as it stands now; None when there is no such message."""
    message = statements.find_reminder(session, reminder_id)
    if message is None:
        return None
    ids = list(
        dict.fromkeys(item.milestone_id for item in statements.list_items_of(session, message.id))
    )
    person = lookups.find_people(session, [message.person_id])[message.person_id]
    mine = reminders.build_run(session, person, policy=policy, now=now)
    today = mine.today
    rows = sorted(
        queries.load_by_ids(session, ids).values(),
        key=lambda milestone: (milestone.forecast, milestone.id),
    )
    projects = queries.load_projects(session, {milestone.project_id for milestone in rows})
    latest = statements.find_latest(session, person.id, ids)
    snoozes = statements.find_snoozes(session, person.id, ids)
    lines = []
    for milestone, record in zip(
        rows, reads.load_records(session, rows, policy=policy, now=now), strict=True
    ):
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
    session: Session, milestone_id: int, *, by_id: str | None, policy: Policy, now: datetime
) -> tuple[MilestoneRecord, PersonRef | None, date] | None:
    """A milestone, who brought it here, and the organisation's day; None when it is gone."""
    row = queries.find(session, milestone_id)
    if row is None:
        return None
    people = lookups.find_people(session, [by_id] if by_id else [])
    (record,) = reads.load_records(session, [row], policy=policy, now=now)
    return record, reads.person_ref(people.get(by_id or "")), reads.today_of(policy, now)
