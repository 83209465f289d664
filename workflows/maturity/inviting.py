"""Inviting people and reminding them, each in their own working hours; nobody after they have finished."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.enums import CycleState, InvitationState
from storage.maturity import queries
from workflows import rollout, timers
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.maturity import conversation
from workflows.maturity.notices import CheckInAsked, CheckInReminder
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

BATCH = 50
"""People in one transaction, so that a large organisation keeps nobody else waiting."""


def invite_some(
    session: Session, cycle_id: int, seq: int, *, policy: Policy, org_key: str, now: datetime
) -> None:
    """Invite the next few people of a cycle, each in their own working hours; the cycle is locked."""
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    waiting = queries.list_waiting(session, cycle_id, BATCH)
    for invitation in waiting:
        invitation.invited_at = now
        person = queries.find_person(session, invitation.person_id)
        if person is None or conversation.mark_left(session, invitation, person, now=now):
            continue
        if person.slack_id is None:
            continue
        calendar = calendar_for(policy, tz=person.tz, country=person.country)
        rollout.message_unasked(
            session,
            person.id,
            CheckInAsked(invitation.id),
            to=Destination.person(org_key, person.slack_id),
            dedupe_key=f"maturity:{cycle_id}:asked:{person.id}",
            policy=policy,
            now=now,
            subject=conversation.subject(invitation.id),
            due_at=calendar.next_open(now),
            expires_at=cycle.closes_at,
        )
        for number, due in enumerate(reminder_moments(calendar, now, cycle.closes_at), 1):
            timers.start(
                session, conversation.subject(invitation.id), "maturity.remind", due, seq=number
            )
    if len(waiting) == BATCH:
        timers.start(
            session, Subject.of("maturity_cycle", cycle_id), "maturity.invite", now, seq=seq + 1
        )


def reminder_moments(
    calendar: WorkingCalendar, invited: datetime, closes: datetime
) -> list[datetime]:
    """When somebody is reminded: half-way, and as work starts on the last working day before the day it closes."""
    half = calendar.next_open(invited + (closes - invited) / 2)
    day = calendar.on_or_before(calendar.day(closes) - timedelta(days=1))
    last = calendar.opening(day)
    moments = [half] if invited < half < closes else []
    if last < closes and last > (half if moments else invited) + timedelta(hours=12):
        moments.append(last)
    return moments


def remind_person(
    session: Session,
    invitation_id: int,
    number: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    """Remind one person, unless they have finished, skipped or left; their check-in is locked."""
    invitation = queries.find_invitation(session, invitation_id)
    if invitation is None or invitation.state != InvitationState.INVITED:
        return
    cycle = queries.find_cycle(session, invitation.cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        return
    person = queries.find_person(session, invitation.person_id)
    if person is None or conversation.mark_left(session, invitation, person, now=now):
        return
    if person.slack_id is None:
        return
    at = calendar_for(policy, tz=person.tz, country=person.country).next_open(now)
    if at >= cycle.closes_at:
        return
    rollout.message_unasked(
        session,
        person.id,
        CheckInReminder(invitation.id, number),
        to=Destination.person(org_key, person.slack_id),
        dedupe_key=f"maturity:{cycle.id}:reminder{number}:{person.id}",
        policy=policy,
        now=now,
        subject=conversation.subject(invitation.id),
        due_at=at,
        expires_at=cycle.closes_at,
    )
