"""Deciding, withdrawing and expiring requests, and whether one that waits can still pass."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState, Verdict
from workflows import clock, outbox, permissions, rollout
from workflows.approvals import (
    approvers,
    completion,
    door,
    notifications,
    reads,
    refusals,
    rereading,
    rules,
    submission,
)
from workflows.approvals.approvers import Reached, list_fallback
from workflows.approvals.door import Entered
from workflows.approvals.forms import Decide, TakeBack, Withdraw
from workflows.approvals.refusals import CommentNeeded
from workflows.approvals.rereading import Reading
from workflows.approvals.rules import Entitlement, Refusal, Request, Step, Vote
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput, NotAllowed

# --- Taking back one's own decision, while the request is pending

NOTHING_TO_TAKE_BACK = "You have not decided on this, so there is nothing to take back."


def require_decided(ctx: Context, form: TakeBack, at: Entered) -> None:
    """Only who has decided."""
    if not any(row.person_id == ctx.actor.id for row in at.decided):
        raise NotAllowed(NOTHING_TO_TAKE_BACK, hint="approvals.waiting")


def take_back_decision(ctx: Context, form: TakeBack, at: Entered) -> str:
    """This person's verdict counts no more; they can decide anew. What they are told.

    Where the request has gone on to another stage it comes back, and who decided there since is asked again: they
    decided on the word of a stage that has not passed any more.
    """
    head, request = at.head, at.request
    mine = next(row for row in at.decided if row.person_id == ctx.actor.id)
    activity.drop_conditions(ctx.session, head.id, now=ctx.now, decision_ids=[mine.id])
    audit.record(
        ctx,
        "approval.taken_back",
        ("approval", head.id),
        decision=mine.id,
        verdict=mine.verdict,
        stage=mine.position,
        back_from=request.stage,
    )
    completion.post_thread_line(ctx, head, "taken_back", mine.id)
    if mine.position < request.stage:
        completion.reopen_stage(ctx, head, request, mine.position, void={mine.id})
        return (
            f"You took your approval back. The request is with {request.stages[mine.position].name} again, "
            "and who decided after you is asked anew."
        )
    queries.void_decisions(ctx.session, [mine.id], at=ctx.now)
    outbox.refresh(ctx, notifications.subject(head.id))
    return "You took your approval back. You can decide again while the request waits."


# --- Deciding, withdrawing and expiring requests


def decide(ctx: Context, form: Decide, at: Entered) -> str:
    """Count one verdict. Raises GovernanceError where it does not count, or not on what was shown."""
    head, request, votes = at.head, at.request, at.votes
    entitled = door.require_entitlement(at)
    if head.paused_at is not None and form.verdict is Verdict.APPROVE:
        raise refusals.wait_for_answer(reads.card(ctx, head.id))
    reading: Reading | None = None
    if form.verdict is Verdict.APPROVE:
        now = rereading.reread_subject(ctx, head)
        rereading.require_unmoved(now.moved)
        reading = rereading.require_as_shown(ctx, at, now.again)
    if form.verdict is Verdict.REJECT and not form.reason:
        raise InvalidInput(
            "Say in a sentence why you reject it; the requester reads it.", field="reason"
        )
    if form.verdict is Verdict.APPROVE and request.current.comment and not form.reason:
        raise CommentNeeded(
            "This stage asks for a comment: say in a sentence why you approve. Nothing was changed.",
            field="reason",
        )
    step = rules.step(request, votes, form.verdict, entitled.parties)
    if isinstance(step, Refusal):
        raise door.build_refusal(ctx, step, head.id)
    if step in (Step.NEXT_STAGE, Step.APPROVED):
        decided = {ctx.actor.id, *(vote.person_id for vote in votes)}
        request = rereading.restage_request(ctx, at, reading, decided)
        step = rules.step(request, votes, form.verdict, entitled.parties)
    if step in (Step.WAITS, Step.NEXT_STAGE) and any(
        rules.entitlement(stage.approvers, approvers.build_standing(at.rows))
        for stage in request.stages[request.stage + 1 :]
    ):
        _require_dispensable(ctx, head, request, votes, entitled)
    decision_id, is_shown = _record_decision(ctx, form, entitled, head)
    if form.conditions and form.verdict is Verdict.APPROVE:
        completion.keep_conditions(ctx, head.id, decision_id, form.conditions)
        head, request = door.lock_request(ctx.session, head.id)
    if step is Step.WAITS:
        outbox.refresh(ctx, notifications.subject(head.id))
        completion.post_story(ctx, head, decision_id)
    elif step is Step.NEXT_STAGE:
        decided = {ctx.actor.id, *(vote.person_id for vote in votes)}
        _ask_next_stage(ctx, head, request, decision_id, decided)
    else:
        outcome = ApprovalState.APPROVED if step is Step.APPROVED else ApprovalState.REJECTED
        completion.end_request(ctx, head, request, outcome, decision_id=decision_id)
    if is_shown:
        notifications.refresh_showing(ctx, head.id)
    return "Your decision is on record."


def withdraw(ctx: Context, form: Withdraw, at: Entered) -> str:
    """The requester takes the request back."""
    completion.end_request(ctx, at.head, at.request, ApprovalState.WITHDRAWN)
    return "You withdrew the request. Nobody decides it any more."


def withdraw_for_erasure(ctx: Context, approval_id: int) -> None:
    """End a request that waits, as withdrawn: who asked or decided in it was erased, and would come back as a stranger
    to it. Does nothing when it has ended."""
    head, request = door.lock_request(ctx.session, approval_id)
    if request.state is ApprovalState.PENDING:
        completion.end_request(ctx.as_system(), head, request, ApprovalState.WITHDRAWN)
        notifications.refresh_showing(ctx, approval_id)


def expire(ctx: Context, approval_id: int) -> None:
    """Nobody decided in time. Does nothing when the request has ended or is not due yet."""
    head, request = door.lock_request(ctx.session, approval_id)
    if request.state is ApprovalState.PENDING and ctx.now >= request.expires_at:
        completion.end_request(ctx.as_system(), head, request, ApprovalState.EXPIRED)
        notifications.refresh_showing(ctx, approval_id)


def redraw_card(ctx: Context, approval_id: int) -> None:
    """Somebody clicked on a card that is not what it was: draw it (`ctx.card`), and all others, as they are now."""
    outbox.refresh(ctx, notifications.subject(approval_id))
    notifications.refresh_showing(ctx, approval_id)


def _require_dispensable(
    ctx: Context,
    head: RequestRow,
    request: rules.Request,
    votes: Sequence[Vote],
    entitled: Entitlement,
) -> None:
    """Refuse an approval that would leave too few others for a later stage, while somebody else could give it."""
    stages = request.stages[request.stage :]
    decided = {vote.person_id for vote in votes}
    barred = decided | {request.requester_id, *request.apart}
    reached = approvers.list_reached_parties(ctx.session, stages, ctx.org, by=request.expires_at)
    now = [
        party | {ctx.actor.id} if index in entitled.parties else party
        for index, party in enumerate(rules.list_holders(request, votes, reached[0], barred))
    ]
    later = [[party.keys() - barred for party in parties] for parties in reached[1:]]

    def short(without: set[str]) -> bool:
        plan = [rules.ways(stages[0], now)] + [
            rules.ways(stage, [party - without for party in parties])
            for stage, parties in zip(stages[1:], later, strict=True)
        ]
        return rules.shortage_in(plan) is not None

    before, after = short(set()), short({ctx.actor.id})
    if after and not before:
        raise door.build_refusal(ctx, Refusal.NEEDED_LATER, head.id)


def _record_decision(
    ctx: Context, form: Decide, entitled: Entitlement, head: RequestRow
) -> tuple[int, bool]:
    reason = (
        audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now) if form.reason else None
    )
    via = entitled.group.slack_id if entitled.group else None
    read_at = clock.governed(ctx.session, entitled.read_at) if entitled.read_at else None
    shown_digest = rules.digest(head.facts)
    kept = queries.insert_decision(
        ctx.session,
        approval_id=form.approval_id,
        person_id=ctx.actor.id,
        position=head.stage,
        verdict=form.verdict.value,
        reason_id=reason.id if reason else None,
        rule=mask_named(entitled.rule),
        via=via,
        membership_read_at=read_at,
        parties=None if entitled.parties == (0,) else list(entitled.parties),
        decided_at=ctx.now,
        for_id=entitled.instead_of,
        place_id=None if entitled.place == ctx.actor.id else entitled.place,
        shown=shown_digest,
    )
    audit.record(
        ctx,
        "approval.decided",
        ("approval", form.approval_id),
        verdict=form.verdict.value,
        stage=head.stage,
        revision=form.revision,
        shown=shown_digest,
        instead_of=entitled.instead_of,
        place=None if entitled.place == ctx.actor.id else entitled.place,
        rule=mask_named(entitled.rule),
        via=via,
        membership_read_at=read_at.isoformat(timespec="microseconds") if read_at else None,
        reason=audit.text_fact(reason) if reason else None,
    )
    return kept


def _ask_next_stage(
    ctx: Context, head: RequestRow, request: rules.Request, decision_id: int, decided: set[str]
) -> None:
    position = request.stage + 1
    queries.advance(
        ctx.session, head.id, stage=position, state=ApprovalState.PENDING, asked_at=ctx.now
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_story(ctx, head, decision_id)
    completion.ask_stage(
        ctx,
        head,
        request.stages[position],
        position,
        {*decided, request.requester_id, *request.apart},
        expires_at=request.expires_at,
        edition=head.edition,
    )
    start = completion.restart_stage_timers if head.edition else completion.start_stage_timers
    start(ctx, head.id, request.stages[position], position)


def mask_named(word: str) -> str:
    """A rule's word for the ledger, which never names anybody: a Slack id becomes `named`."""
    return "named" if word.startswith(("U", "W")) else word


