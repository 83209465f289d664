"""Breaking the glass: in an emergency one person approves at once; everybody hears of it, and others review it in time."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing, queries
from storage.enums import ApprovalState
from storage.people.channels import find_channel
from workflows import outbox, permissions, timers
from workflows.actors import SYSTEM, Actor
from workflows.approvals import announcements, endings, people, rules, service
from workflows.approvals.binding import may_break
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import BreakGlass, ReviewGlass
from workflows.approvals.notices import GlassBroken
from workflows.approvals.rules import Refusal
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact
from workflows.outbox import Destination

REVIEW = "approval.review"
"""The timer that speaks up when nobody has reviewed broken glass in time; `seq` counts how often."""

AGAIN = timedelta(days=1)
"""Between two reminders of a review that is late."""


def break_glass(
    session: Session, actor: Actor, form: BreakGlass, around: Circumstances
) -> str:
    """Approve at once, whatever stages are left. Also whoever asked may, if the policy names them: it is all on record."""
    subject = ("approval", form.approval_id)
    permissions.require_member(actor, "approval.break_glass", subject=subject)
    head, request = service.locked(session, form.approval_id)
    if request.state is not ApprovalState.PENDING:
        raise service.refused(session, Refusal.ENDED, head.id, actor, around)
    if around.now >= request.expires_at:
        raise service.refused(session, Refusal.OVERDUE, head.id, actor, around)
    rows = queries.list_standing(session, actor.id)
    role = may_break(around.policy, head.gate, people.standing(rows)) if rows else None
    rule = around.policy.gate(head.gate).break_glass
    if role is None or rule is None:
        raise NotAllowed(
            "The policy does not let you break the glass here. Those who are asked can decide; nudge them, or ask an administrator.",
            audit=RefusalFact(
                "approval.break_glass", "approval", str(head.id), why="not_named"
            ),
        )
    if not form.reason:
        raise InvalidInput(
            "Say why this can't wait; everybody who governs reads it.", field="reason"
        )
    text = audit.write_text(session, actor, form.reason, now=around.now)
    due_at = around.now + rule.review_within
    more.insert_review(
        session,
        approval_id=head.id,
        broken_by=actor.id,
        reason_id=text.id,
        role=service.unnamed(role),
        broken_at=around.now,
        due_at=due_at,
        times_late=0,
    )
    changing.mark(session, head.id, has_more=True)
    audit.record(
        session,
        actor,
        "approval.glass_broken",
        subject,
        now=around.now,
        stage=request.stage,
        role=service.unnamed(role),
        shown=rules.digest(head.facts),
        review_by=due_at.isoformat(timespec="microseconds"),
        reason=audit.text_fact(text),
    )
    head, request = service.locked(session, head.id)
    endings.end(session, actor, head, request, ApprovalState.APPROVED, around)
    timers.start(session, announcements.subject(head.id), REVIEW, due_at)
    endings.tell(session, head, "glass", 0, around)
    _broadcast(session, head.id, 0, around)
    return "Approved at once. Everybody who governs was told, and others review it."


def review(
    session: Session, actor: Actor, form: ReviewGlass, around: Circumstances
) -> str:
    """Somebody who decides at this gate, but neither broke the glass nor asked, says whether it was right."""
    subject = ("approval", form.approval_id)
    permissions.require_member(actor, "approval.review", subject=subject)
    head, request = service.locked(session, form.approval_id)
    found = more.find_review(session, head.id)
    if found is None:
        raise GovernanceError(
            "Nobody broke the glass here, so there is nothing to review."
        )
    if found.reviewed_at is not None:
        raise GovernanceError("This was reviewed already. The card says by whom.")
    rows = queries.list_standing(session, actor.id)
    standing = people.standing(rows) if rows else None
    entitled = standing is not None and (
        any(rules.entitlement(stage.approvers, standing) for stage in request.stages)
        or may_break(around.policy, head.gate, standing)
    )
    if actor.id in (found.broken_by, request.requester_id) or not entitled:
        raise NotAllowed(
            "Somebody who decides at this gate reviews it, and neither who broke the glass nor who asked.",
            audit=RefusalFact(
                "approval.review", "approval", str(head.id), why="not_entitled"
            ),
        )
    if not form.is_fine and not form.note:
        raise InvalidInput("Say in a sentence what was not right.", field="note")
    text = (
        audit.write_text(session, actor, form.note, now=around.now)
        if form.note
        else None
    )
    found.reviewed_by, found.reviewed_at = actor.id, around.now
    found.is_fine, found.note_id = form.is_fine, text.id if text else None
    session.flush()
    timers.cancel_kind(session, announcements.subject(head.id), REVIEW)
    audit.record(
        session,
        actor,
        "approval.reviewed",
        subject,
        now=around.now,
        is_fine=form.is_fine,
        late=found.times_late,
        note=audit.text_fact(text) if text else None,
    )
    outbox.refresh(
        session, announcements.subject(head.id), now=around.now, clicked=around.clicked
    )
    endings.tell(session, head, "reviewed", 0, around)
    _note_breaker(session, head, found.broken_by, around)
    return "Your review is on record, and whoever broke the glass was told."


def fell_due(session: Session, approval_id: int, around: Circumstances) -> None:
    """Nobody has reviewed it in time: everybody who governs hears again, every time it is due, until somebody does."""
    _, request = service.locked(session, approval_id)
    found = more.find_review(session, approval_id)
    if found is None or found.reviewed_at is not None:
        return
    found.times_late += 1
    again = around.now + AGAIN
    session.flush()
    timers.start(
        session, announcements.subject(approval_id), REVIEW, again, seq=found.times_late
    )
    audit.record(
        session,
        SYSTEM,
        "approval.review_late",
        ("approval", approval_id),
        now=around.now,
        times=found.times_late,
    )
    outbox.refresh(session, announcements.subject(approval_id), now=around.now)
    _broadcast(session, approval_id, found.times_late, around)
    for reached in people.reached(session, request.stages, around.org_key):
        for person in sorted(reached.values(), key=lambda each: each.slack_id):
            if person.id not in (found.broken_by, request.requester_id):
                announcements.note(
                    session,
                    approval_id,
                    person,
                    "review",
                    found.times_late,
                    org_key=around.org_key,
                    now=around.now,
                )


def _broadcast(
    session: Session, approval_id: int, times: int, around: Circumstances
) -> None:
    channel = find_channel(session, around.org_key, around.policy.channels.governance)
    if channel is None:
        return
    outbox.post(
        session,
        GlassBroken(approval_id, times),
        to=Destination.channel(around.org_key, channel),
        dedupe_key=f"approval:{approval_id}:glass:{times}",
        now=around.now,
        subject=announcements.subject(approval_id),
    )


def _note_breaker(
    session: Session, head: Any, person_id: str, around: Circumstances
) -> None:
    person = people.one(session, person_id)
    if person is not None:
        announcements.note(
            session,
            head.id,
            person,
            "reviewed",
            0,
            org_key=around.org_key,
            now=around.now,
        )
