"""Breaking the glass: in an emergency one person approves at once; everybody hears of it, and others review it in time."""

from datetime import timedelta

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState
from storage.people.lookups import find_channel
from workflows import handles, outbox, timers
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
from workflows.approvals.door import Entered
from workflows.approvals.forms import BreakGlass, ReviewGlass
from workflows.approvals.notices import GlassBroken
from workflows.approvals.rules import Basis, Entitlement
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact
from workflows.outbox import Destination
from workflows.policy import root

REVIEW = "approval.review"
"""The timer that speaks up when nobody has reviewed broken glass in time; `seq` counts how often."""

AGAIN = timedelta(days=1)
"""Between two reminders of a review that is late."""


def require_glass_breaker(ctx: Context, form: BreakGlass, at: Entered) -> Entitlement:
    """Whoever the policy names for this gate, also who asked or took part: it is all on record, and told."""
    standing = approvers.build_standing(at.rows)
    meant = handles.resolve(ctx.session, ctx.org, root.people(ctx.policy))
    named = find_break_right(ctx.policy, at.head.gate, standing, meant)
    if named is None:
        words = list_glass_breakers(ctx.policy, at.head.gate, meant)
        asked = [who for one in words for who in one.who]
        if words:
            door.require_slack_asked(ctx, (Basis(standing),), asked)
        raise NotAllowed(
            "The policy does not let you break the glass here. Those who are asked can decide; nudge them, or ask an administrator.",
            audit=RefusalFact("approval.break_glass", "approval", str(at.head.id), why="not_named"),
        )
    return named


def break_glass(ctx: Context, form: BreakGlass, at: Entered) -> str:
    """Approve at once, whatever stages are left."""
    head, request = at.head, at.request
    subject = ("approval", head.id)
    role = door.require_entitlement(at).rule
    rule = ctx.policy.gate(head.gate).break_glass
    if rule is None:
        raise RuntimeError("the door lets nobody break glass that a gate has not")
    now = rereading.reread_subject(ctx, head).again
    rereading.require_as_shown(ctx, at, now)
    if not form.reason:
        raise InvalidInput(
            "Say why this can't wait; everybody who governs reads it.", field="reason"
        )
    text = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    due_at = ctx.now + rule.review_within
    activity.insert_review(
        ctx.session,
        approval_id=head.id,
        broken_by=ctx.actor.id,
        reason_id=text.id,
        role=service.mask_named(role),
        broken_at=ctx.now,
        due_at=due_at,
        times_late=0,
    )
    queries.set_columns(ctx.session, head.id, has_more=True)
    audit.record(
        ctx,
        "approval.glass_broken",
        subject,
        stage=request.stage,
        role=service.mask_named(role),
        shown=rules.digest(head.facts),
        part=request.apart.get(ctx.actor.id),
        review_by=due_at.isoformat(timespec="microseconds"),
        reason=audit.text_fact(text),
    )
    head, request = door.lock_request(ctx.session, head.id)
    completion.end_request(ctx, head, request, ApprovalState.APPROVED)
    timers.start(ctx.session, notifications.subject(head.id), REVIEW, due_at)
    completion.post_thread_line(ctx, head, "glass", 0)
    _broadcast(ctx, head.id, 0)
    return "Approved at once. Everybody who governs was told, and others review it."


def require_reviewer(ctx: Context, form: ReviewGlass, at: Entered) -> Entitlement:
    """Somebody who decides at this gate, but neither broke the glass, nor asked, nor had a part in what was asked."""
    head, request = at.head, at.request
    row = activity.find_review(ctx.session, head.id)
    if row is None:
        raise GovernanceError("Nobody broke the glass here, so there is nothing to review.")
    standing = approvers.build_standing(at.rows)
    meant = handles.resolve(ctx.session, ctx.org, root.people(ctx.policy))
    breaks_too = find_break_right(ctx.policy, head.gate, standing, meant)
    givers = approvers.list_givers(ctx.session, request.stages)
    admitted = [rules.admission(stage, standing, ctx.now, givers) for stage in request.stages]
    entitled = next((one for one in (*admitted, breaks_too) if isinstance(one, Entitlement)), None)
    set_apart = {row.broken_by, request.requester_id, *request.apart}
    if entitled is not None and not set_apart & {ctx.actor.id, entitled.place}:
        return entitled
    if entitled is None:
        words = list_glass_breakers(ctx.policy, head.gate, meant)
        asked = {who for one in words for who in one.who}
        asked |= reads.list_approver_ids(ctx.session, head.id)
        door.require_slack_asked(ctx, (Basis(standing),), asked)
    raise NotAllowed(
        "Somebody who decides at this gate reviews it, and neither who broke the glass, nor who asked, "
        "nor who took part in what was asked.",
        audit=RefusalFact("approval.review", "approval", str(head.id), why="not_entitled"),
    )


def review_glass(ctx: Context, form: ReviewGlass, at: Entered) -> str:
    """They say whether it was right."""
    head = at.head
    subject = ("approval", head.id)
    row = activity.find_review(ctx.session, head.id)
    if row is None or row.reviewed_at is not None:
        raise GovernanceError("This was reviewed already. The request says by whom.")
    if not form.is_fine and not form.note:
        raise InvalidInput("Say in a sentence what was not right.", field="note")
    text = audit.write_text(ctx.session, ctx.actor, form.note, now=ctx.now) if form.note else None
    row.reviewed_by, row.reviewed_at = ctx.actor.id, ctx.now
    row.is_fine, row.note_id = form.is_fine, text.id if text else None
    ctx.session.flush()
    timers.cancel_kind(ctx.session, notifications.subject(head.id), REVIEW)
    audit.record(
        ctx,
        "approval.reviewed",
        subject,
        is_fine=form.is_fine,
        late=row.times_late,
        note=audit.text_fact(text) if text else None,
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, "reviewed", 0)
    _note_breaker(ctx, head, row.broken_by)
    return "Your review is on record, and whoever broke the glass was told."


def remind_review(ctx: Context, approval_id: int) -> None:
    """Nobody has reviewed it in time: everybody who governs hears again, every time it is due, until somebody does."""
    _, request = door.lock_request(ctx.session, approval_id)
    row = activity.find_review(ctx.session, approval_id)
    if row is None or row.reviewed_at is not None:
        return
    row.times_late += 1
    again = ctx.now + AGAIN
    ctx.session.flush()
    timers.start(ctx.session, notifications.subject(approval_id), REVIEW, again, seq=row.times_late)
    audit.record(
        ctx.as_system(), "approval.review_late", ("approval", approval_id), times=row.times_late
    )
    outbox.refresh(ctx, notifications.subject(approval_id))
    _broadcast(ctx, approval_id, row.times_late)
    for reached in approvers.list_reached(ctx.session, request.stages, ctx.org):
        for person in sorted(reached.values(), key=lambda each: each.slack_id):
            if person.id not in {row.broken_by, request.requester_id, *request.apart}:
                notifications.notify_person(ctx, approval_id, person, "review", row.times_late)


def _broadcast(ctx: Context, approval_id: int, times: int) -> None:
    channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.governance)
    if channel is None:
        return
    outbox.post(
        ctx.session,
        GlassBroken(approval_id, times),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"approval:{approval_id}:glass:{times}",
        now=ctx.now,
        subject=notifications.subject(approval_id),
    )


def _note_breaker(ctx: Context, head: RequestRow, person_id: str) -> None:
    person = approvers.find_person(ctx.session, person_id)
    if person is not None:
        notifications.notify_person(ctx, head.id, person, "reviewed", 0)
