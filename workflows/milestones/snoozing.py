"""Putting off: one person hears nothing of one milestone for a while, and sees beforehand what that swallows."""

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones import reminding as statements
from storage.milestones.tables import Milestone
from storage.people import lookups
from workflows import outbox, permissions
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import InvalidInput, Stale
from workflows.milestones import reads, reminders, rules, service
from workflows.milestones.records import SnoozeChoice
from workflows.outbox import Subject
from workflows.policy import Policy


def list_choices(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> tuple[SnoozeChoice, ...]:
    """Until when this person can put off what they hear of a milestone, and which reminders that swallows.

    Raises NotFound, and InvalidInput for somebody whom its reminders never reach.
    """
    row, mine = _lock_reminded(
        session, actor, milestone_id, policy=policy, now=now, clicked=clicked
    )
    return _choices(row, mine)


def _choices(row: Milestone, mine: reminders.ReminderRun) -> tuple[SnoozeChoice, ...]:
    """Days until which something is swallowed; where the next reminder is far, the working day after it."""
    far = max(row.forecast, mine.today) + timedelta(days=400)
    coming = sorted(
        {step.on for step in mine.steps(row, mine.chain(row), far) if step.on > mine.today}
    )
    days = rules.snooze_days(mine.calendar, mine.today)
    offered = [day for day in days if coming and coming[0] < day]
    if not offered and coming:
        offered = [rules.on_or_after(mine.calendar, coming[0] + timedelta(days=1))]
    return tuple(
        SnoozeChoice(until, tuple(on for on in coming if on < until))
        for until in offered or days[:1]
    )


def snooze(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    until: date,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> None:
    """This person hears nothing of a milestone before `until`; today means that they hear of it again.

    Others still do: nobody silences what somebody else is to hear.
    """
    row, mine = _lock_reminded(
        session, actor, milestone_id, policy=policy, now=now, clicked=clicked
    )
    offered = {one.until for one in _choices(row, mine)}
    if until != mine.today and until not in offered:
        raise Stale("That day is no choice any more. Nothing was changed; choose another.")
    statements.snooze(session, row.id, actor.id, until, now)
    audit.record(
        session, actor, "milestone.snoozed", ("milestone", row.id), now=now, until=until.isoformat()
    )
    latest = statements.find_latest(session, actor.id, [row.id]).get(row.id)
    if latest is not None:
        outbox.refresh(session, Subject.of("reminder", latest), now=now, clicked=clicked)


def snoozed_until(
    session: Session, person_id: str, milestone_id: int, *, today: date
) -> date | None:
    """Until when this person hears nothing of a milestone; None when they do."""
    day = statements.find_snoozes(session, person_id, [milestone_id]).get(milestone_id)
    return day if day is not None and day > today else None


def own_day(session: Session, actor: Actor, *, policy: Policy, now: datetime) -> date:
    """The person's own day."""
    person = lookups.find_people(session, [actor.id])[actor.id]
    return reminders.calendar_of(person, policy).day(now)


def _lock_reminded(
    session: Session,
    actor: Actor,
    milestone_id: int,
    *,
    policy: Policy,
    now: datetime,
    clicked: tuple[str, str] | None,
) -> tuple[Milestone, reminders.ReminderRun]:
    permissions.require_member(actor, "milestone.snooze", subject=("milestone", milestone_id))
    row = queries.lock(session, milestone_id)
    person = lookups.find_people(session, [actor.id]).get(actor.id)
    if row is None or person is None:
        raise reads.no_milestone()
    mine = reminders.build_run(session, person, policy=policy, now=now)
    if actor.id not in mine.chain(row):
        if not service.sees(session, actor, row, policy=policy, clicked=clicked):
            raise reads.no_milestone()
        raise InvalidInput(
            "Reminders of this milestone do not reach you, so there is nothing to put off."
        )
    if row.actual is not None or row.dropped_at is not None:
        raise Stale("This milestone is closed, so nobody is reminded of it any more.")
    return row, mine
