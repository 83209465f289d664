"""Giving one's place in a stage to somebody else, who is asked in one's stead."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import queries
from storage.enums import Verdict
from workflows import outbox
from workflows.actors import Actor
from workflows.approvals import announcements, endings, people, rules, service
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import Decide, HandOver
from workflows.approvals.people import Reached
from workflows.approvals.rules import HANDED_OVER, PERSON, Vote
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
    stored = queries.list_approvers(session, head.id)[request.stage]
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
    place: dict[str, Any] = next(
        (item for item in stored if item["rule"] == entitled.rule), {}
    )
    given = {"rule": HANDED_OVER, "who": [PERSON + taker.id], "by": actor.id}
    before = _free(session, request, votes, around)
    queries.set_approvers(session, head.id, request.stage, [*stored, place | given])
    head, request = service.locked(session, head.id)
    _require_enough(request, votes, before, _free(session, request, votes, around))
    queries.mark(session, head.id, has_more=True)
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
    rows = queries.list_standing(session, actor.id)
    endings.publish_homes(
        session, head, {taker.id: taker}, rows[0] if rows else None, around
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
    allowed = [
        people.stands_for(word, policy, {})
        for word in getattr(policy.gates.get(gate), "hand_over_to", ())  # type: ignore[call-overload]
    ]
    if not rules.entitlement([*stage.approvers, *allowed], standing):
        raise InvalidInput(
            f"{taker.name} is not among those who may decide this. Choose somebody whom the stage {stage.name} asks.",
            field="to",
        )


def _free(
    session: Session,
    request: rules.Request,
    votes: Sequence[Vote],
    around: Circumstances,
) -> list[set[str]]:
    """For each stage from the one asked now, who could still decide in it."""
    spent = {request.requester_id, *(vote.person_id for vote in votes)}
    return [
        set(reached) - spent
        for reached in people.reached(
            session, request.stages[request.stage :], around.org_key
        )
    ]


def _require_enough(
    request: rules.Request,
    votes: Sequence[Vote],
    before: list[set[str]],
    after: list[set[str]],
) -> None:
    given = sum(
        vote.position == request.stage and vote.verdict is Verdict.APPROVE
        for vote in votes
    )
    stages = request.stages[request.stage :]
    quorums = [stages[0].quorum - given, *(stage.quorum for stage in stages[1:])]
    if (
        rules.shortage(list(zip(quorums, before, strict=True))) is None
        and rules.shortage(list(zip(quorums, after, strict=True))) is not None
    ):
        raise InvalidInput(
            "Too few people could then decide this: that person is needed beside you, not instead of you. Choose somebody else.",
            field="to",
        )
