"""What happens to a stage that nobody has decided for long, and to an approval that holds no longer."""

from dataclasses import replace
from datetime import datetime, timedelta

from storage.approvals import activity, queries
from storage.enums import ApprovalState, Ask
from workflows import outbox, rollout, timers
from workflows.approvals import approvers, completion, door, notifications, reads, refusals, rules
from workflows.approvals.approvers import Reached
from workflows.approvals.door import Entered, list_votes, lock_request
from workflows.approvals.forms import Nudge
from workflows.approvals.notices import ApprovalEscalated, ApprovalsDue, ApprovalValidityEnded
from workflows.approvals.records import Card, Reminder
from workflows.approvals.service import mask_named
from workflows.approvals.stages import Escalation, Stage
from workflows.audit import service as audit
from workflows.calendar import calendar_for
from workflows.context import Context
from workflows.errors import GovernanceError
from workflows.outbox import Destination, Subject


def escalate_stage(ctx: Context, approval_id: int, position: int) -> None:
    """A stage waited too long: add people, replace those who were asked, or tell somebody, as it was bound."""
    head, request = lock_request(ctx.session, approval_id)
    is_over = request.state is not ApprovalState.PENDING or ctx.now >= request.expires_at
    stage = request.current
    escalation = stage.escalation
    if is_over or request.stage != position or stage.escalated or escalation is None:
        return
    barred = door.list_spent(queries.list_verdicts(ctx.session, approval_id))
    barred |= {request.requester_id, *request.apart}
    coming = tuple(replace(one, is_late=True) for one in escalation.approvers)
    # Who would never be counted is not asked; who is only told need not be counted.
    is_asked = escalation.way != "notify"
    (parties,) = approvers.list_reached_parties(
        ctx.session,
        [
            replace(stage, approvers=coming)
            if is_asked
            else replace(stage, approvers=coming, pinned=None)
        ],
        ctx.org,
        by=request.expires_at if is_asked else None,
    )
    reached = {id_: one for party in parties for id_, one in party.items()}
    who = {id_: one for id_, one in reached.items() if id_ not in barred}
    changed = _apply_escalation(stage, escalation, who)
    activity.set_stage(
        ctx.session,
        approval_id,
        position,
        approvers=changed.stored()["approvers"],
        rules=changed.stored()["rules"],
    )
    audit.record(
        ctx.as_system(),
        "approval.escalated",
        ("approval", approval_id),
        stage=position,
        way=escalation.way,
        rules=[mask_named(one.rule) for one in escalation.approvers],
        people=len(who),
    )
    subject = notifications.subject(approval_id)
    outbox.refresh(ctx, subject)
    notifications.refresh_showing(ctx, approval_id)
    if not who:
        return
    if escalation.way == "replace":
        queries.advance(
            ctx.session,
            approval_id,
            stage=position,
            state=ApprovalState.PENDING,
            asked_at=head.asked_at,
        )
    if escalation.way == "notify":
        _notify(ctx, approval_id, position, who)
    else:
        notifications.ask_people(ctx, approval_id, position, who, expires_at=request.expires_at)
    if head.card_id is not None and head.channel is not None:
        outbox.post(
            ctx.session,
            ApprovalEscalated(approval_id, position, ""),
            to=Destination.channel(ctx.org, head.channel),
            dedupe_key=f"approval:{approval_id}:escalated:{position}",
            now=ctx.now,
            thread_of=head.card_id,
        )


def _apply_escalation(stage: Stage, escalation: Escalation, who: dict[str, Reached]) -> Stage:
    if escalation.way == "notify" or not who:
        return replace(stage, escalated=True)
    kept = stage.approvers if escalation.way == "add" else ()
    coming = tuple(replace(one, is_late=True) for one in escalation.approvers)
    return replace(stage, approvers=kept + coming, escalated=True)


def _notify(ctx: Context, approval_id: int, position: int, who: dict[str, Reached]) -> None:
    for person in sorted(who.values(), key=lambda person: person.slack_id):
        rollout.message_unasked(
            ctx,
            person.id,
            ApprovalEscalated(approval_id, position, person.id),
            to=Destination.person(ctx.org, person.slack_id),
            dedupe_key=f"approval:{approval_id}:late:{position}:{person.id}",
        )


def end_validity(ctx: Context, approval_id: int) -> None:
    """The time for which an approval holds is over: it is said, on the ledger and to whoever asked."""
    head, request = lock_request(ctx.session, approval_id)
    if request.state is not ApprovalState.APPROVED:
        return
    audit.record(
        ctx.as_system(), "approval.validity_ended", ("approval", approval_id), gate=head.gate
    )
    outbox.refresh(ctx, notifications.subject(approval_id))
    if head.requester_slack_id:
        outbox.post(
            ctx.session,
            ApprovalValidityEnded(approval_id),
            to=Destination.person(ctx.org, head.requester_slack_id),
            dedupe_key=f"approval:{approval_id}:validity_ended",
            now=ctx.now,
        )


# --- Reminders
#
# everything that is due for somebody comes as one message, in their working hours, earliest
# first.

TELL = "approval.tell_due"
"""The timer of a person who has something to be reminded of; its subject is `deciding`, the person."""
DECIDING = "deciding"