# --- Whether a request that waits can still pass
#
# looked at whenever people, their groups, absences or the policy change. Who could decide when
# it was asked may have left since. Then the policy's fallback is asked; where there's none, or
# it reaches too few, whoever asked and the administrators hear it at once instead of waiting
# until it expires.

STUCK = "stuck"
"""What a note is about that says that nobody is left to decide."""


def recheck(ctx: Context, approval_id: int) -> bool:
    """Read again what a request is about and rests on, and do what follows; whether anything was different.

    Where the subject isn't what was asked about any more, the requester is asked. Stages that the record demands now are
    added, its cards show what changed, and people are told and asked anew as its gate says. Where nobody is left to
    decide, the fallback is asked, or that is told.
    """
    looks = (rereading.recheck_subject, rereading.recheck_facts, recheck_passable)
    changed = [look(ctx, approval_id) for look in looks]
    is_changed = any(changed)
    if is_changed:
        notifications.refresh_showing(ctx, approval_id)
    return is_changed


def recheck_passable(ctx: Context, approval_id: int) -> bool:
    """Take the fallback of each stage that could not pass any more, and tell of one that can't even so; once a stage.

    Whether the request is another one now.
    """
    head, request = door.lock_request(ctx.session, approval_id)
    if request.state is not ApprovalState.PENDING or ctx.now >= request.expires_at:
        return False
    is_changed = False
    decided = queries.list_verdicts(ctx.session, approval_id)
    stages = list(request.stages[request.stage :])
    while (short := _find_shortage(ctx, request, stages, decided)) is not None:
        stage, position = stages[short.position], request.stage + short.position
        filled = None if stage.fallback else _add_fallback(ctx, head, stage)
        if filled is None:
            _report_stuck(ctx, head, request, position, short)
            return is_changed
        stages[short.position] = filled
        _fall_back(ctx, head, request, position, filled, decided)
        is_changed = True
    return is_changed


