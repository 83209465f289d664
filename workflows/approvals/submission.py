"""Opening a request: checked so that it can pass, bound to the policy of the moment, and its first stage asked."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.enums import ApprovalState, Ask
from storage.people import readings
from workflows import approvable, permissions, timers
from workflows.approvable import Prepared
from workflows.approvals import approvers, completion, notifications, rules
from workflows.approvals.approvers import (
    PolicyWords,
    bind_stage,
    bind_stages,
    find_passing_rule,
    list_fallback,
    pin_members,
)
from workflows.approvals.approvers import bind_stage as bound_stage
from workflows.approvals.completion import EXPIRE
from workflows.approvals.forms import UNEXPLAINED, SubmitRequest
from workflows.approvals.stages import Approver, Bound, Stage
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.handles import Unclear
from workflows.policy import Gate

# --- The way of a request
#
# enough people in each stage, a fallback where there are not, and what it looks like
# beforehand.


class NobodyToDecide(GovernanceError):
    """A stage of the gate could never pass, so the request is refused rather than left to expire."""


def staff_stages(
    ctx: Context,
    gate: Gate,
    stages: Sequence[Stage],
    words: PolicyWords,
    *,
    barred: Collection[str],
    by: datetime,
) -> tuple[Stage, ...]:
    """The stages with their members pinned and fallbacks added where too few could decide.

    `barred` may not decide. Raises NobodyToDecide, naming the stage, when it could never pass by `by`, or when a handle
    of the policy that it goes by names nobody: whom that was to mean is not for a request to guess.
    """
    if not stages:
        raise NobodyToDecide(
            "No stage of this gate applies to what you ask for, so nobody would decide it. Nothing was sent; "
            "ask an administrator to add a stage to the gate in governance.yml."
        )
    bound_ = [replace(stage, pinned=None) for stage in stages]
    while True:
        _require_clear(ctx.session, bound_, words)
        reached = approvers.list_reached_parties(ctx.session, bound_, ctx.org, by=by)
        short = _find_shortage(bound_, reached, barred)
        if short is None:
            break
        stage = bound_[short.position]
        spare = list_fallback(gate, stage.name, words)
        if stage.fallback or not spare:
            raise NobodyToDecide(
                _describe_unread(ctx.session, stage) or _describe_shortage(stage, short)
            )
        bound_[short.position] = add_fallback(stage, spare)
    return tuple(
        filled if asked.pinned is None else pin_members(filled, parties, ctx.now)
        for asked, filled, parties in zip(stages, bound_, reached, strict=True)
    )


def add_fallback(stage: Stage, spare: tuple[Approver, ...]) -> Stage:
    """The stage with those added who decide in place of nobody."""
    return replace(stage, approvers=stage.approvers + spare, fallback=spare)


def _require_clear(session: Session, stages: Sequence[Stage], words: PolicyWords) -> None:
    for stage in stages:
        late = stage.escalation.approvers if stage.escalation is not None else ()
        for word in (each for one in (*stage.approvers, *late) for each in one.written):
            if (unclear := words.meant.unclear.get(word)) is not None:
                raise NobodyToDecide(
                    _describe_unread(session, stage) or _describe_unclear(stage, unclear)
                )


def _describe_unclear(stage: Stage, unclear: Unclear) -> str:
    return (
        f"The stage {stage.name} goes by {unclear.word}, and {unclear.clause}, so it names nobody. Nothing was sent. "
        f"Ask an administrator to {unclear.remedy}."
    )


def _find_shortage(
    stages: Sequence[Stage],
    reached: Sequence[Sequence[Mapping[str, object]]],
    barred: Collection[str],
) -> rules.Shortage | None:
    return rules.shortage_in(
        [
            rules.ways(stage, [party.keys() - set(barred) for party in parties])
            for stage, parties in zip(stages, reached, strict=True)
        ]
    )


def _describe_unread(session: Session, stage: Stage) -> str:
    """Where nobody has read yet who is in Slack's user groups, that is what is wrong; empty where it was read."""
    if not readings.list_unread(session):
        return ""
    words = ", ".join(dict.fromkeys(approver.rule for approver in stage.approvers))
    return (
        f"mlgov hasn't read yet who belongs to the organisation and its user groups, so it can't tell whom the stage {stage.name} "
        f"asks ({words}). Nothing was sent; try again in a few minutes. Where it stays like this, `mlgov doctor` says why."
    )


