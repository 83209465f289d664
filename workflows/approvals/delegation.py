"""Naming a stand-in: what waits already reaches them, too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage.approvals import activity, queries
from storage.enums import Ask
from workflows import outbox
from workflows.approvals import approvers, completion, door, notifications, reads, rules
from workflows.approvals.approvers import AbsenceRecord, Away, Reached
from workflows.approvals.door import Entered
from workflows.approvals.forms import HandOver
from workflows.approvals.rules import Basis, Entitlement, Refusal, Vote
from workflows.approvals.stages import HANDED_OVER, PERSON, Approver, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput, NotFound


def plan_absence(ctx: Context, form: Away) -> AbsenceRecord:
    """Plan an absence, as `absences.record_absence` does; one that begins now brings a card for everything that waits."""
    absence_id = approvers.record_absence(ctx, form)
    absence = approvers.find_absence(ctx.session, absence_id)
    if absence is None:
        raise NotFound(approvers.NO_ABSENCE, hint="absences.own")
    stand_in = approvers.find_by_slack_id(ctx, form.stand_in)
    if absence.since > ctx.now or stand_in is None:
        return absence
    for approval_id in reads.list_waiting_ids(ctx):
        head, request = door.lock_request(ctx.session, approval_id)
        stage = request.current
        if (
            stage.delegate
            and stage.ask is not Ask.QUIET
            and stand_in.id not in {request.requester_id, *request.apart}
        ):
            notifications.ask_newcomer(
                ctx,
                head.id,
                request.stage,
                stand_in,
                f"away:{absence_id}",
                expires_at=request.expires_at,
            )
    return absence


# --- Giving one's place in a stage to somebody else, who is asked in one's stead

MOST_TRIED = 100
"""People who are tried as takers of a place; as many as a menu of Slack shows."""


def hand_over(ctx: Context, form: HandOver, at: Entered) -> str:
    """Somebody else is asked instead of whose place it is, who does not decide in this stage any more.

    A stand-in gives on the place of who is away, which is gone then for both.
    """
    head, request = at.head, at.request
    entitled = door.require_entitlement(at)
    taker = approvers.find_by_slack_id(ctx, form.to)
    if taker is None:
        raise InvalidInput(
            "That person is no full member of this organisation that mlgov knows. Choose somebody else.",
            field="to",
        )
    among = _list_among(ctx, head.gate)
    (trial,) = _prepare_trials(ctx, [taker], at, among)
    _require_taker(ctx, trial, at, among)
    given = _write_handed_over(taker, at, among)
    text = audit.write_text(ctx.session, ctx.actor, form.note, now=ctx.now) if form.note else None
    handover_id = activity.insert_handover(
        ctx.session,
        approval_id=head.id,
        position=request.stage,
        from_id=ctx.actor.id,
        to_id=taker.id,
        for_id=entitled.instead_of,
        note_id=text.id if text else None,
        created_at=ctx.now,
    )
    queries.set_approvers(
        ctx.session,
        head.id,
        request.stage,
        [approver.stored() for approver in (*request.current.approvers, *given)],
    )
    head, request = door.lock_request(ctx.session, head.id)
    queries.set_columns(ctx.session, head.id, has_more=True)
    audit.record(
        ctx,
        "approval.handed_over",
        ("approval", head.id),
        stage=request.stage,
        to=taker.id,
        instead_of=entitled.instead_of,
        place=None if entitled.place == ctx.actor.id else entitled.place,
        handover=handover_id,
        note=audit.text_fact(text) if text else None,
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    completion.post_thread_line(ctx, head, "handed_over", handover_id)
    notifications.ask_newcomer(
        ctx, head.id, request.stage, taker, f"handover:{handover_id}", expires_at=request.expires_at
    )
    principal = (
        approvers.find_person(ctx.session, entitled.instead_of) if entitled.instead_of else None
    )
    if principal is not None:
        return (
            f"{taker.name} is asked in {principal.name}'s place. "
            f"Neither you nor {principal.name} decide with it any more."
        )
    return f"{taker.name} is asked in your place. You don't decide in this stage any more."


@dataclass(frozen=True, slots=True)
class Takers:
    """Who could take somebody's place now. `others` is how many more might, where there are too many to try them all."""

    people: tuple[Reached, ...]
    others: int = 0