def _find_shortage(
    ctx: Context, request: Request, stages: Sequence[Stage], decided: Sequence[VerdictRow]
) -> rules.Shortage | None:
    """The first stage that has too few people left for the places that are still open in it."""
    reached = approvers.list_reached_parties(ctx.session, stages, ctx.org, by=request.expires_at)
    barred = door.list_spent(decided) | {request.requester_id, *request.apart}
    ways = []
    for index, (stage, parties) in enumerate(zip(stages, reached, strict=True)):
        needs: list[rules.Need] = [
            (
                max(0, quorum - (_count_given(request, decided, party) if not index else 0)),
                parties[party].keys() - barred,
            )
            for party, quorum in enumerate(stage.quorums)
        ]
        ways.append([[need] for need in needs] if stage.mode == "any" else [needs])
    return rules.shortage_in(ways)


def _count_given(request: Request, decided: Sequence[VerdictRow], party: int) -> int:
    """How many approvals a group of the stage that is asked now has."""
    return sum(
        row.position == request.stage
        and row.verdict == Verdict.APPROVE.value
        and party in (row.parties or (0,))
        for row in decided
    )


def _add_fallback(ctx: Context, head: RequestRow, stage: Stage) -> Stage | None:
    """The stage with those who decide in place of nobody, by the policy that the request is bound to."""
    policy = rereading.load_bound_policy(ctx, head)
    gate = policy.gates.get(head.gate)
    if gate is None or all(one.name != stage.name for one in gate.stages):
        return None
    words = approvers.resolve_words(
        replace(ctx, policy=policy), Bound.of(head.bound).people, head.requester_id
    )
    spare = tuple(replace(one, is_late=True) for one in list_fallback(gate, stage.name, words))
    if not spare:
        return None
    return submission.add_fallback(stage, spare)


