"""What a request rests on is read again: by everybody who approves it, and on its own as soon as the record changes.

Stages that today's facts choose as well are still asked, and none is ever dropped. What got graver has to be shown to
people before they approve; by the gate, what was approved before counts no more. The policy is that of the request,
but who holds one of its roles is the word of the policy in force.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState
from storage.policies import queries as policies
from workflows import approvable, outbox
from workflows import policy as policies_text
from workflows.approvable import Movable, Moved, ReadAgain, Reread, Rereadable, Rest, SubjectMoved
from workflows.approvals import (
    approvers,
    completion,
    door,
    editing,
    notifications,
    rules,
    submission,
)
from workflows.approvals import approvers as people_of
from workflows.approvals.approvers import (
    ROLE,
    PolicyWords,
    Reached,
    bind_stage,
    choose_stages,
    find_passing_rule,
)
from workflows.approvals.door import Entered
from workflows.approvals.forms import AskAgain, Edit
from workflows.approvals.refusals import Barred, CardChanged, MovedOn
from workflows.approvals.stages import Approver, Bound, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, RefusalFact
from workflows.policy import Gate, Policy, PolicyRefused
from workflows.policy.gates import Stage as StageRule

PART = {"developer": "developer", "validator": "validator", "contributors": "contributor"}
"""What the policy keeps apart → what somebody is to the subject then."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A request, what it is bound to, and what the record says of it now."""

    at: Entered
    bound: Bound
    policy: Policy
    """The version that the request is bound to."""
    gate: Gate | None
    now: ReadAgain
    rests: tuple[Rest, ...]
    """What it rests on now, as far as that counts at its gate."""

    @property
    def shown(self) -> tuple[Rest, ...]:
        """What it rests on as its cards show it."""
        kept = self.bound.now
        return rules.load_rests(self.bound.rests if kept is None else kept)

    @property
    def graver(self) -> tuple[Rest, ...]:
        """What nobody who looked at a card could know."""
        return rules.list_graver(self.shown, self.rests)


def read_record(ctx: Context, at: Entered) -> Reading | None:
    """What the record says of a request now, read without locks; None where there is nothing to read."""
    return build_reading(ctx, at, reread_subject(ctx, at.head).again)


def reread_subject(ctx: Context, head: RequestRow) -> Reread:
    """What a request is about, as it stands now, read once; nothing of a subject that rests on no record."""
    subject = approvable.SUBJECTS[head.subject_type]
    if not isinstance(subject, Rereadable):
        return Reread(None)
    return subject.reread(ctx, head.subject_id, head.facts)


def build_reading(ctx: Context, at: Entered, now: ReadAgain | None) -> Reading | None:
    """The same, of what conditions were told in this transaction."""
    head = at.head
    if now is None or head.bound is None:
        return None
    policy = load_bound_policy(ctx, head)
    gate = policy.gates.get(head.gate)
    rests = rules.select_counting(now.rests, gate, head.gate)
    return Reading(at, Bound.of(head.bound), policy, gate, now, rests)


def require_as_shown(ctx: Context, at: Entered, now: ReadAgain | None) -> Reading | None:
    """Whoever approves has been shown what they approve, and nothing bars it; what was read. Raises Barred and MovedOn.

    `now` is what conditions are told of the subject now.
    """
    reading = build_reading(ctx, at, now)
    if reading is None:
        return None
    if reading.now.bars:
        why = "; ".join(reading.now.bars)
        hint = f" {reading.now.way_on}" if reading.now.way_on else ""
        raise Barred(
            f"This can't be approved now: {why}. Nothing was decided; you can reject it, or wait until that's settled.{hint}"
        )
    stage = at.request.current
    _, others = _apply_roles_of_now(ctx, reading, [stage])
    if others:
        raise MovedOn(
            f"The policy says by now that others decide for {stage.name}. Nothing was decided. Look at the request again to see whom it asks."
        )
    if reading.graver:
        changed = "; ".join(rules.describe_changes(reading.shown, reading.graver))
        raise MovedOn(
            f"Since this was shown to you: {changed}. Nothing was decided. Look at the request again before you approve it."
        )
    return reading


