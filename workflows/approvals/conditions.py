"""Approving on conditions: each has an owner and a day; one that is not met by then makes the approval lapse."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow
from storage.approvals.tables import ApprovalCondition
from storage.enums import ApprovalState, ConditionState
from workflows import approvable, outbox, timers
from workflows.approvals import approvers, completion, door, notifications, rules
from workflows.approvals.completion import CONFIRM, DUE, SOON
from workflows.approvals.door import Entered
from workflows.approvals.forms import ClaimMet, ConfirmMet, OnCondition
from workflows.approvals.refusals import CardChanged
from workflows.audit import heads
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound

TO_CONFIRM = timedelta(days=2)
"""For how long after its day a condition that its owner says is met waits for whoever set it."""


def require_owner(ctx: Context, form: ClaimMet, at: Entered) -> None:
    """Only whoever sees to the condition."""
    if ctx.actor.id != _find(ctx.session, form).owner_id:
        raise NotAllowed(
            "Only the owner of a condition can say that it is met. The request names them."
        )


def require_setter(ctx: Context, form: ConfirmMet, at: Entered) -> None:
    """Only whoever set the condition."""
    if ctx.actor.id != _find(ctx.session, form).set_by:
        raise NotAllowed(
            "Only the person who set the condition can confirm it. The request names them."
        )


def claim_met(ctx: Context, form: ClaimMet, at: Entered) -> str:
    """Its owner says that the condition is met; whoever set it confirms. What one set for oneself is met at once."""
    head, condition = at.head, _require_open(ctx.session, form, at)
    if condition.state == ConditionState.CLAIMED:
        raise GovernanceError(
            "You said so already; whoever set the condition has to confirm it now."
        )
    if ctx.now >= condition.due_at:
        raise GovernanceError(
            "The day of this condition is over, so it can't be met any more. The request can be made again."
        )
    if not form.proof:
        raise InvalidInput("Say in a sentence how one sees that it is met.", field="proof")
    text = audit.write_text(ctx.session, ctx.actor, form.proof, now=ctx.now)
    condition.proof_id, condition.claimed_at = text.id, ctx.now
    is_own = condition.set_by == condition.owner_id
    condition.state = (ConditionState.MET if is_own else ConditionState.CLAIMED).value
    condition.ended_at = ctx.now if is_own else None
    _record_change(
        ctx,
        head,
        condition,
        "condition_met" if is_own else "condition_claimed",
        words=audit.text_fact(text),
    )
    if is_own:
        return "The condition is met, and the request says so."
    completion.notify_about(ctx, condition, condition.set_by, "claimed")
    return "Whoever set the condition was told, and confirms it. You will hear."


def confirm_met(ctx: Context, form: ConfirmMet, at: Entered) -> str:
    """Whoever set the condition agrees that it is met, or says what is missing; then it is open again."""
    head, request, condition = at.head, at.request, _require_open(ctx.session, form, at)
    if condition.state != ConditionState.CLAIMED:
        raise GovernanceError(
            "Its owner has not said yet that it is met. You will be told when they do."
        )
    if form.is_met:
        condition.state, condition.ended_at = ConditionState.MET.value, ctx.now
        _record_change(ctx, head, condition, "condition_met")
        completion.notify_about(ctx, condition, condition.owner_id, "met")
        return "The condition is met. Its owner was told."
    text = audit.write_text(ctx.session, ctx.actor, form.why, now=ctx.now) if form.why else None
    condition.state, condition.claimed_at = ConditionState.OPEN.value, None
    _record_change(
        ctx, head, condition, "condition_refused", words=audit.text_fact(text) if text else None
    )
    if ctx.now >= condition.due_at:
        _lapse(ctx, head, request, condition)
        return "The condition is not met, and its day is over: the approval has lapsed, and everybody was told."
    completion.notify_about(ctx, condition, condition.owner_id, "refused")
    return "Its owner was told that something is missing, and can say again that it is met until the day is over."


def follow_up_condition(ctx: Context, approval_id: int, condition_id: int, kind: str) -> None:
    """A day before, on the day, or when the time to confirm is over. Does nothing for a condition that has ended."""
    head, request = door.lock_request(ctx.session, approval_id)
    condition = activity.find_condition(ctx.session, condition_id)
    if (
        condition is None
        or request.state is not ApprovalState.APPROVED
        or condition.state not in (ConditionState.OPEN, ConditionState.CLAIMED)
    ):
        return
    if kind == SOON:
        if condition.state == ConditionState.OPEN:
            completion.notify_about(
                ctx, condition, condition.owner_id, "soon", before=condition.due_at
            )
        return
    if kind == DUE and condition.state == ConditionState.CLAIMED:
        # Its owner was in time; whoever set it is reminded, and has a little longer.
        subject = notifications.subject(approval_id)
        until = condition.due_at + TO_CONFIRM
        timers.start(ctx.session, subject, CONFIRM, until, seq=condition.id)
        completion.notify_about(ctx, condition, condition.set_by, "unconfirmed", before=until)
        return
    _lapse(ctx.as_system(), head, request, condition)
    notifications.refresh_showing(ctx, approval_id)


def _lapse(
    ctx: Context, head: RequestRow, request: rules.Request, condition: ApprovalCondition
) -> None:
    """The approval holds no more: the subject goes back, the other conditions end, everybody is told.

    One message tells a person all that follows, when they are at work next; what they had before gets shorter.
    """
    condition.state, condition.ended_at = ConditionState.UNMET.value, ctx.now
    ctx.session.flush()
    subject = approvable.SUBJECTS[head.subject_type]
    subject.lock(ctx.session, head.subject_id)
    timers.cancel(ctx.session, notifications.subject(head.id))
    activity.drop_conditions(ctx.session, head.id, now=ctx.now)
    queries.revise(ctx.session, head.id, state=ApprovalState.LAPSED.value)
    audit.record(
        ctx,
        "approval.lapsed",
        ("approval", head.id),
        condition=condition.id,
        about=[head.subject_type, head.subject_id],
    )
    ids = {request.requester_id, condition.owner_id, condition.set_by} | {
        row.person_id for row in queries.list_verdicts(ctx.session, head.id)
    }
    known = [approvers.find_person(ctx.session, person_id) for person_id in sorted(ids)]
    concerned = [person for person in known if person is not None]
    subject.lapse(
        ctx, head.id, head.subject_id, head.facts, spared={person.id for person in concerned}
    )
    approvable.withdraw_what_rests_on(ctx, head.id)
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, "lapsed", condition.id)
    for person in sorted(concerned, key=lambda each: each.slack_id):
        notifications.notify_person(
            ctx,
            head.id,
            person,
            "lapsed",
            condition.id,
            due_at=completion.next_at_work(ctx, person),
        )
    heads.publish(ctx, reason_key=f"approval:{head.id}:lapsed")


def _find(session: Session, form: OnCondition) -> ApprovalCondition:
    condition = activity.find_condition(session, form.condition_id)
    if condition is None or condition.approval_id != form.approval_id:
        raise NotFound("There is no such condition here any more.")
    return condition


def _require_open(session: Session, form: OnCondition, at: Entered) -> ApprovalCondition:
    request, condition = at.request, _find(session, form)
    if request.state is not ApprovalState.APPROVED:
        raise GovernanceError(
            "This request is not approved any more, so its conditions bind nobody."
            if request.state is not ApprovalState.PENDING
            else "This request is not approved yet; its conditions begin to bind when it is."
        )
    if condition.state not in (ConditionState.OPEN, ConditionState.CLAIMED):
        raise GovernanceError("This condition has ended; the request shows how.")
    if form.condition_revision != condition.revision:
        raise CardChanged(
            "This condition changed while you looked. Nothing was done; look at the request again to see how it stands now."
        )
    return condition


def _record_change(
    ctx: Context, head: RequestRow, condition: ApprovalCondition, what: str, **facts: Any
) -> None:
    condition.revision += 1
    ctx.session.flush()
    audit.record(ctx, f"approval.{what}", ("approval", head.id), condition=condition.id, **facts)
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, what, condition.id, times=condition.revision)