def _fall_back(
    ctx: Context,
    head: RequestRow,
    request: Request,
    position: int,
    stage: Stage,
    decided: Sequence[VerdictRow],
) -> None:
    stored = stage.stored()
    activity.set_stage(
        ctx.session, head.id, position, approvers=stored["approvers"], rules=stored["rules"]
    )
    audit.record(
        ctx.as_system(),
        "approval.fallback",
        ("approval", head.id),
        stage=position,
        rules=[mask_named(one.rule) for one in stage.fallback],
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    if position != request.stage:
        return
    barred = door.list_spent(decided) | {request.requester_id, *request.apart}
    (parties,) = approvers.list_reached_parties(
        ctx.session, [replace(stage, approvers=stage.fallback)], ctx.org, by=request.expires_at
    )
    coming: Mapping[str, Reached] = {
        id_: one for party in parties for id_, one in party.items() if id_ not in barred
    }
    notifications.ask_people(ctx, head.id, position, coming, expires_at=request.expires_at)


def _report_stuck(
    ctx: Context, head: RequestRow, request: Request, position: int, short: rules.Shortage
) -> None:
    """Say it to whoever asked and to each administrator, once for the stage; on the ledger, too."""
    whom = {
        person_id: person
        for person_id in (request.requester_id, *permissions.list_holders(ctx, rollout.ADMIN))
        if (person := approvers.find_person(ctx.session, person_id)) is not None
    }
    note_ids = [
        notifications.notify_person(ctx, head.id, person, STUCK, position)
        for _, person in sorted(whom.items())
    ]
    if any(one is not None for one in note_ids):
        audit.record(
            ctx.as_system(),
            "approval.stuck",
            ("approval", head.id),
            stage=position,
            people=short.found,
        )