def restage_request(
    ctx: Context, at: Entered, reading: Reading | None, decided: set[str]
) -> rules.Request:
    """The request with the stages that what the record says now chooses beside those it has; its row is locked.

    `decided` are the people who have decided, or do so now. Raises GovernanceError when a stage that has to be asked
    now could never pass, or when somebody who decided had a part in what is asked.
    """
    if reading is None:
        return at.request
    apart = list_apart_now(reading)
    late = sorted(decided & (apart.keys() - reading.bound.apart.keys()))
    if late:
        rows = (people_of.find_person(ctx.session, one) for one in late)
        names = [row.name for row in rows if row is not None]
        raise NotAllowed(
            f"The record says by now that {', '.join(names) or 'somebody who decided'} had a part in this, and the policy keeps "
            "them apart from those who decide. Nothing was approved; the request has to be asked anew.",
            audit=RefusalFact("approval.decide", "approval", str(at.head.id), why="apart"),
        )
    route = plan_route(ctx, reading, apart, decided)
    if route.stuck:
        raise GovernanceError(
            f"What mlgov knows of this has changed since it was asked, so {route.stuck} Nothing was changed."
        )
    keep_reading(ctx, reading, route)
    return route.request


@dataclass(frozen=True, slots=True)
class NewRoute:
    """The way of a request by what the record says now."""

    request: rules.Request
    """With its stages of now."""
    start: int
    """From here on the stages are others than they were; how many there are where none is."""
    way: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Names of stages that have to decide too."""
    renamed: tuple[str, ...] = ()
    """Names of stages whose people are others, by the roles of the policy in force."""
    stuck: str = ""
    """Why a stage that has to decide too could never pass, and so stands in nobody's way yet."""


def plan_route(
    ctx: Context, reading: Reading, apart: dict[str, str], decided: Collection[str]
) -> NewRoute:
    """The stages that hold by now: those there are, with roles as they are held now, and those that have to be asked too."""
    request = replace(reading.at.request, apart=apart)
    way = reading.bound.way or ()
    current, *later = request.stages[request.stage :]
    (current, *later), renamed = _apply_roles_of_now(ctx, reading, (current, *later))
    new = _choose_new(reading, request)
    staffed: tuple[Stage, ...] = ()
    stuck = ""
    try:
        if new and reading.gate is not None:
            words = _resolve_words(replace(ctx, policy=reading.policy), reading)
            staffed = submission.staff_stages(
                ctx,
                reading.gate,
                [bind_stage(reading.gate, stage, words) for stage in new],
                words,
                barred={request.requester_id, *apart, *decided},
                by=request.expires_at,
            )
    except GovernanceError as error:
        why = error.sentence.partition(" Nothing was sent.")[0]
        stuck = f"{' and '.join(list_names(new))} has to decide too. {why}"
    order = list_names(reading.gate.stages) if reading.gate is not None else ()
    rest = sorted(
        (*later, *staffed), key=lambda stage: order.index(stage.name) if stage.name in order else -1
    )
    stages = (*request.stages[: request.stage], current, *rest)
    start = next(
        (
            place
            for place, stage in enumerate(stages)
            if place >= len(request.stages) or stage != request.stages[place]
        ),
        len(stages),
    )
    others = [one for one in (current, *later) if one.name in renamed]
    return NewRoute(
        replace(request, stages=stages),
        start,
        (*way, *submission.digest_demands((*others, *staffed))),
        list_names(staffed),
        renamed,
        stuck,
    )


def _resolve_words(ctx: Context, reading: Reading) -> PolicyWords:
    """What the words of this policy stand for, in this request."""
    return people_of.resolve_words(ctx, reading.bound.people, reading.at.request.requester_id)


def _choose_new(reading: Reading, request: rules.Request) -> list[StageRule]:
    """The stages that have to be asked by today's facts, and that the request has not."""
    gate, name = reading.gate, reading.at.head.gate
    if gate is None or find_passing_rule(gate, name, reading.now.conditions):
        return []
    chosen, _ = choose_stages(gate, name, reading.now.conditions)
    has = {stage.name for stage in request.stages}
    return [stage for stage in chosen if stage.name not in has]


