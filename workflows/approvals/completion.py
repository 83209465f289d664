"""The terms of an approval on conditions: kept with the verdict, and binding from the moment the request is approved."""

from collections.abc import Collection, Sequence
from datetime import datetime, time, timedelta

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow
from storage.approvals.tables import ApprovalCondition
from storage.enums import ApprovalState, ConditionState
from workflows import approvable, outbox, timers
from workflows.approvals import approvers, notifications, rules
from workflows.approvals.forms import Terms
from workflows.approvals.stages import Stage
from workflows.audit import heads
from workflows.audit import service as audit
from workflows.calendar import calendar_for, local_instant
from workflows.context import Context
from workflows.errors import refuse

DUE = "approval.condition"
"""The timer that looks at a condition when its day is over; `seq` is the condition."""
SOON = "approval.condition_soon"
"""A day before, for its owner."""
CONFIRM = "approval.condition_confirm"
"""What was said to be met in time, and nobody confirmed."""
FURTHEST = timedelta(days=365)


def keep_conditions(
    ctx: Context, approval_id: int, decision_id: int, terms: Sequence[Terms]
) -> None:
    """Keep what this approval depends on. Raises InvalidInput for a day that has passed or an owner who is nobody."""
    zone = ctx.policy.organisation.zone
    today = ctx.now.astimezone(zone).date()
    owners = [approvers.find_by_slack_id(ctx, term.owner) for term in terms]
    faults = {}
    for number, (term, owner) in enumerate(zip(terms, owners, strict=True)):
        if owner is None:
            faults[f"owner_{number}"] = (
                "That person is no full member of this organisation that mlgov knows. Choose somebody else."
            )
        if not today <= term.due <= today + FURTHEST:
            faults[f"due_{number}"] = "Choose a day from today on, within a year."
    refuse(faults)
    for term, owner in zip(terms, filter(None, owners), strict=True):
        text = audit.write_text(ctx.session, ctx.actor, term.text, now=ctx.now)
        condition_id = activity.insert_condition(
            ctx.session,
            approval_id=approval_id,
            decision_id=decision_id,
            set_by=ctx.actor.id,
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
            ctx,
            "approval.condition_set",
            ("approval", approval_id),
            condition=condition_id,
            decision=decision_id,
            owner=owner.id,
            due=term.due.isoformat(),
            words=audit.text_fact(text),
        )
    queries.set_columns(ctx.session, approval_id, has_more=True)


def begin_conditions(ctx: Context, approval_id: int) -> None:
    """The request is approved: its conditions bind now, and their owners are told."""
    for condition in activity.list_open_conditions(ctx.session, approval_id):
        subject = notifications.subject(approval_id)
        timers.start(ctx.session, subject, DUE, condition.due_at, seq=condition.id)
        soon = condition.due_at - timedelta(days=1)
        if soon > ctx.now:
            timers.start(ctx.session, subject, SOON, soon, seq=condition.id)
        notify_about(ctx, condition, condition.owner_id, "condition")


def next_at_work(ctx: Context, person: approvers.Reached) -> datetime:
    """When somebody is at work, now or next: what comes by the clock and isn't urgent is told then."""
    calendar = calendar_for(ctx.policy, tz=person.tz, country=person.country)
    return calendar.next_open(ctx.now)


def notify_about(
    ctx: Context,
    condition: ApprovalCondition,
    person_id: str,
    what: str,
    *,
    before: datetime | None = None,
) -> None:
    """A message of its own about a condition to one person. With `before` it waits until they are at work, unless that
    would be too late."""
    person = approvers.find_person(ctx.session, person_id)
    if person is not None:
        at = next_at_work(ctx, person)
        notifications.notify_person(
            ctx,
            condition.approval_id,
            person,
            what,
            condition.id,
            times=condition.revision,
            due_at=at if before is not None and at < before else None,
        )


# --- When a stage that waits speaks up
#
# reminders and escalation, counted from when it was asked.

REMIND = "approval.remind"
"""Somebody has not decided for a while. `seq` is the stage's position times a hundred and the number of the reminder."""
ESCALATE = "approval.escalate"
"""Nobody has decided a stage for long. `seq` is its position."""
LAPSE = "approval.lapse"
"""An approval holds no longer."""

_STEPS = 100


def start_stage_timers(ctx: Context, approval_id: int, stage: Stage, position: int) -> None:
    """Start the clocks of a stage that is asked now; nothing for a stage without any."""
    subject = notifications.subject(approval_id)
    for step, after in enumerate(stage.remind_after):
        timers.start(ctx.session, subject, REMIND, ctx.now + after, seq=position * _STEPS + step)
    if stage.escalation is not None:
        timers.start(ctx.session, subject, ESCALATE, ctx.now + stage.escalation.after, seq=position)


def restart_stage_timers(ctx: Context, approval_id: int, stage: Stage, position: int) -> None:
    """Start the clocks of a stage anew, whatever they had been before."""
    subject = notifications.subject(approval_id)
    start_stage_timers(ctx, approval_id, stage, position)
    for step, after in enumerate(stage.remind_after):
        seq = position * _STEPS + step
        timers.start_again(ctx.session, subject, REMIND, ctx.now + after, seq=seq)
    if stage.escalation is not None:
        at = ctx.now + stage.escalation.after
        timers.start_again(ctx.session, subject, ESCALATE, at, seq=position)


def position_of(seq: int) -> int:
    """The stage that a reminder is for."""
    return seq // _STEPS


# --- The end of a request
#
# the subject changes or stays, the timers stop, everybody concerned is told, all at once.

EXPIRE = "approval.expire"
"""The timer that ends a request which nobody decided."""


