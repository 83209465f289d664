"""Opening a request: checked so that it can pass, bound to the policy of the moment, and its first stage asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.enums import ApprovalState
from workflows import permissions, timers
from workflows.actors import Actor
from workflows.approvals import announcements, people, rules
from workflows.approvals.endings import EXPIRE, Subjects
from workflows.approvals.forms import SubmitRequest
from workflows.approvals.rules import Stage
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.policy import Policy
from workflows.subjects import Prepared


class NobodyToDecide(GovernanceError):
    """A stage of the gate could never pass, so the request is refused rather than left to expire."""


def submit(
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
    if (known := _opened_before(session, actor, form)) is not None:
        return known
    subject = subjects[form.subject_type]
    gate = policy.gate(form.gate)
    is_bound = (
        subject.gate == form.gate
        if subject.gate
        else gate.subject_type(form.gate) == form.subject_type
    )
    if not is_bound:
        raise InvalidInput(
            f"A {form.subject_type} is not decided at the gate {form.gate!r}."
        )
    if not form.reason:
        raise InvalidInput(
            "Say in a sentence why this is needed; those who decide read it.",
            field="reason",
        )
    try:
        prepared = subject.prepare(session, actor, form.form, policy=policy, now=now)
    except GovernanceError:
        # The same asking may have come through another process while this one waited for the subject's lock.
        if (known := _opened_before(session, actor, form)) is not None:
            return known
        raise
    if (known := _opened_before(session, actor, form)) is not None:
        return known
    stages = people.bind(gate, policy, prepared.people)
    asked = people.reached(session, stages, org_key)
    for reached in asked:
        reached.pop(actor.id, None)
    _require_enough(stages, asked)
    expires_at = now + gate.expires_after
    approval_id = _open(
        session, actor, form, prepared, stages, policy_id, expires_at, now
    )
    announcements.ask(
        session,
        approval_id,
        stages[0],
        0,
        asked[0],
        project_id=prepared.project_id,
        has_card=False,
        receipt_to=actor.slack_id,
        expires_at=expires_at,
        org_key=org_key,
        now=now,
    )
    return approval_id


def _opened_before(session: Session, actor: Actor, form: SubmitRequest) -> int | None:
    found = queries.find_by_key(session, form.request_key)
    if found is None:
        return None
    if found.requester_id != actor.id:
        raise NotAllowed("Somebody else has asked under this key; use one of your own.")
    return int(found.id)


def _require_enough(
    stages: Sequence[Stage], asked: Sequence[Mapping[str, Any]]
) -> None:
    short = rules.shortage(
        [(stage.quorum, reached) for stage, reached in zip(stages, asked, strict=True)]
    )
    if short is None:
        return
    stage = stages[short.position]
    words = ", ".join(approver.rule for approver in stage.approvers)
    needs = f"{stage.quorum} {'person' if stage.quorum == 1 else 'people'}"
    if short.alone:
        why = f"needs {needs} besides you, and {words} {'names nobody' if not short.found else f'names {short.found}'}"
    else:
        why = (
            f"needs {needs} besides you, but those in {words} are needed in other stages too, "
            "and nobody decides twice"
        )
    raise NobodyToDecide(
        f"This could never be approved: the stage {stage.name} {why}. Nothing was sent. "
        f"Ask an administrator to add people to {words}, or to change the stage in governance.yml."
    )


def _open(
    session: Session,
    actor: Actor,
    form: SubmitRequest,
    prepared: Prepared,
    stages: Sequence[Stage],
    policy_id: int,
    expires_at: datetime,
    now: datetime,
) -> int:
    reason = audit.write_text(session, actor, form.reason, now=now)
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
            "created_at": now,
            "expires_at": expires_at,
        },
        [
            {
                "position": position,
                "name": stage.name,
                "approvers": [approver.stored() for approver in stage.approvers],
                "quorum": stage.quorum,
                "ask": stage.ask.value,
            }
            for position, stage in enumerate(stages)
        ],
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
        expires_at=expires_at.isoformat(timespec="microseconds"),
        reason=audit.text_fact(reason),
    )
    return approval_id
