"""Reminders: everything that is due for somebody comes as one message, in their working hours, earliest first."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import reminding as statements
from storage.enums import ApprovalState, Ask
from workflows import outbox, timers
from workflows.approvals import people, reads, rules
from workflows.approvals.door import list_votes, lock_request
from workflows.approvals.endings import Circumstances
from workflows.approvals.notices import ApprovalsDue
from workflows.approvals.records import Card, Reminder
from workflows.calendar import calendar_for
from workflows.outbox import Destination, Subject

TELL = "approval.tell_due"
"""The timer of a person who has something to be reminded of; its subject is `deciding`, the person."""
DECIDING = "deciding"


def plan_reminders(
    session: Session, approval_id: int, position: int, around: Circumstances
) -> None:
    """A stage's reminder fell due: those who have not decided are told at their next working moment."""
    _, request = lock_request(session, approval_id)
    is_over = request.state is not ApprovalState.PENDING or around.now >= request.expires_at
    if is_over or request.stage != position or request.current.ask is Ask.QUIET:
        return
    votes = list_votes(session, approval_id)
    decided = {vote.person_id for vote in votes}
    barred = decided | {request.requester_id, *request.apart}
    approved = rules.counts(request.current, rules.approvals(votes, position))
    (parties,) = people.list_reached_parties(session, [request.current], around.org_key)
    for index, party in enumerate(parties):
        if approved[index] >= request.current.quorums[index]:
            continue
        for person_id in sorted(party.keys() - barred):
            person = party[person_id]
            calendar = calendar_for(around.policy, tz=person.tz, country=person.country)
            timers.keep_going(
                session, Subject(DECIDING, person_id), TELL, calendar.next_open(around.now)
            )


def send_reminder(session: Session, person_id: str, around: Circumstances) -> None:
    """One message with everything whose reminder came since the last one; nothing when all of it was decided."""
    person = people.find_person(session, person_id)
    if person is None:
        return
    calendar = calendar_for(around.policy, tz=person.tz, country=person.country)
    if not calendar.is_open(around.now):
        at = calendar.next_open(around.now)
        timers.keep_going(session, Subject(DECIDING, person_id), TELL, at)
        return
    last = statements.find_last_reminder(session, person_id)
    waiting = reads.list_waiting(
        session, person_id, subjects=around.subjects, policy=around.policy, now=around.now
    )
    due_cards = [
        card
        for card in waiting
        if card.round.ask is not Ask.QUIET
        and any(at <= around.now and (last is None or at > last) for at in card.round.remind_at)
    ]
    if not due_cards:
        return
    reminder_id = statements.insert_reminder(
        session, person_id, [card.id for card in due_cards], around.now
    )
    outbox.post(
        session,
        ApprovalsDue(reminder_id),
        to=Destination.person(around.org_key, person.slack_id),
        dedupe_key=f"approval:reminder:{reminder_id}",
        now=around.now,
        subject=Subject.of("approval_reminder", reminder_id),
        expires_at=max(card.expires_at for card in due_cards),
    )


def read_reminder(session: Session, reminder_id: int, around: Circumstances) -> Reminder | None:
    """A reminder as it stands now: what it shows, the most urgent first, and when the next one comes."""
    person_id = statements.find_reminded(session, reminder_id)
    if person_id is None:
        return None
    cards = reads.cards(
        session,
        statements.list_items(session, reminder_id),
        subjects=around.subjects,
        policy=around.policy,
        now=around.now,
        reader_id=person_id,
    )
    by_urgency = tuple(sorted(cards, key=lambda card: (card.expires_at, card.id)))
    return Reminder(by_urgency, _find_next(by_urgency, around.now))


def _find_next(cards: tuple[Card, ...], now: datetime) -> datetime | None:
    later = [
        at
        for card in cards
        if card.reader is not None and card.reader.why and card.reader.line is None
        for at in card.round.remind_at
        if at > now
    ]
    return min(later, default=None)
