"""Opening a request: checked so that it can pass, bound to the policy of the moment, and its first stage asked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries, waiting
from storage.enums import ApprovalState
from workflows import permissions, timers
from workflows.actors import Actor
from workflows.approvals import (
    announcements,
    changes,
    clocks,
    endings,
    people,
    routing,
    separation,
    ways,
)
from workflows.approvals.binding import bind_stage as bound_stage
from workflows.approvals.binding import bind_stages, find_passing_rule
from workflows.approvals.endings import EXPIRE, Circumstances, Subjects
from workflows.approvals.forms import SubmitRequest
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.policy import Policy
from workflows.subjects import Prepared


def submit_request(
    session: Session,
    actor: Actor,
    form: SubmitRequest,
    *,
    subjects: Subjects,
    policy: Policy,
    policy_id: int,
    now: datetime,
    org_key: str,
) -> int:
    """Open a request and ask its first stage; its id. Raises GovernanceError; see `decisions.submit`."""
    permissions.require_member(actor, "approval.submit")
    if (known := _find_opened_before(session, actor, form)) is not None:
        return known
    subject = subjects[form.subject_type]
    gate = policy.gate(form.gate)
    is_bound = (
        subject.gate == form.gate
        if subject.gate
        else gate.subject_type(form.gate) == form.subject_type
    )
    if not is_bound:
        raise InvalidInput(f"A {form.subject_type} is not decided at the gate {form.gate!r}.")
    if not form.reason:
        raise InvalidInput(
            "Say in a sentence why this is needed; those who decide read it.", field="reason"
        )
    try:
        prepared = subject.prepare(session, actor, form.form, policy=policy, now=now)
    except GovernanceError:
        # The same asking may have come through another process while this one waited for the subject's lock.
        if (known := _find_opened_before(session, actor, form)) is not None:
            return known
        raise
    if (known := _find_opened_before(session, actor, form)) is not None:
        return known
    words = people.resolve_words(session, policy, prepared.people, actor.id, org_key=org_key)
    facts, expires_at = prepared.conditions, now + gate.expires_after
    apart = separation.list_apart(gate, prepared, actor)
    by_rule = find_passing_rule(gate, form.gate, facts)
    stages, dropped = bind_stages(gate, form.gate, words, facts)
    if not by_rule:
        stages = routing.staff_stages(
            session,
            gate,
            stages,
            words,
            barred={actor.id, *apart},
            by=expires_at,
            now=now,
            org_key=org_key,
        )
    bound = Bound(
        dict(facts),
        prepared.people,
        prepared.contributors,
        apart,
        dropped,
        by_rule,
        gate.valid_for,
        () if by_rule else ways.digest_demands(stages),
        tuple(each.stored() for each in prepared.known),
        now.isoformat(timespec="microseconds"),
        rests=tuple(
            each.stored() for each in changes.select_counting(prepared.rests, gate, form.gate)
        ),
    )
    approval_id = _open_request(
        session,
        actor,
        form,
        prepared,
        # What passes by rule asks nobody; its stages are kept, so that it can be told whom it spared.
        stages or tuple(bound_stage(gate, stage, words) for stage in gate.stages),
        bound,
        policy_id,
        expires_at,
        now,
    )
    if by_rule:
        around = Circumstances(subjects, policy, org_key, now)
        endings.pass_by_rule(session, approval_id, prepared.project_id, around)
        return approval_id
    (asked,) = people.list_reached(session, stages[:1], org_key)
    for barred in {actor.id, *apart}:
        asked.pop(barred, None)
    announcements.ask_stage(
        session,
        approval_id,
        stages[0],
        0,
        asked,
        project_id=prepared.project_id,
        has_card=False,
        receipt_to=actor.slack_id,
        expires_at=expires_at,
        policy=policy,
        org_key=org_key,
        now=now,
    )
    clocks.start_stage_timers(session, approval_id, stages[0], 0, now=now)
    return approval_id


def _find_opened_before(session: Session, actor: Actor, form: SubmitRequest) -> int | None:
    opened = waiting.find_by_key(session, form.request_key)
    if opened is None:
        return None
    approval_id, requester_id = opened
    if requester_id != actor.id:
        raise NotAllowed("Somebody else has asked under this key; use one of your own.")
    return approval_id


def _open_request(
    session: Session,
    actor: Actor,
    form: SubmitRequest,
    prepared: Prepared,
    stages: Sequence[Stage],
    bound: Bound,
    policy_id: int,
    expires_at: datetime,
    now: datetime,
) -> int:
    reason = audit.write_text(session, actor, form.reason, now=now)
    if prepared.question is not None:
        bound = replace(bound, question=prepared.question(reason.sha256))
    approval_id = queries.insert_request(
        session,
        {
            "request_key": form.request_key,
            "gate": form.gate,
            "subject_type": form.subject_type,
            "subject_id": prepared.subject_id,
            "project_id": prepared.project_id,
            "facts": prepared.facts,
            "requester_id": actor.id,
            "reason_id": reason.id,
            "policy_id": policy_id,
            "state": ApprovalState.PENDING.value,
            "stage": 0,
            "revision": 1,
            "bound": bound.stored(),
            "asked_at": now,
            "created_at": now,
            "expires_at": expires_at,
        },
        [stage.stored() | {"position": position} for position, stage in enumerate(stages)],
    )
    timers.start(session, announcements.subject(approval_id), EXPIRE, expires_at)
    audit.record(
        session,
        actor,
        "approval.opened",
        ("approval", approval_id),
        now=now,
        gate=form.gate,
        about=[form.subject_type, prepared.subject_id],
        asked=prepared.facts,
        policy=policy_id,
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