def list_takers(ctx: Context, at: Entered, *, query: str = "") -> Takers:
    """Whom `hand_over` would let take the actor's place, by name, as the mirror has them: at most 100 are tried, those
    whose names hold `query` (any case).

    How fresh Slack's word is counts when somebody is chosen, not when they are offered.
    """
    ctx = replace(ctx, fresh_since=None)
    among = _list_among(ctx, at.head.gate)
    stage = at.request.current
    asked = [replace(each, party=0) for each in rules.takers(stage, among)]
    pool = replace(stage, approvers=tuple(asked), parties=(), pinned=None)
    (reached,) = approvers.list_reached(ctx.session, [pool], ctx.org)
    candidates = sorted(
        (each for each in reached.values() if query.casefold() in each.name.casefold()),
        key=lambda each: (each.name.casefold(), each.id),
    )
    fit = []
    for trial in _prepare_trials(ctx, candidates[:MOST_TRIED], at, among):
        try:
            _require_taker(ctx, trial, at, among)
        except InvalidInput:
            continue
        fit.append(trial.taker)
    return Takers(tuple(fit), len(candidates[MOST_TRIED:]))


def _write_handed_over(taker: Reached, at: Entered, among: tuple[str, ...]) -> list[Approver]:
    """What the stage keeps of a place that goes to somebody."""
    entitled = door.require_entitlement(at)
    holder_id = entitled.instead_of or at.rows[0].id
    return [
        Approver(HANDED_OVER, (PERSON + taker.id,), party, holder_id, among)
        for party in entitled.parties
    ]


@dataclass(frozen=True, slots=True)
class _Trial:
    """Somebody as a taker of a place, with all that has to be read to say whether they can take it."""

    taker: Reached
    standing: rules.Standing
    givers: rules.Standings
    falls_short: bool
    """Whether too few people could decide then who can now."""


def _prepare_trials(
    ctx: Context, takers: Sequence[Reached], at: Entered, among: tuple[str, ...]
) -> list[_Trial]:
    """In as many statements for a hundred people as for one."""
    request, stage = at.request, at.request.current
    standings = approvers.list_standings(ctx.session, [taker.id for taker in takers])
    givers = approvers.list_givers(ctx.session, [stage])

    def after(taker: Reached) -> rules.Request:
        stages = list(request.stages)
        stages[request.stage] = replace(
            stage, approvers=(*stage.approvers, *_write_handed_over(taker, at, among))
        )
        return replace(request, stages=tuple(stages))

    was_short, *are_short = _find_shortages(ctx, [request, *map(after, takers)], at.votes)
    return [
        _Trial(taker, standings[taker.id], givers, is_short and not was_short)
        for taker, is_short in zip(takers, are_short, strict=True)
    ]


def _require_taker(ctx: Context, trial: _Trial, at: Entered, among: tuple[str, ...]) -> None:
    """Whether somebody can take the actor's place: the one rule for who is offered and who is taken. Raises
    InvalidInput."""
    taker = trial.taker
    _require_fit(ctx, trial, at, among)
    if taker.id == door.require_entitlement(at).instead_of:
        raise InvalidInput(
            f"That is {taker.name}'s own place, which they have already. Choose somebody else.",
            field="to",
        )
    if trial.falls_short:
        raise InvalidInput(
            "Too few people could then decide this: that person is needed beside you, not instead of you. Choose somebody else.",
            field="to",
        )


