"""Breaking the glass: in an emergency one person approves at once; everybody hears of it, and others review it in time."""

from datetime import timedelta

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState
from storage.people.lookups import find_channel
from workflows import handles, outbox, timers
from workflows.actors import SYSTEM, Actor
from workflows.approvals import (
    approvers,
    completion,
    door,
    notifications,
    reads,
    rereading,
    rules,
    service,
)
from workflows.approvals.approvers import find_break_right, list_glass_breakers
from workflows.approvals.completion import Circumstances
from workflows.approvals.door import Entered
from workflows.approvals.forms import BreakGlass, ReviewGlass
from workflows.approvals.notices import GlassBroken
from workflows.approvals.rules import Basis, Entitlement
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact
from workflows.outbox import Destination
from workflows.policy import root

REVIEW = "approval.review"
"""The timer that speaks up when nobody has reviewed broken glass in time; `seq` counts how often."""

AGAIN = timedelta(days=1)
"""Between two reminders of a review that is late."""


def require_glass_breaker(
    session: Session, actor: Actor, form: BreakGlass, at: Entered, around: Circumstances
) -> Entitlement:
    """Whoever the policy names for this gate, also who asked or took part: it is all on record, and told."""
    standing = approvers.build_standing(at.rows)
    meant = handles.resolve(session, around.org_key, root.people(around.policy))
    named = find_break_right(around.policy, at.head.gate, standing, meant)
    if named is None:
        words = list_glass_breakers(around.policy, at.head.gate, meant)
        asked = [who for one in words for who in one.who]
        if words:
            door.require_slack_asked((Basis(standing),), asked, around)
        raise NotAllowed(
            "The policy does not let you break the glass here. Those who are asked can decide; nudge them, or ask an administrator.",
            audit=RefusalFact("approval.break_glass", "approval", str(at.head.id), why="not_named"),
        )
    return named


def break_glass(
    session: Session, actor: Actor, form: BreakGlass, at: Entered, around: Circumstances
) -> str:
    """Approve at once, whatever stages are left."""
    head, request = at.head, at.request
    subject = ("approval", head.id)
    role = door.require_entitlement(at).rule
    rule = around.policy.gate(head.gate).break_glass
    if rule is None:
        raise RuntimeError("the door lets nobody break glass that a gate has not")
    now = rereading.reread_subject(session, head, around).again
    rereading.require_as_shown(session, at, now, around)
    if not form.reason:
        raise InvalidInput(
            "Say why this can't wait; everybody who governs reads it.", field="reason"
        )
    text = audit.write_text(session, actor, form.reason, now=around.now)
    due_at = around.now + rule.review_within
    activity.insert_review(
        session,
        approval_id=head.id,
        broken_by=actor.id,
        reason_id=text.id,
        role=service.mask_named(role),
        broken_at=around.now,
        due_at=due_at,
        times_late=0,
    )
    queries.set_columns(session, head.id, has_more=True)
    audit.record(
        session,
        actor,
        "approval.glass_broken",
        subject,
        now=around.now,
        stage=request.stage,
        role=service.mask_named(role),
        shown=rules.digest(head.facts),
        part=request.apart.get(actor.id),
        review_by=due_at.isoformat(timespec="microseconds"),
        reason=audit.text_fact(text),
    )
    head, request = door.lock_request(session, head.id)
    completion.end_request(session, actor, head, request, ApprovalState.APPROVED, around)
    timers.start(session, notifications.subject(head.id), REVIEW, due_at)
    completion.post_thread_line(session, head, "glass", 0, around)
    _broadcast(session, head.id, 0, around)
    return "Approved at once. Everybody who governs was told, and others review it."