def end_request(
    ctx: Context,
    head: RequestRow,
    request: rules.Request,
    outcome: ApprovalState,
    *,
    decision_id: int = 0,
) -> None:
    """The subject changes or stays, the timers stop, and everybody who has a copy or asked is told: all at once."""
    subject, now = approvable.SUBJECTS[head.subject_type], ctx.now
    # The request is locked, then its subject, then timers, lanes and the ledger's head: one order everywhere, so that
    # two transactions never wait for each other.
    subject.lock(ctx.session, head.subject_id)
    timers.cancel(ctx.session, notifications.subject(head.id))
    valid_seconds = (head.bound or {}).get("valid_for")
    valid_until = (
        now + timedelta(seconds=valid_seconds)
        if valid_seconds is not None and outcome is ApprovalState.APPROVED
        else None
    )
    queries.advance(
        ctx.session,
        head.id,
        stage=request.stage,
        state=outcome,
        asked_at=head.asked_at,
        ended_at=now,
        valid_until=valid_until,
    )
    audit.record(
        ctx,
        f"approval.{outcome.value}",
        ("approval", head.id),
        gate=head.gate,
        about=[head.subject_type, head.subject_id],
        policy=head.policy_id,
        by_rule=(head.bound or {}).get("by_rule") or None,
        valid_until=valid_until.isoformat(timespec="microseconds") if valid_until else None,
    )
    if valid_until is not None:
        timers.start(ctx.session, notifications.subject(head.id), LAPSE, valid_until)
    if outcome is ApprovalState.APPROVED:
        subject.apply(ctx, head.id, head.subject_id, head.facts)
    else:
        subject.close(ctx, head.id, head.subject_id, head.facts, outcome=outcome)
    if head.has_more:
        _wind_up(ctx, head, outcome)
    outbox.refresh(ctx, notifications.subject(head.id))
    post_story(ctx, head, decision_id)
    if outcome is not ApprovalState.WITHDRAWN:
        notifications.notify_requester(ctx, head.id, head.requester_slack_id)
    heads.publish(ctx, reason_key=f"approval:{head.id}")


def _wind_up(ctx: Context, head: RequestRow, outcome: ApprovalState) -> None:
    """What was still open beside the decision ends with it; only an approval leaves its conditions."""
    question = activity.find_open_question(ctx.session, head.id)
    if question is not None:
        question.ended_at = ctx.now
        queries.set_columns(ctx.session, head.id, paused_at=None)
    if outcome is not ApprovalState.APPROVED:
        activity.drop_conditions(ctx.session, head.id, now=ctx.now)
    else:
        begin_conditions(ctx, head.id)


def pass_by_rule(ctx: Context, approval_id: int, project_id: int) -> None:
    """A request that the policy lets pass without asking anybody: approved as it is opened, and shown as such."""
    head = queries.lock_request(ctx.session, approval_id)[0]
    request = rules.Request(
        head.requester_id,
        ApprovalState.PENDING,
        0,
        head.revision,
        head.expires_at,
        (rules.Stage.of(head),),
    )
    notifications.post_passed_card(ctx, approval_id, project_id=project_id)
    end_request(ctx.as_system(), head, request, ApprovalState.APPROVED)


def ask_stage(
    ctx: Context,
    head: RequestRow,
    stage: rules.Stage,
    position: int,
    barred: Collection[str],
    *,
    expires_at: datetime,
    edition: int,
) -> dict[str, approvers.Reached]:
    """Ask a later stage, or one anew, without those who are `barred` from it; whom it asks, by id."""
    (asked,) = approvers.list_reached(ctx.session, [stage], ctx.org)
    asked = {id_: person for id_, person in asked.items() if id_ not in barred}
    notifications.ask_stage(
        ctx,
        head.id,
        stage,
        position,
        asked,
        project_id=head.project_id,
        has_card=head.card_id is not None,
        receipt_to=None,
        expires_at=expires_at,
        edition=edition,
    )
    return asked


def post_story(ctx: Context, head: RequestRow, decision_id: int) -> None:
    """One line in the thread under the channel's card."""
    notifications.post_story(ctx, head.id, decision_id, card_id=head.card_id, channel=head.channel)


def post_thread_line(
    ctx: Context, head: RequestRow, what: str, item_id: int, *, times: int = 0
) -> None:
    """One line in the thread about what somebody did beside deciding."""
    notifications.post_thread_line(
        ctx, head.id, what, item_id, card_id=head.card_id, channel=head.channel, times=times
    )


# --- Asking a stage anew
#
# verdicts count no more, the request goes back to that stage, and its people get new cards.


def reopen_stage(
    ctx: Context,
    head: RequestRow,
    request: rules.Request,
    position: int,
    *,
    void: set[int] | None = None,
) -> None:
    """Ask the stage at `position` anew; stages after it were decided on its word, so their verdicts are void too.

    `void` are ids of verdicts of that stage itself that count no more, None for all of them.
    """
    decided = queries.list_verdicts(ctx.session, head.id)
    gone = [
        row.id
        for row in decided
        if row.position > position
        or (row.position == position and (void is None or row.id in void))
    ]
    if gone:
        queries.void_decisions(ctx.session, gone, at=ctx.now)
    queries.advance(
        ctx.session, head.id, stage=position, state=ApprovalState.PENDING, asked_at=ctx.now
    )
    queries.set_columns(ctx.session, head.id, edition=head.edition + 1)
    outbox.refresh(ctx, notifications.subject(head.id))
    spent = {row.person_id for row in decided if row.id not in gone}
    ask_stage(
        ctx,
        head,
        request.stages[position],
        position,
        {*spent, request.requester_id, *request.apart},
        expires_at=request.expires_at,
        edition=head.edition + 1,
    )
    restart_stage_timers(ctx, head.id, request.stages[position], position)
