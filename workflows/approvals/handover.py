"""Giving one's place in a stage to somebody else, who is asked in one's stead."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing, queries
from storage.enums import Verdict
from workflows import outbox
from workflows.actors import Actor
from workflows.approvals import announcements, endings, people, rules, seating, service
from workflows.approvals.binding import Words
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import Decide, HandOver
from workflows.approvals.people import Reached
from workflows.approvals.rules import Vote
from workflows.approvals.stages import HANDED_OVER, PERSON, Approver
from workflows.audit import service as audit
from workflows.errors import InvalidInput
from workflows.policy import Policy


def hand_over(
    session: Session, actor: Actor, form: HandOver, around: Circumstances
) -> str:
    """Somebody else is asked instead of this person, who does not decide in this stage any more."""
    asking = Decide(
        approval_id=form.approval_id, revision=form.revision, verdict=Verdict.APPROVE
    )
    head, request, votes, _, entitled = service.judged(session, actor, asking, around)
    taker = people.by_slack_id(session, around.org_key, form.to)
    if taker is None:
        raise InvalidInput(
            "That person is no full member of this organisation that mlgov knows. Choose somebody else.",
            field="to",
        )
    _require_fit(session, actor, taker, request, votes, around.policy, head.gate)
    text = (
        audit.write_text(session, actor, form.note, now=around.now)
        if form.note
        else None
    )
    handover_id = more.insert_handover(
        session,
        approval_id=head.id,
        position=request.stage,
        from_id=actor.id,
        to_id=taker.id,
        note_id=text.id if text else None,
        created_at=around.now,
    )
    given = [
        Approver(HANDED_OVER, (PERSON + taker.id,), party, actor.id)
        for party in entitled.parties
    ]
    was_short = _is_short(session, request, votes, around)
    changing.set_approvers(
        session,
        head.id,
        request.stage,
        [approver.stored() for approver in (*request.current.approvers, *given)],
    )
    head, request = service.locked(session, head.id)
    if not was_short and _is_short(session, request, votes, around):
        raise InvalidInput(
            "Too few people could then decide this: that person is needed beside you, not instead of you. Choose somebody else.",
            field="to",
        )
    changing.mark(session, head.id, has_more=True)
    audit.record(
        session,
        actor,
        "approval.handed_over",
        ("approval", head.id),
        now=around.now,
        stage=request.stage,
        to=taker.id,
        handover=handover_id,
        note=audit.text_fact(text) if text else None,
    )
    outbox.refresh(
        session, announcements.subject(head.id), now=around.now, clicked=around.clicked
    )
    endings.tell(session, head, "handed_over", handover_id, around)
    announcements.ask_one(
        session,
        head.id,
        request.stage,
        taker,
        f"handover:{handover_id}",
        org_key=around.org_key,
        expires_at=request.expires_at,
        now=around.now,
    )
    return (
        f"{taker.name} is asked in your place. You don't decide in this stage any more."
    )


def _require_fit(
    session: Session,
    actor: Actor,
    taker: Reached,
    request: rules.Request,
    votes: Sequence[Vote],
    policy: Policy,
    gate: str,
) -> None:
    """The new person must be one whom the stage asks anyway, or one whom the policy lets take over."""
    stage = request.stages[request.stage]
    rows = queries.list_standing(session, taker.id)
    standing = people.standing(rows)
    if taker.id == actor.id:
        raise InvalidInput("That is you. Choose somebody else.", field="to")
    if taker.id == request.requester_id:
        raise InvalidInput(
            f"{taker.name} asked for this, so they can't decide it. Choose somebody else.",
            field="to",
        )
    if any(vote.person_id == taker.id for vote in votes):
        raise InvalidInput(
            f"{taker.name} has decided on this already, and nobody decides twice. Choose somebody else.",
            field="to",
        )
    if any(approver.by == taker.id for approver in stage.approvers):
        raise InvalidInput(
            f"{taker.name} gave their own place away, so it can't go back to them. Choose somebody else.",
            field="to",
        )
    words = Words(policy, {})
    allowed = [words.of(word) for word in policy.gate(gate).hand_over_to]
    if not rules.entitlement([*stage.approvers, *allowed], standing):
        raise InvalidInput(
            f"{taker.name} is not among those who may decide this. Choose somebody whom the stage {stage.name} asks.",
            field="to",
        )


def _is_short(
    session: Session,
    request: rules.Request,
    votes: Sequence[Vote],
    around: Circumstances,
) -> bool:
    """Whether the stages that are left could not pass any more with those who could decide in them now."""
    stages = request.stages[request.stage :]
    barred = {vote.person_id for vote in votes} | {request.requester_id, *request.apart}
    found = people.reached_parties(session, stages, around.org_key)
    gave = [
        (vote.person_id, vote.parties)
        for vote in votes
        if vote.position == request.stage and vote.verdict is Verdict.APPROVE
    ]
    now = [
        (party.keys() - barred) | {one for one, parties in gave if index in parties}
        for index, party in enumerate(found[0])
    ]
    plan = [rules.ways(stages[0], now)] + [
        rules.ways(stage, [party.keys() - barred for party in parties])
        for stage, parties in zip(stages[1:], found[1:], strict=True)
    ]
    return seating.shortage_in(plan) is not None