def require_reviewer(
    session: Session, actor: Actor, form: ReviewGlass, at: Entered, around: Circumstances
) -> Entitlement:
    """Somebody who decides at this gate, but neither broke the glass, nor asked, nor had a part in what was asked."""
    head, request = at.head, at.request
    row = activity.find_review(session, head.id)
    if row is None:
        raise GovernanceError("Nobody broke the glass here, so there is nothing to review.")
    standing = approvers.build_standing(at.rows)
    meant = handles.resolve(session, around.org_key, root.people(around.policy))
    breaks_too = find_break_right(around.policy, head.gate, standing, meant)
    givers = approvers.list_givers(session, request.stages)
    admitted = [rules.admission(stage, standing, around.now, givers) for stage in request.stages]
    entitled = next((one for one in (*admitted, breaks_too) if isinstance(one, Entitlement)), None)
    set_apart = {row.broken_by, request.requester_id, *request.apart}
    if entitled is not None and not set_apart & {actor.id, entitled.place}:
        return entitled
    if entitled is None:
        words = list_glass_breakers(around.policy, head.gate, meant)
        asked = {who for one in words for who in one.who}
        asked |= reads.list_approver_ids(session, head.id)
        door.require_slack_asked((Basis(standing),), asked, around)
    raise NotAllowed(
        "Somebody who decides at this gate reviews it, and neither who broke the glass, nor who asked, "
        "nor who took part in what was asked.",
        audit=RefusalFact("approval.review", "approval", str(head.id), why="not_entitled"),
    )


def review_glass(
    session: Session, actor: Actor, form: ReviewGlass, at: Entered, around: Circumstances
) -> str:
    """They say whether it was right."""
    head = at.head
    subject = ("approval", head.id)
    row = activity.find_review(session, head.id)
    if row is None or row.reviewed_at is not None:
        raise GovernanceError("This was reviewed already. The request says by whom.")
    if not form.is_fine and not form.note:
        raise InvalidInput("Say in a sentence what was not right.", field="note")
    text = audit.write_text(session, actor, form.note, now=around.now) if form.note else None
    row.reviewed_by, row.reviewed_at = actor.id, around.now
    row.is_fine, row.note_id = form.is_fine, text.id if text else None
    session.flush()
    timers.cancel_kind(session, notifications.subject(head.id), REVIEW)
    audit.record(
        session,
        actor,
        "approval.reviewed",
        subject,
        now=around.now,
        is_fine=form.is_fine,
        late=row.times_late,
        note=audit.text_fact(text) if text else None,
    )
    outbox.refresh(session, notifications.subject(head.id), now=around.now, clicked=around.clicked)
    completion.post_thread_line(session, head, "reviewed", 0, around)
    _note_breaker(session, head, row.broken_by, around)
    return "Your review is on record, and whoever broke the glass was told."


def remind_review(session: Session, approval_id: int, around: Circumstances) -> None:
    """Nobody has reviewed it in time: everybody who governs hears again, every time it is due, until somebody does."""
    _, request = door.lock_request(session, approval_id)
    row = activity.find_review(session, approval_id)
    if row is None or row.reviewed_at is not None:
        return
    row.times_late += 1
    again = around.now + AGAIN
    session.flush()
    timers.start(session, notifications.subject(approval_id), REVIEW, again, seq=row.times_late)
    audit.record(
        session,
        SYSTEM,
        "approval.review_late",
        ("approval", approval_id),
        now=around.now,
        times=row.times_late,
    )
    outbox.refresh(session, notifications.subject(approval_id), now=around.now)
    _broadcast(session, approval_id, row.times_late, around)
    for reached in approvers.list_reached(session, request.stages, around.org_key):
        for person in sorted(reached.values(), key=lambda each: each.slack_id):
            if person.id not in {row.broken_by, request.requester_id, *request.apart}:
                notifications.notify_person(
                    session,
                    approval_id,
                    person,
                    "review",
                    row.times_late,
                    org_key=around.org_key,
                    now=around.now,
                )


def _broadcast(session: Session, approval_id: int, times: int, around: Circumstances) -> None:
    channel = find_channel(session, around.org_key, around.policy.channels.governance)
    if channel is None:
        return
    outbox.post(
        session,
        GlassBroken(approval_id, times),
        to=Destination.channel(around.org_key, channel),
        dedupe_key=f"approval:{approval_id}:glass:{times}",
        now=around.now,
        subject=notifications.subject(approval_id),
    )


def _note_breaker(
    session: Session, head: RequestRow, person_id: str, around: Circumstances
) -> None:
    person = approvers.find_person(session, person_id)
    if person is not None:
        notifications.notify_person(
            session, head.id, person, "reviewed", 0, org_key=around.org_key, now=around.now
        )