def _apply_roles_of_now(
    ctx: Context, reading: Reading, stages: Sequence[Stage]
) -> tuple[list[Stage], tuple[str, ...]]:
    """These stages with those who hold their roles by the policy in force, and the names of those that ask others now.

    Only roles that the policy writes otherwise than the request's version did: who is in a group is Slack's word.
    """
    moved = {
        ROLE + role
        for role, who in ctx.policy.roles.items()
        if reading.policy.roles.get(role, who) != who
    }
    if not moved:
        return list(stages), ()
    words = _resolve_words(ctx, reading)

    def of_now(approver: Approver) -> Approver:
        if approver.rule not in moved or approver.by is not None:
            return approver
        meant = words.of(approver.rule, approver.party)
        return (
            approver
            if meant.who == approver.who
            else replace(approver, who=meant.who, written=meant.written, is_late=True)
        )

    def named_now(stage: Stage) -> Stage:
        escalation = stage.escalation
        return replace(
            stage,
            approvers=tuple(map(of_now, stage.approvers)),
            fallback=tuple(map(of_now, stage.fallback)),
            escalation=replace(escalation, approvers=tuple(map(of_now, escalation.approvers)))
            if escalation is not None
            else None,
        )

    now = [named_now(stage) for stage in stages]
    others = [new.name for old, new in zip(stages, now, strict=True) if old != new]
    return now, tuple(others)


def keep_reading(ctx: Context, reading: Reading, route: NewRoute) -> bool:
    """Write down what was read, and the stages that follow from it; whether anything was different."""
    head, bound = reading.at.head, reading.bound
    rests = tuple(each.stored() for each in reading.rests)
    seen_at = ctx.now.isoformat(timespec="microseconds")
    added = (*bound.added, *route.added)
    # A request that an older release opened kept nothing to compare with: what holds now is what it rests on.
    asked = bound.rests or rests
    kept = replace(
        bound,
        apart=dict(route.request.apart),
        facts=dict(reading.now.conditions),
        known=tuple(each.stored() for each in reading.now.known),
        dropped=tuple(one for one in bound.dropped if one.name not in set(added)),
        way=None if bound.way is None else route.way,
        rests=asked,
        now=None if rests == asked and bound.now is None else rests,
        bars=reading.now.bars,
        stuck=route.stuck,
        added=added,
    )
    is_restaged = route.start < len(route.request.stages)
    if kept == bound and not is_restaged:
        return False
    kept = replace(kept, known_at=seen_at, moved_at=seen_at)
    if is_restaged:
        activity.replace_stages(
            ctx.session,
            head.id,
            route.start,
            [stage.stored() for stage in route.request.stages[route.start :]],
            bound=kept.stored(),
            policy_id=head.policy_id,
            expires_at=head.expires_at,
        )
    else:
        queries.set_columns(ctx.session, head.id, bound=kept.stored())
    audit.record(
        ctx.as_system(),
        "approval.read_again",
        ("approval", head.id),
        known=list(kept.known),
        told=kept.facts,
        rests={one["name"]: one["value"] for one in rests},
        bars=list(kept.bars),
        added=list(route.added),
        apart=sorted(kept.apart),
    )
    if route.renamed:
        audit.record(
            ctx.as_system(),
            "approval.asked_others",
            ("approval", head.id),
            stages=list(route.renamed),
        )
    return True


def list_apart_now(reading: Reading) -> dict[str, str]:
    """Who may not decide, with those of whom the record says by now that they had a part: person id → what they are."""
    kept = dict(reading.bound.apart)
    gate = reading.gate
    for part, people in reading.now.parts.items():
        if gate is not None and part in gate.separate:
            for person in people:
                kept.setdefault(person, PART[part])
    for person in reading.now.never:
        kept.setdefault(person, "contributor")
    kept.pop(reading.at.request.requester_id, None)
    return kept