def plan_reminders(ctx: Context, approval_id: int, position: int) -> None:
    """A stage's reminder fell due: those who have not decided are told at their next working moment."""
    _, request = lock_request(ctx.session, approval_id)
    is_over = request.state is not ApprovalState.PENDING or ctx.now >= request.expires_at
    if is_over or request.stage != position or request.current.ask is Ask.QUIET:
        return
    votes = list_votes(ctx.session, approval_id)
    decided = {vote.person_id for vote in votes}
    barred = decided | {request.requester_id, *request.apart}
    approved = rules.counts(request.current, rules.approvals(votes, position))
    (parties,) = approvers.list_reached_parties(ctx.session, [request.current], ctx.org)
    for index, party in enumerate(parties):
        if approved[index] >= request.current.quorums[index]:
            continue
        for person_id in sorted(party.keys() - barred):
            person = party[person_id]
            calendar = calendar_for(ctx.policy, tz=person.tz, country=person.country)
            timers.keep_going(
                ctx.session, Subject(DECIDING, person_id), TELL, calendar.next_open(ctx.now)
            )


def send_reminder(ctx: Context, person_id: str) -> None:
    """One message with everything whose reminder came since the last one; nothing when all of it was decided."""
    person = approvers.find_person(ctx.session, person_id)
    if person is None:
        return
    calendar = calendar_for(ctx.policy, tz=person.tz, country=person.country)
    if not calendar.is_open(ctx.now):
        at = calendar.next_open(ctx.now)
        timers.keep_going(ctx.session, Subject(DECIDING, person_id), TELL, at)
        return
    last = activity.find_last_reminder(ctx.session, person_id)
    waiting = reads.list_waiting(ctx, person_id)
    due_cards = [
        card
        for card in waiting
        if card.round.ask is not Ask.QUIET
        and any(at <= ctx.now and (last is None or at > last) for at in card.round.remind_at)
    ]
    if not due_cards:
        return
    reminder_id = activity.insert_reminder(
        ctx.session, person_id, [card.id for card in due_cards], ctx.now
    )
    outbox.post(
        ctx.session,
        ApprovalsDue(reminder_id),
        to=Destination.person(ctx.org, person.slack_id),
        dedupe_key=f"approval:reminder:{reminder_id}",
        now=ctx.now,
        subject=Subject.of("approval_reminder", reminder_id),
        expires_at=max(card.expires_at for card in due_cards),
    )


def read_reminder(ctx: Context, reminder_id: int) -> Reminder | None:
    """A reminder as it stands now: what it shows, the most urgent first, and when the next one comes."""
    person_id = activity.find_reminded(ctx.session, reminder_id)
    if person_id is None:
        return None
    cards = reads.cards(ctx, activity.list_items(ctx.session, reminder_id), reader_id=person_id)
    by_urgency = tuple(sorted(cards, key=lambda card: (card.expires_at, card.id)))
    return Reminder(by_urgency, _find_next(by_urgency, ctx.now))


def _find_next(cards: tuple[Card, ...], now: datetime) -> datetime | None:
    later = [
        at
        for card in cards
        if card.reader is not None and card.reader.why and card.reader.line is None
        for at in card.round.remind_at
        if at > now
    ]
    return min(later, default=None)


# --- The requester reminds those who have not decided
#
# seldom, and never those who are asked quietly.

NOT_YOURS = "Only the person who asked for this can nudge."
EVERY = timedelta(hours=24)
"""Between two nudges of one request."""


class TooSoon(GovernanceError):
    """They were nudged less than a day ago."""


def nudge_approvers(ctx: Context, form: Nudge, at: Entered) -> str:
    """Everybody whom the stage asks and who has not decided gets the card once more."""
    head, request = at.head, at.request
    subject = ("approval", head.id)
    if head.paused_at is not None:
        raise GovernanceError(
            "This waits for your answer, so nobody else can do anything now. Answer the question, and it goes on."
        )
    stage = request.stages[request.stage]
    if stage.ask is Ask.QUIET:
        raise GovernanceError(
            f"{refusals.clear_name(stage.name)} is asked quietly: they look when it suits them, and are not messaged."
        )
    if head.nudged_at is not None and ctx.now < head.nudged_at + EVERY:
        raise TooSoon(
            f"You nudged on {refusals.format_moment(head.nudged_at, ctx.actor)}. You can again from "
            f"{refusals.format_moment(head.nudged_at + EVERY, ctx.actor)}."
        )
    (asked,) = approvers.list_reached(ctx.session, [stage], ctx.org)
    decided = door.list_spent(at.decided)
    for person_id in {*decided, request.requester_id, *request.apart}:
        asked.pop(person_id, None)
    queries.set_columns(ctx.session, head.id, nudged_at=ctx.now)
    times = int(ctx.now.timestamp())
    audit.record(ctx, "approval.nudged", subject, stage=request.stage, people=len(asked))
    outbox.refresh(ctx, notifications.subject(head.id))
    for person in sorted(asked.values(), key=lambda each: each.slack_id):
        notifications.notify_person(ctx, head.id, person, "nudge", request.stage, times=times)
    completion.post_thread_line(ctx, head, "nudged", request.stage, times=times)
    many = "1 person was" if len(asked) == 1 else f"{len(asked)} people were"
    return f"{many} reminded. You can nudge again from {refusals.format_moment(ctx.now + EVERY, ctx.actor)}."