def _list_among(ctx: Context, gate: str) -> tuple[str, ...]:
    """Whom the policy lets take a place at this gate, beside those whom the stage asks."""
    words = approvers.resolve_words(ctx, {}, None)
    return tuple(who for word in ctx.policy.gate(gate).hand_over_to for who in words.of(word).who)


def _require_fit(ctx: Context, trial: _Trial, at: Entered, among: tuple[str, ...]) -> None:
    """The new person must be one whom the stage asks anyway, or one whom the policy lets take over, for long enough."""
    request, stage = at.request, at.request.current
    taker, standing = trial.taker, trial.standing
    if taker.id == ctx.actor.id:
        raise InvalidInput("That is you. Choose somebody else.", field="to")
    if taker.id == request.requester_id:
        raise InvalidInput(
            f"{taker.name} asked for this, so they can't decide it. Choose somebody else.",
            field="to",
        )
    if taker.id in request.apart:
        raise InvalidInput(
            f"{taker.name} took part in what is asked, so they can't decide it. Choose somebody else.",
            field="to",
        )
    if taker.id in door.list_spent(at.decided):
        raise InvalidInput(
            f"{taker.name} has decided on this already, and nobody decides twice. Choose somebody else.",
            field="to",
        )
    if any(approver.by == taker.id for approver in stage.approvers):
        raise InvalidInput(
            f"{taker.name} gave their own place away, so it can't go back to them. Choose somebody else.",
            field="to",
        )
    door.require_fresh(ctx, (Basis(standing),))
    admitted = rules.admitted(stage, rules.takers(stage, among), standing, ctx.now)
    if isinstance(admitted, Entitlement):
        door.require_fresh(ctx, admitted.basis)
        _require_one_group(ctx, trial, at)
        return
    door.require_slack_asked(ctx, (Basis(standing),), (*among, *_list_asked(stage)))
    if admitted is Refusal.TOO_NEW:
        raise InvalidInput(
            f"{taker.name} has not been in their group for long enough to decide this. Choose somebody else.",
            field="to",
        )
    raise InvalidInput(
        f"{taker.name} is not among those who may decide this. Choose somebody whom the stage {stage.name} asks.",
        field="to",
    )


def _require_one_group(ctx: Context, trial: _Trial, at: Entered) -> None:
    """Who decides for one group of a stage takes no place in another: they decide once, and one of them would be lost."""
    theirs = rules.admission(at.request.current, trial.standing, ctx.now, trial.givers)
    if isinstance(theirs, Entitlement) and set(theirs.parties) != set(
        door.require_entitlement(at).parties
    ):
        raise InvalidInput(
            f"{trial.taker.name} decides in this stage already, for another of its groups. Choose somebody else.",
            field="to",
        )


def _list_asked(stage: Stage) -> list[str]:
    return [who for approver in stage.own for who in approver.who]


def _find_shortages(
    ctx: Context, requests: Sequence[rules.Request], votes: Sequence[Vote]
) -> list[bool]:
    """Of each of these shapes of one request, whether the stages that are left could not pass any more with those who
    could decide in them now."""
    stages = [stage for each in requests for stage in each.stages[each.stage :]]
    reached = iter(
        approvers.list_reached_parties(ctx.session, stages, ctx.org, by=requests[0].expires_at)
    )
    return [
        _is_short(request, [next(reached) for _ in request.stages[request.stage :]], votes)
        for request in requests
    ]


def _is_short(
    request: rules.Request, reached: Sequence[Sequence[dict[str, Reached]]], votes: Sequence[Vote]
) -> bool:
    stages = request.stages[request.stage :]
    barred = {vote.person_id for vote in votes} | {request.requester_id, *request.apart}
    now = rules.list_holders(request, votes, reached[0], barred)
    plan = [rules.ways(stages[0], now)] + [
        rules.ways(stage, [party.keys() - barred for party in parties])
        for stage, parties in zip(stages[1:], reached[1:], strict=True)
    ]
    return rules.shortage_in(plan) is not None