def load_bound_policy(ctx: Context, head: RequestRow) -> Policy:
    """The version of the policy that the request is bound to; the one in force where this release can't read that one."""
    if head.policy_id == ctx.policy_id:
        return ctx.policy
    try:
        bound = _parse_policy(policies.get_text(ctx.session, head.policy_id))
    except PolicyRefused:
        return ctx.policy
    return bound if head.gate in bound.gates else ctx.policy


@lru_cache(maxsize=32)
def _parse_policy(text: str) -> Policy:
    """A click reads this: a version is parsed once."""
    return policies_text.parse(text).policy


def list_names(stages: Sequence[Stage] | Sequence[StageRule]) -> tuple[str, ...]:
    """What these stages are called."""
    return tuple(stage.name for stage in stages)


# --- What a request asks to change has changed since
#
# nobody approves it, and whoever asked says what the question is now.


def require_unmoved(moved: Moved | None) -> None:
    """Raise SubjectMoved where what would be approved is no longer what was asked."""
    if moved is not None:
        raise SubjectMoved(
            f"{moved.clause}. Nothing was approved: whoever asked is asked what they want now, and you are asked again when they say so."
        )


def recheck_subject(ctx: Context, approval_id: int) -> bool:
    """Something about the subject changed. Where the question did, the requester is asked, once for each time it does,
    and what was shown of the request counts no more. Does nothing where it has ended, or asks for the same as before;
    whether it did something."""
    head, request = door.lock_request(ctx.session, approval_id)
    if request.state is not ApprovalState.PENDING:
        return False
    moved = reread_subject(ctx, head).moved
    mark = moved.mark if moved is not None else None
    if mark == head.moved:
        if ctx.card is not None:
            outbox.refresh(ctx, notifications.subject(head.id))
        return False
    queries.revise(ctx.session, head.id, moved=mark)
    audit.record(
        ctx.as_system(),
        "approval.subject_moved" if moved is not None else "approval.subject_back",
        ("approval", head.id),
        about=[head.subject_type, head.subject_id],
        stands=mark,
    )
    outbox.refresh(ctx, notifications.subject(head.id))
    if moved is None:
        return True
    completion.post_thread_line(ctx, head, "subject_moved", head.revision)
    if head.requester_slack_id:
        notifications.notify_person(
            ctx,
            head.id,
            Reached(head.requester_id, head.requester_slack_id, ""),
            "subject_moved",
            head.revision,
        )
    return True


def ask_request_again(ctx: Context, form: AskAgain, at: Entered) -> str:
    """The same change to what there is now: people are asked anew, as for any other change of what is asked."""
    head = at.head
    subject = approvable.SUBJECTS[head.subject_type]
    moved = reread_subject(ctx, head).moved
    if moved is None or not isinstance(subject, Movable):
        raise CardChanged(
            "What you asked about is as it was when you asked, so there is nothing to ask again. Look at the request again."
        )
    again = subject.again(ctx, head.subject_id, head.facts)
    if again is None or form.stands != moved.mark:
        raise CardChanged(
            f"{moved.clause}. That isn't what you were shown, so nothing was asked. Look at the request again to see what you can ask now."
        )
    reason = door.require_card(ctx, head.id).reason
    if not reason:
        raise InvalidInput("Change the request, and say in a sentence why it is needed.")
    edit = Edit(
        approval_id=form.approval_id,
        revision=form.revision,
        form=again,
        reason=reason,
        subject_type=head.subject_type,
    )
    return editing.edit_request(ctx, edit, at)


# --- A request that waits is looked at again because something changed
#
# it is routed anew, shown, told, and asked anew.


