"""Why each person could or could not decide a request."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from storage.approvals import activity, queries
from storage.approvals.activity import PastRow
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState
from storage.enums import Verdict as Decided
from workflows import handles, outbox, resting, timers
from workflows.approvals import approvers, completion, notifications, reads, rules, submission
from workflows.approvals.approvers import PolicyWords, bind_stages, find_passing_rule
from workflows.approvals.completion import EXPIRE
from workflows.approvals.door import list_votes, lock_request
from workflows.approvals.records import Card
from workflows.approvals.rules import Entitlement, Refusal
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError
from workflows.handles import Meant
from workflows.policy import root
from workflows.policy.conditions import FACTS

_DID = {Decided.APPROVE: "approved", Decided.REJECT: "rejected"}
_WHY = {
    Refusal.REQUESTER: "asked for this, and nobody decides their own request",
    Refusal.APART: "took part in it as {part}, and the policy wants somebody else",
    Refusal.TOO_NEW: "is too new in {group}",
    Refusal.PART_DONE: "belongs to a group of this stage that has approved already",
    Refusal.PLACE_USED: "has no place in this stage any more: it went to somebody else, or has been used",
    Refusal.NO_MEMBER: "is no full, active member of the organisation",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one person stands to one stage."""

    name: str
    can: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A request, and for each stage everybody whom it could concern."""

    card: Card
    stages: tuple[tuple[str, tuple[Verdict, ...]], ...]


def explain_request(ctx: Context, approval_id: int) -> Explained:
    """Why each person could or could not decide a request: everybody whom a stage names, who asked or took part.

    Raises NotFound.
    """
    card = reads.card(ctx, approval_id)
    head = queries.list_cards(ctx.session, [card.id])[card.id]
    stages = [Stage.of(row) for row in queries.list_stages(ctx.session, [card.id])[card.id]]
    bound = Bound.of(head.bound)
    open_ = approvers.list_reached(
        ctx.session, [replace(stage, pinned=None) for stage in stages], ctx.org
    )
    concerned = {one for each in open_ for one in each}
    concerned |= {card.requester.id, *bound.apart}
    votes = list_votes(ctx.session, card.id)
    concerned |= {vote.person_id for vote in votes}
    names = activity.list_names(ctx.session, sorted(concerned))
    standings = [
        (names[id_], standing)
        for id_, standing in sorted(approvers.list_standings(ctx.session, concerned).items())
    ]
    givers = approvers.list_givers(ctx.session, stages)
    explained = []
    for position, stage in enumerate(stages):
        verdicts = []
        for name, standing in sorted(standings, key=lambda each: each[0]):
            judged = _judge_person(card, bound, votes, stage, position, standing, ctx.now, givers)
            if judged is not None:
                verdicts.append(Verdict(name, *judged))
        explained.append((stage.name, tuple(verdicts)))
    return Explained(card, tuple(explained))


def _judge_person(
    card: Card,
    bound: Bound,
    votes: list[rules.Vote],
    stage: Stage,
    position: int,
    standing: rules.Standing,
    now: datetime,
    givers: rules.Standings,
) -> tuple[bool, str] | None:
    """Whether they can decide this stage and why; None for somebody whom it does not concern."""
    entitled = rules.entitlement(stage.approvers, standing)
    mine = next((vote for vote in votes if vote.person_id == standing.person_id), None)
    if entitled is None:
        return None
    through = f"by `{entitled.rule}`" + (
        f" as a member of {entitled.group.name}" if entitled.group else ""
    )
    if mine is not None:
        where = "here" if mine.position == position else "in another stage"
        return False, f"{_DID[mine.verdict]} {where}, and nobody decides twice"
    if not standing.is_member:
        return False, f"{_WHY[Refusal.NO_MEMBER]} ({through})"
    if standing.person_id == card.requester.id:
        return False, f"{_WHY[Refusal.REQUESTER]} ({through})"
    if (part := bound.apart.get(standing.person_id)) is not None:
        return False, f"{_WHY[Refusal.APART].format(part=part)} ({through})"
    admitted = rules.admission(stage, standing, now, givers)
    if admitted is None:
        return False, f"{_WHY[Refusal.PLACE_USED]} ({through})"
    if not isinstance(admitted, Entitlement):
        group = entitled.group.name if entitled.group else "the group"
        return False, f"{_WHY[Refusal.TOO_NEW].format(group=group)} ({through})"
    if admitted.place in rules.places_used(votes, position):
        return False, f"{_WHY[Refusal.PLACE_USED]} ({through})"
    gave = rules.approvals(votes, position)
    if rules.is_passed(stage, gave) or rules.given(stage, [*gave, admitted.parties]) == rules.given(
        stage, gave
    ):
        return False, f"{_WHY[Refusal.PART_DONE]} ({through})"
    if not card.is_pending:
        return False, f"could have decided, {through}; the request has ended"
    if position != card.stage:
        when = "later, when this stage is asked" if position > card.stage else "before"
        return position > card.stage, f"can decide {when}, {through}"
    return True, f"can decide now, {through}"


# --- Requests under another policy
#
# what past ones would have met, and open ones moved over.

Effect = Literal["same", "routed", "sped_up", "blocked", "unknown"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One past request under the other policy."""

    id: int
    gate: str
    effect: Effect
    why: str
    before: tuple[str, ...]
    """The stages that it went through."""
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Every request since a day under another policy, and how often each person was and would be asked."""

    requests: tuple[Replayed, ...]
    asked_before: dict[str, int]
    asked_after: dict[str, int]

    def count(self, effect: Effect) -> int:
        """How many requests it has this effect on."""
        return sum(one.effect == effect for one in self.requests)


def simulate_policy(ctx: Context, *, since: datetime) -> Simulation:
    """Replay requests since then. Who is in which group is as of now; nothing is changed."""
    rows = activity.list_since(ctx.session, since)
    stages = queries.list_stages(ctx.session, [row.id for row in rows])
    meant = handles.resolve(ctx.session, ctx.org, root.people(ctx.policy), afresh=True)
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    replayed = []
    for row in rows:
        kept = Bound.of(row.bound)
        old = [Stage.of(one) for one in stages[row.id]] if not kept.by_rule else []
        barred = {row.requester_id, *kept.apart}
        before.update(_list_asked(ctx, old, barred))
        effect, why, new = _replay(ctx, row, kept, meant)
        if effect == "same" and not _are_same(old, new):
            effect = "sped_up" if _places(new) < _places(old) else "routed"
            why = _describe_stages(old, new)
        after.update(_list_asked(ctx, old if effect == "unknown" else new, barred))
        replayed.append(
            Replayed(
                row.id,
                row.gate,
                effect,
                why,
                tuple(one.name for one in old),
                tuple(one.name for one in new),
            )
        )
    names = activity.list_names(ctx.session, sorted(before.keys() | after.keys()))
    return Simulation(
        tuple(replayed),
        {names.get(one, one): before[one] for one in names},
        {names.get(one, one): after[one] for one in names},
    )


def _are_same(old: Sequence[Stage], new: Sequence[Stage]) -> bool:
    """Whether nothing differs. Stages of an earlier release named groups by handle, and are compared as they were written."""
    if any(handles.is_handle(who) for stage in old for who in stage.named):
        old, new = ([each.as_written() for each in old], [each.as_written() for each in new])
    return [one.stored() for one in old] == [one.stored() for one in new]


def _places(stages: Sequence[Stage]) -> int:
    return sum(stage.quorum for stage in stages)


def _describe_stages(old: Sequence[Stage], new: Sequence[Stage]) -> str:
    def words(stages: Sequence[Stage]) -> str:
        return ", ".join(f"{one.name} ({one.quorum})" for one in stages)

    return (
        "other approvers or rules in the same stages"
        if words(old) == words(new)
        else f"{words(old) or 'nobody'} becomes {words(new) or 'nobody'}"
    )


def _list_asked(ctx: Context, stages: Sequence[Stage], barred: set[str]) -> set[str]:
    """Everybody whom these stages ask, each once."""
    plain = [replace(stage, pinned=None) for stage in stages]
    reached = approvers.list_reached(ctx.session, plain, ctx.org) if plain else []
    return {one for each in reached for one in each} - barred


def _replay(
    ctx: Context, row: PastRow, kept: Bound, meant: Meant
) -> tuple[Effect, str, tuple[Stage, ...]]:
    gate = ctx.policy.gates.get(row.gate)
    if gate is None:
        return "blocked", f"there is no gate {row.gate} any more", ()
    known = FACTS.get(gate.subject_type(row.gate), {})
    if row.bound is None or (any(gate.conditions()) and kept.facts.keys() < set(known)):
        return "unknown", "its facts were not kept, so no condition can be told", ()
    words = PolicyWords(ctx.policy, kept.people, row.manager_id, meant)
    try:
        by_rule = find_passing_rule(gate, row.gate, kept.facts)
        if by_rule:
            effect: Effect = "same" if kept.by_rule else "sped_up"
            return effect, f"passes by rule: {by_rule}", ()
        stages, _ = bind_stages(gate, row.gate, words, kept.facts)
        staffed = submission.staff_stages(
            replace(ctx, now=row.created_at),
            gate,
            stages,
            words,
            barred={row.requester_id, *kept.apart},
            by=row.created_at + gate.expires_after,
        )
    except GovernanceError as error:
        return "blocked", error.sentence.partition(" Nothing was sent.")[0], ()
    return "same", "", staffed


@dataclass(frozen=True, slots=True)
class Rerouted:
    """An open request that was moved to another version of the policy, or why it stayed."""

    id: int
    moved: bool
    why: str


def reroute_request(ctx: Context, approval_id: int) -> Rerouted:
    """Move one open request to the policy in force.

    What was decided stays decided: the request stays where stages with decisions in them differ, or where it could
    never pass any more.
    """
    head, request = lock_request(ctx.session, approval_id)
    kept, gate = Bound.of(head.bound), ctx.policy.gates.get(head.gate)
    if head.policy_id == ctx.policy_id:
        return Rerouted(approval_id, False, "it is on this version already")
    if gate is None:
        return Rerouted(approval_id, False, "the policy has no such gate any more")
    words = approvers.resolve_words(ctx, kept.people, request.requester_id)
    votes = list_votes(ctx.session, approval_id)
    decided = {vote.position for vote in votes}
    done = max(decided, default=-1) + 1
    expires_at = (head.asked_at or ctx.now) + gate.expires_after
    try:
        if find_passing_rule(gate, head.gate, kept.facts):
            return Rerouted(approval_id, False, "it would pass by rule; ask for it again")
        stages, dropped = bind_stages(gate, head.gate, words, kept.facts)
        if [stage.shape for stage in stages[:done]] != [
            stage.shape for stage in request.stages[:done]
        ] or len(stages) <= request.stage:
            return Rerouted(approval_id, False, "stages in which people have decided would change")
        rest = submission.staff_stages(
            ctx,
            gate,
            stages[request.stage :],
            words,
            barred={request.requester_id, *kept.apart}
            | {vote.person_id for vote in votes if vote.position < request.stage},
            by=expires_at,
        )
    except GovernanceError as error:
        why = error.sentence.partition(" Nothing was sent.")[0]
        return Rerouted(approval_id, False, why)
    _move_request(
        ctx,
        head,
        request.stage,
        rest,
        replace(
            kept,
            dropped=dropped,
            valid_for=gate.valid_for,
            way=submission.digest_demands((*request.stages[: request.stage], *rest)),
        ),
        expires_at,
        {request.requester_id, *kept.apart, *(vote.person_id for vote in votes)},
    )
    audit.record(
        ctx,
        "approval.rerouted",
        ("approval", approval_id),
        before=head.policy_id,
        policy=ctx.policy_id,
        stages=[stage.name for stage in rest],
    )
    resting.recheck(ctx.session, [approval_id], at=ctx.now)
    notifications.refresh_showing(ctx, approval_id)
    return Rerouted(approval_id, True, "")


def _move_request(
    ctx: Context,
    head: RequestRow,
    position: int,
    stages: Sequence[Stage],
    bound: Bound,
    expires_at: datetime,
    silent: set[str],
) -> None:
    subject = notifications.subject(head.id)
    activity.replace_stages(
        ctx.session,
        head.id,
        position,
        [stage.stored() for stage in stages],
        bound=bound.stored(),
        policy_id=ctx.policy_id,
        expires_at=expires_at,
    )
    queries.advance(
        ctx.session, head.id, stage=position, state=ApprovalState.PENDING, asked_at=ctx.now
    )
    timers.cancel(ctx.session, subject)
    timers.keep_going(ctx.session, subject, EXPIRE, expires_at)
    completion.restart_stage_timers(ctx, head.id, stages[0], position)
    outbox.refresh(ctx, subject)
    completion.ask_stage(ctx, head, stages[0], position, silent, expires_at=expires_at, edition=0)
