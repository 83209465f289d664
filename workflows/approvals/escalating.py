"""What happens to a stage that nobody has decided for long, and to an approval that holds no longer."""

from dataclasses import replace

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.approvals import reminding as statements
from storage.enums import ApprovalState
from workflows import outbox, rollout
from workflows.actors import SYSTEM
from workflows.approvals import announcements, judging, people
from workflows.approvals.door import lock_request
from workflows.approvals.endings import Circumstances
from workflows.approvals.notices import ApprovalEscalated, ApprovalValidityEnded
from workflows.approvals.people import Reached
from workflows.approvals.service import mask_named
from workflows.approvals.stages import Escalation, Stage
from workflows.audit import service as audit
from workflows.outbox import Destination


def escalate_stage(
    session: Session, approval_id: int, position: int, around: Circumstances
) -> None:
    """A stage waited too long: add people, replace those who were asked, or tell somebody, as it was bound."""
    head, request = lock_request(session, approval_id)
    is_over = request.state is not ApprovalState.PENDING or around.now >= request.expires_at
    stage = request.current
    escalation = stage.escalation
    if is_over or request.stage != position or stage.escalated or escalation is None:
        return
    barred = judging.list_spent(queries.list_verdicts(session, approval_id))
    barred |= {request.requester_id, *request.apart}
    coming = tuple(replace(one, is_late=True) for one in escalation.approvers)
    # Who would never be counted is not asked; who is only told need not be counted.
    is_asked = escalation.way != "notify"
    (parties,) = people.list_reached_parties(
        session,
        [
            replace(stage, approvers=coming)
            if is_asked
            else replace(stage, approvers=coming, pinned=None)
        ],
        around.org_key,
        by=request.expires_at if is_asked else None,
    )
    reached = {id_: one for party in parties for id_, one in party.items()}
    who = {id_: one for id_, one in reached.items() if id_ not in barred}
    changed = _apply_escalation(stage, escalation, who)
    statements.set_stage(
        session,
        approval_id,
        position,
        approvers=changed.stored()["approvers"],
        rules=changed.stored()["rules"],
    )
    audit.record(
        session,
        SYSTEM,
        "approval.escalated",
        ("approval", approval_id),
        now=around.now,
        stage=position,
        way=escalation.way,
        rules=[mask_named(one.rule) for one in escalation.approvers],
        people=len(who),
    )
    subject = announcements.subject(approval_id)
    outbox.refresh(session, subject, now=around.now)
    if not who:
        return
    if escalation.way == "replace":
        queries.advance(
            session,
            approval_id,
            stage=position,
            state=ApprovalState.PENDING,
            asked_at=head.asked_at,
        )
    if escalation.way == "notify":
        _notify(session, approval_id, position, who, around)
    else:
        announcements.ask_people(
            session,
            approval_id,
            position,
            who,
            expires_at=request.expires_at,
            org_key=around.org_key,
            now=around.now,
        )
    if head.card_id is not None and head.channel is not None:
        outbox.post(
            session,
            ApprovalEscalated(approval_id, position, ""),
            to=Destination.channel(around.org_key, head.channel),
            dedupe_key=f"approval:{approval_id}:escalated:{position}",
            now=around.now,
            thread_of=head.card_id,
        )


def _apply_escalation(stage: Stage, escalation: Escalation, who: dict[str, Reached]) -> Stage:
    if escalation.way == "notify" or not who:
        return replace(stage, escalated=True)
    kept = stage.approvers if escalation.way == "add" else ()
    coming = tuple(replace(one, is_late=True) for one in escalation.approvers)
    return replace(stage, approvers=kept + coming, escalated=True)


def _notify(
    session: Session,
    approval_id: int,
    position: int,
    who: dict[str, Reached],
    around: Circumstances,
) -> None:
    for person in sorted(who.values(), key=lambda person: person.slack_id):
        rollout.message_unasked(
            session,
            person.id,
            ApprovalEscalated(approval_id, position, person.id),
            to=Destination.person(around.org_key, person.slack_id),
            dedupe_key=f"approval:{approval_id}:late:{position}:{person.id}",
            policy=around.policy,
            now=around.now,
        )


def end_validity(session: Session, approval_id: int, around: Circumstances) -> None:
    """The time for which an approval holds is over: it is said, on the ledger and to whoever asked."""
    head, request = lock_request(session, approval_id)
    if request.state is not ApprovalState.APPROVED:
        return
    audit.record(
        session,
        SYSTEM,
        "approval.validity_ended",
        ("approval", approval_id),
        now=around.now,
        gate=head.gate,
    )
    outbox.refresh(session, announcements.subject(approval_id), now=around.now)
    if head.requester_slack_id:
        outbox.post(
            session,
            ApprovalValidityEnded(approval_id),
            to=Destination.person(around.org_key, head.requester_slack_id),
            dedupe_key=f"approval:{approval_id}:validity_ended",
            now=around.now,
        )
