"""The terms of an approval on conditions: kept with the verdict, and binding from the moment the request is approved."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.actions.tables import ApprovalCondition
from storage.approvals import changing
from storage.enums import ConditionState
from workflows import timers
from workflows.actors import Actor
from workflows.approvals import announcements, people
from workflows.approvals.forms import Terms
from workflows.audit import service as audit
from workflows.calendar import calendar_for, local_instant
from workflows.errors import InvalidInput

if TYPE_CHECKING:
    from workflows.approvals.endings import Circumstances

DUE = "approval.condition"
"""The timer that looks at a condition when its day is over; `seq` is the condition."""
SOON = "approval.condition_soon"
"""A day before, for its owner."""
CONFIRM = "approval.condition_confirm"
"""What was said to be met in time, and nobody confirmed."""
FURTHEST = timedelta(days=365)


def keep_conditions(
    session: Session,
    actor: Actor,
    approval_id: int,
    decision_id: int,
    terms: Sequence[Terms],
    around: "Circumstances",
) -> None:
    """Keep what this approval depends on. Raises InvalidInput for a day that has passed or an owner who is nobody."""
    zone = around.policy.organisation.zone
    today = around.now.astimezone(zone).date()
    for number, term in enumerate(terms):
        owner = people.find_by_slack_id(session, around.org_key, term.owner)
        if owner is None:
            raise InvalidInput(
                "That person is no full member of this organisation that mlgov knows. Choose somebody else.",
                field=f"owner_{number}",
            )
        if not today <= term.due <= today + FURTHEST:
            raise InvalidInput("Choose a day from today on, within a year.", field=f"due_{number}")
        text = audit.write_text(session, actor, term.text, now=around.now)
        condition_id = more.insert_condition(
            session,
            approval_id=approval_id,
            decision_id=decision_id,
            set_by=actor.id,
            text_id=text.id,
            owner_id=owner.id,
            due=term.due,
            due_at=local_instant(term.due + timedelta(days=1), time(0), zone),
            state=ConditionState.OPEN.value,
            proof_id=None,
            claimed_at=None,
            ended_at=None,
            revision=1,
        )
        audit.record(
            session,
            actor,
            "approval.condition_set",
            ("approval", approval_id),
            now=around.now,
            condition=condition_id,
            decision=decision_id,
            owner=owner.id,
            due=term.due.isoformat(),
            words=audit.text_fact(text),
        )
    changing.set_columns(session, approval_id, has_more=True)


def begin_conditions(session: Session, approval_id: int, around: "Circumstances") -> None:
    """The request is approved: its conditions bind now, and their owners are told."""
    for condition in more.list_open_conditions(session, approval_id):
        subject = announcements.subject(approval_id)
        timers.start(session, subject, DUE, condition.due_at, seq=condition.id)
        soon = condition.due_at - timedelta(days=1)
        if soon > around.now:
            timers.start(session, subject, SOON, soon, seq=condition.id)
        notify_about(session, condition, condition.owner_id, "condition", around)


def next_at_work(person: people.Reached, around: "Circumstances") -> datetime:
    """When somebody is at work, now or next: what comes by the clock and isn't urgent is told then."""
    calendar = calendar_for(around.policy, tz=person.tz, country=person.country)
    return calendar.next_open(around.now)


def notify_about(
    session: Session,
    condition: ApprovalCondition,
    person_id: str,
    what: str,
    around: "Circumstances",
    *,
    before: datetime | None = None,
) -> None:
    """A message of its own about a condition to one person. With `before` it waits until they are at work, unless that
    would be too late."""
    person = people.find_person(session, person_id)
    if person is not None:
        at = next_at_work(person, around)
        announcements.notify_person(
            session,
            condition.approval_id,
            person,
            what,
            condition.id,
            org_key=around.org_key,
            now=around.now,
            times=condition.revision,
            due_at=at if before is not None and at < before else None,
        )