def recheck_facts(ctx: Context, approval_id: int) -> bool:
    """Read again what a request rests on, and do what follows; whether anything was different.

    Its stages are those of now beside those it had. What it rests on is kept as its cards show it from now on, and its
    revision rises, so that nobody approves it on what was shown before. Where it got graver and the gate says `ask_again`, what
    was approved before counts no more; and whoever has had a part in what is asked, by the record, has not decided.
    Nothing happens to one that has ended, and to one that waits for an answer before that is there.
    """
    at = door.enter_unattended(ctx.session, approval_id)
    head, request = at.head, at.request
    is_waiting = (
        request.state is ApprovalState.PENDING
        and ctx.now < request.expires_at
        and head.paused_at is None
    )
    reading = read_record(ctx, at) if is_waiting else None
    if reading is None:
        return False
    apart = list_apart_now(reading)
    void, position = _choose_void(reading, apart)
    counting = [row for row in at.decided if row.id not in void]
    route = plan_route(ctx, reading, apart, door.list_spent(counting))
    graver = bool(reading.graver)
    if not keep_reading(ctx, reading, route):
        return False
    asks_others = bool(route.added or route.renamed)
    if void:
        _ask_again(ctx, at, route.request, void, position)
    elif graver or asks_others or reading.now.bars != reading.bound.bars:
        queries.revise(ctx.session, head.id)
    outbox.refresh(ctx, notifications.subject(head.id))
    if request.stages[request.stage].name in route.renamed and not void:
        _ask_others(ctx, head, route.request, at.decided)
    if graver or asks_others or void:
        _notify_concerned(ctx, at, void)
    return True


def _choose_void(reading: Reading, apart: Collection[str]) -> tuple[set[int], int]:
    """Ids of the verdicts that count no more, and the stage from which on people are asked anew."""
    decided = reading.at.decided
    late = {
        row.id: row.position
        for row in decided
        if {row.person_id, row.for_id, row.place_id} & set(apart)
    }
    gate = reading.gate
    if reading.graver and gate is not None and gate.when_facts_change == "ask_again":
        first = _find_reopened(gate, reading.at.request)
        late |= {row.id: row.position for row in decided if row.position >= first}
    if not late:
        return set(), 0
    position = min(late.values())
    # Who decided after a stage that is asked anew decided on its word.
    later = {row.id for row in decided if row.position > position}
    return {*late, *later}, position


def _find_reopened(gate: Gate, request: rules.Request) -> int:
    """From which stage on people are asked anew: where the gate says so, as when the requester changes what is asked."""
    order = [stage.name.casefold() for stage in gate.stages]
    wanted = (gate.change_reopens or order[0]).casefold()
    first = order.index(wanted)
    return next(
        (
            position
            for position, stage in enumerate(request.stages)
            if stage.name.casefold() in order[first:]
        ),
        0,
    )


def _ask_again(
    ctx: Context, at: Entered, request: rules.Request, void: set[int], position: int
) -> None:
    head = at.head
    activity.drop_conditions(ctx.session, head.id, now=ctx.now, decision_ids=sorted(void))
    audit.record(
        ctx.as_system(),
        "approval.asked_again",
        ("approval", head.id),
        void=sorted(void),
        whose=sorted({row.person_id for row in at.decided if row.id in void}),
        stage=position,
        back_from=request.stage,
    )
    completion.reopen_stage(ctx, head, request, position, void=void)


def _ask_others(
    ctx: Context, head: RequestRow, request: rules.Request, decided: Sequence[VerdictRow]
) -> None:
    """Those whom the stage that is asked now asks since the policy names others for it."""
    stage = request.stages[request.stage]
    completion.ask_stage(
        ctx,
        head,
        stage,
        request.stage,
        {request.requester_id, *request.apart, *door.list_spent(decided)},
        expires_at=request.expires_at,
        edition=head.edition,
    )


def _notify_concerned(ctx: Context, at: Entered, void: Collection[int]) -> None:
    """A line in the thread; a message to who asked, and to everybody who had decided on something else."""
    head, times = at.head, at.head.revision
    completion.post_thread_line(ctx, head, "moved", 0, times=times)
    concerned = {row.person_id: row.id for row in at.decided}
    people_ = [approvers.find_person(ctx.session, person_id) for person_id in sorted(concerned)]
    for person in sorted(
        (one for one in people_ if one is not None), key=lambda person: person.slack_id
    ):
        is_void = concerned[person.id] in void
        notifications.notify_person(
            ctx, head.id, person, "moved", concerned[person.id] if is_void else 0, times=times
        )
    if head.requester_slack_id:
        notifications.notify_person(
            ctx,
            head.id,
            approvers.Reached(head.requester_id, head.requester_slack_id, ""),
            "moved",
            0,
            times=times,
        )