def _describe_shortage(stage: Stage, short: rules.Shortage) -> str:
    words = ", ".join(dict.fromkeys(approver.rule for approver in stage.approvers))
    needs = f"{stage.quorum} {'person' if stage.quorum == 1 else 'people'}"
    if short.alone:
        why = f"needs {needs} besides you, and {words} {'names nobody' if not short.found else f'names {short.found}'}"
    else:
        why = (
            f"needs {needs} besides you, but those in {words} are needed in other stages too, "
            "and nobody decides twice"
        )
    return (
        f"This could never be approved: the stage {stage.name} {why}. Nothing was sent. "
        f"Ask an administrator to add people to {words}, or to change the stage in governance.yml."
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """One stage of a way, before anybody is asked. `when` is its condition, which decides whether it is asked."""

    name: str
    needs: int
    people: tuple[str, ...]
    """Names of those who could decide."""
    when: str
    notified: int


@dataclass(frozen=True, slots=True)
class Route:
    """Who would be asked, in which order, and how many people would get a message at most."""

    legs: tuple[Leg, ...]
    notified: int
    passes_when: str
    """The condition under which nobody is asked; empty when there is none."""


def preview_route(ctx: Context, gate_name: str, people_of: Mapping[str, str | None]) -> Route:
    """The way that a request of this person would take at this gate, as far as it can be told before it is written.

    `people_of` are the subject's owner, sponsor and so on.
    """
    gate = ctx.policy.gate(gate_name)
    words = approvers.resolve_words(ctx, people_of, ctx.actor.id)
    stages = [bind_stage(gate, stage, words) for stage in gate.stages]
    notified: set[str] = set()
    legs = []
    reached_by_stage = approvers.list_reached(
        ctx.session, [replace(one, pinned=None) for one in stages], ctx.org
    )
    for source, stage, reached in zip(gate.stages, stages, reached_by_stage, strict=True):
        reached.pop(ctx.actor.id, None)
        asks = stage.ask is Ask.DM or (
            stage.ask is Ask.CHANNEL and len(reached) <= notifications.MOST_DIRECT
        )
        notified |= reached.keys() if asks else set()
        legs.append(
            Leg(
                stage.name,
                stage.quorum,
                tuple(sorted(person.name for person in reached.values())),
                source.when or "",
                len(reached) if asks else 0,
            )
        )
    return Route(
        tuple(legs), len(notified), gate.auto_approve or (f"!({gate.when})" if gate.when else "")
    )


# --- What the stages of a request demand, so that a request which asks less than today's is
#     never taken for one


def digest_demand(stage: Stage) -> str:
    """SHA-256 over what it takes to pass a stage: who (with those who decide in place of nobody), how many, by which rules.

    When people are reminded, and how they are asked, is no part of it.
    """
    escalation = stage.escalation
    demanded = {
        "name": stage.name,
        "approvers": [_list_word(each) for each in stage.approvers],
        "quorums": list(stage.quorums),
        "mode": stage.mode,
        "comment": stage.comment,
        "delegate": stage.delegate,
        "member_since": stage.member_since.total_seconds() if stage.member_since else None,
        "pinned": stage.pinned is not None,
        "escalates": [escalation.way, *(_list_word(each) for each in escalation.approvers)]
        if escalation
        else None,
    }
    canonical = json.dumps(demanded, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_demands(stages: Sequence[Stage]) -> tuple[str, ...]:
    """What each of them demands, in order."""
    return tuple(digest_demand(stage) for stage in stages)


def _is_demanded(stage: Stage, way: Sequence[str]) -> bool:
    """Whether a way of before has the stage; one of an earlier release has user groups by the policy's handles."""
    return digest_demand(stage) in way or digest_demand(stage.as_written()) in way


def _list_word(approver: Approver) -> list[object]:
    return [approver.rule, list(approver.who), approver.party]


@dataclass(frozen=True, slots=True)
class Way:
    """What a request would meet if it were opened now."""

    stages: tuple[Stage, ...]
    """Empty where the policy asks nobody."""
    apart: dict[str, str]
    """Who could not decide: person id → what they are to the subject."""


def find_current_way(ctx: Context, gate_name: str, prepared: Prepared) -> Way:
    """The way that a request of this person or program would take now. Raises GovernanceError where it could not be opened."""
    gate = ctx.policy.gate(gate_name)
    apart = rules.list_apart(gate, prepared, ctx.actor)
    if find_passing_rule(gate, gate_name, prepared.conditions):
        return Way((), apart)
    words = approvers.resolve_words(ctx, prepared.people, ctx.actor.id)
    stages, _ = bind_stages(gate, gate_name, words, prepared.conditions)
    staffed = staff_stages(
        ctx, gate, stages, words, barred={ctx.actor.id, *apart}, by=ctx.now + gate.expires_after
    )
    return Way(staffed, apart)


def list_beyond(bound: Bound, requester_id: str, now: Way) -> tuple[str, ...]:
    """What today's way demands that a request of before does not, as clauses; empty where that one asks as much or more."""
    if bound.way is None:
        return ("it was opened by an older release of mlgov, which kept less of what it asks",)
    clauses = [
        f"{stage.name} has to decide today, and does not there, or not by the same rules"
        for stage in now.stages
        if bound.way is not None and not _is_demanded(stage, bound.way)
    ]
    if now.apart.keys() - bound.apart.keys() - {requester_id}:
        clauses.append("somebody is kept apart from those who decide today, and is not there")
    return tuple(clauses)


# --- Opening a request
#
# checked so that it can pass, bound to the policy of the moment, and its first stage asked.


def submit_request(ctx: Context, form: SubmitRequest) -> int:
    """Open a request and ask its first stage; its id. The same `request_key` again changes nothing.

    Raises GovernanceError when the subject refuses the form, or when a stage could never pass.
    """
    permissions.require_member(ctx.actor, "approval.submit")
    if (known := _find_opened_before(ctx, form)) is not None:
        return known
    subject = approvable.SUBJECTS[form.subject_type]
    gate = ctx.policy.gate(form.gate)
    is_bound = (
        subject.gate == form.gate
        if subject.gate
        else gate.subject_type(form.gate) == form.subject_type
    )
    if not is_bound:
        raise InvalidInput(f"A {form.subject_type} is not decided at the gate {form.gate!r}.")
    if not form.reason:
        raise InvalidInput(UNEXPLAINED, field="reason")
    try:
        prepared = subject.prepare(ctx, form.form)
    except GovernanceError:
        # The same asking may have come through another process while this one waited for the subject's lock.
        if (known := _find_opened_before(ctx, form)) is not None:
            return known
        raise
    if (known := _find_opened_before(ctx, form)) is not None:
        return known
    words = approvers.resolve_words(ctx, prepared.people, ctx.actor.id)
    facts, expires_at = prepared.conditions, ctx.now + gate.expires_after
    apart = rules.list_apart(gate, prepared, ctx.actor)
    by_rule = find_passing_rule(gate, form.gate, facts)
    stages, dropped = bind_stages(gate, form.gate, words, facts)
    if not by_rule:
        stages = staff_stages(
            ctx, gate, stages, words, barred={ctx.actor.id, *apart}, by=expires_at
        )
    bound = Bound(
        dict(facts),
        prepared.people,
        prepared.contributors,
        apart,
        dropped,
        by_rule,
        gate.valid_for,
        () if by_rule else digest_demands(stages),
        tuple(each.stored() for each in prepared.known),
        ctx.now.isoformat(timespec="microseconds"),
        rests=tuple(
            each.stored() for each in rules.select_counting(prepared.rests, gate, form.gate)
        ),
    )
    approval_id = _open_request(
        ctx,
        form,
        prepared,
        # What passes by rule asks nobody; its stages are kept, so that it can be told whom it spared.
        stages or tuple(bound_stage(gate, stage, words) for stage in gate.stages),
        bound,
        expires_at,
    )
    if by_rule:
        completion.pass_by_rule(ctx, approval_id, prepared.project_id)
        return approval_id
    (asked,) = approvers.list_reached(ctx.session, stages[:1], ctx.org)
    for barred in {ctx.actor.id, *apart}:
        asked.pop(barred, None)
    notifications.ask_stage(
        ctx,
        approval_id,
        stages[0],
        0,
        asked,
        project_id=prepared.project_id,
        has_card=False,
        receipt_to=ctx.actor.slack_id,
        expires_at=expires_at,
    )
    completion.start_stage_timers(ctx, approval_id, stages[0], 0)
    return approval_id


def _find_opened_before(ctx: Context, form: SubmitRequest) -> int | None:
    opened = queries.find_by_key(ctx.session, form.request_key)
    if opened is None:
        return None
    approval_id, requester_id = opened
    if requester_id != ctx.actor.id:
        raise NotAllowed("Somebody else has asked under this key; use one of your own.")
    return approval_id


def _open_request(
    ctx: Context,
    form: SubmitRequest,
    prepared: Prepared,
    stages: Sequence[Stage],
    bound: Bound,
    expires_at: datetime,
) -> int:
    reason = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    if prepared.question is not None:
        bound = replace(bound, question=prepared.question(reason.sha256))
    approval_id = queries.insert_request(
        ctx.session,
        {
            "request_key": form.request_key,
            "gate": form.gate,
            "subject_type": form.subject_type,
            "subject_id": prepared.subject_id,
            "project_id": prepared.project_id,
            "facts": prepared.facts,
            "requester_id": ctx.actor.id,
            "reason_id": reason.id,
            "policy_id": ctx.policy_id,
            "state": ApprovalState.PENDING.value,
            "stage": 0,
            "revision": 1,
            "bound": bound.stored(),
            "asked_at": ctx.now,
            "created_at": ctx.now,
            "expires_at": expires_at,
        },
        [stage.stored() | {"position": position} for position, stage in enumerate(stages)],
    )
    timers.start(ctx.session, notifications.subject(approval_id), EXPIRE, expires_at)
    audit.record(
        ctx,
        "approval.opened",
        ("approval", approval_id),
        gate=form.gate,
        about=[form.subject_type, prepared.subject_id],
        asked=prepared.facts,
        policy=ctx.policy_id,
        stages=[stage.name for stage in stages],
        left_out=[stage.name for stage in bound.dropped],
        apart=sorted(bound.apart),
        **({"known": list(bound.known)} if bound.known else {}),
        **({"question": bound.question} if bound.question else {}),
        **({"rests": {one["name"]: one["value"] for one in bound.rests}} if bound.rests else {}),
        expires_at=expires_at.isoformat(timespec="microseconds"),
        reason=audit.text_fact(reason),
    )
    return approval_id
