"""Deciding, withdrawing and expiring requests. `decisions` is where others come in: it knows what each is about."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState, Verdict
from workflows import clock, outbox
from workflows.actors import SYSTEM, Actor
from workflows.approvals import (
    announcements,
    clocks,
    door,
    endings,
    moved,
    people,
    reads,
    refusals,
    rereading,
    rules,
    seating,
    terms,
)
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances, Subjects
from workflows.approvals.forms import Decide, Withdraw
from workflows.approvals.refusals import CommentNeeded
from workflows.approvals.rereading import Reading
from workflows.approvals.rules import Entitlement, Refusal, Step, Vote
from workflows.audit import service as audit
from workflows.errors import InvalidInput
from workflows.policy import Policy


def decide(session: Session, actor: Actor, form: Decide, at: Entered, around: Circumstances) -> str:
    """Count one verdict. Raises GovernanceError; see `decisions.decide`."""
    head, request, votes = at.head, at.request, at.votes
    entitled = door.require_entitlement(at)
    if head.paused_at is not None and form.verdict is Verdict.APPROVE:
        raise refusals.wait_for_answer(
            reads.card(
                session, head.id, subjects=around.subjects, policy=around.policy, now=around.now
            )
        )
    reading: Reading | None = None
    if form.verdict is Verdict.APPROVE:
        now = rereading.reread_subject(session, head, around)
        moved.require_unmoved(now.moved)
        reading = rereading.require_as_shown(session, at, now.again, around)
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
        raise door.build_refusal(session, step, head.id, actor, around)
    if step in (Step.NEXT_STAGE, Step.APPROVED):
        decided = {actor.id, *(vote.person_id for vote in votes)}
        request = rereading.restage_request(session, at, reading, decided, around)
        step = rules.step(request, votes, form.verdict, entitled.parties)
    if step in (Step.WAITS, Step.NEXT_STAGE) and any(
        rules.entitlement(stage.approvers, people.build_standing(at.rows))
        for stage in request.stages[request.stage + 1 :]
    ):
        _require_dispensable(session, head, request, votes, entitled, actor, around)
    decision_id, is_shown = _record_decision(session, actor, form, entitled, head, around.now)
    if form.conditions and form.verdict is Verdict.APPROVE:
        terms.keep_conditions(session, actor, head.id, decision_id, form.conditions, around)
        head, request = door.lock_request(session, head.id)
    if step is Step.WAITS:
        outbox.refresh(
            session, announcements.subject(head.id), now=around.now, clicked=around.clicked
        )
        endings.post_story(session, head, decision_id, around)
    elif step is Step.NEXT_STAGE:
        decided = {actor.id, *(vote.person_id for vote in votes)}
        _ask_next_stage(session, head, request, decision_id, decided, around)
    else:
        outcome = ApprovalState.APPROVED if step is Step.APPROVED else ApprovalState.REJECTED
        endings.end_request(session, actor, head, request, outcome, around, decision_id=decision_id)
    if is_shown:
        announcements.refresh_showing(session, head.id, now=around.now, clicked=around.clicked)
    return "Your decision is on record."


def withdraw(
    session: Session, actor: Actor, form: Withdraw, at: Entered, around: Circumstances
) -> str:
    """The requester takes the request back."""
    endings.end_request(session, actor, at.head, at.request, ApprovalState.WITHDRAWN, around)
    return "You withdrew the request. Nobody decides it any more."


def withdraw_for_erasure(
    session: Session,
    approval_id: int,
    *,
    subjects: Subjects,
    policy: Policy,
    now: datetime,
    org_key: str,
) -> None:
    """End a request that waits, as withdrawn: who asked or decided in it was erased, and would come back as a stranger
    to it. Does nothing when it has ended."""
    around = Circumstances(subjects, policy, org_key, now)
    head, request = door.lock_request(session, approval_id)
    if request.state is ApprovalState.PENDING:
        endings.end_request(session, SYSTEM, head, request, ApprovalState.WITHDRAWN, around)


def expire(
    session: Session,
    approval_id: int,
    *,
    subjects: Subjects,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """End a request whose time is up; nothing when it has ended or its time is not up."""
    around = Circumstances(subjects, policy, org_key, now, clicked)
    head, request = door.lock_request(session, approval_id)
    if request.state is ApprovalState.PENDING and now >= request.expires_at:
        endings.end_request(session, SYSTEM, head, request, ApprovalState.EXPIRED, around)


def redraw_card(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str]
) -> None:
    """Somebody clicked on a card that is not what it was: draw that card, and all others, as they are now."""
    outbox.refresh(session, announcements.subject(approval_id), now=now, clicked=clicked)


def _require_dispensable(
    session: Session,
    head: RequestRow,
    request: rules.Request,
    votes: Sequence[Vote],
    entitled: Entitlement,
    actor: Actor,
    around: Circumstances,
) -> None:
    """Refuse an approval that would leave too few others for a later stage, while somebody else could give it."""
    stages = request.stages[request.stage :]
    decided = {vote.person_id for vote in votes}
    barred = decided | {request.requester_id, *request.apart}
    reached = people.list_reached_parties(session, stages, around.org_key, by=request.expires_at)
    now = [
        party | {actor.id} if index in entitled.parties else party
        for index, party in enumerate(rules.list_holders(request, votes, reached[0], barred))
    ]
    later = [[party.keys() - barred for party in parties] for parties in reached[1:]]

    def short(without: set[str]) -> bool:
        plan = [rules.ways(stages[0], now)] + [
            rules.ways(stage, [party - without for party in parties])
            for stage, parties in zip(stages[1:], later, strict=True)
        ]
        return seating.shortage_in(plan) is not None

    before, after = short(set()), short({actor.id})
    if after and not before:
        raise door.build_refusal(session, Refusal.NEEDED_LATER, head.id, actor, around)


def _record_decision(
    session: Session,
    actor: Actor,
    form: Decide,
    entitled: Entitlement,
    head: RequestRow,
    now: datetime,
) -> tuple[int, bool]:
    reason = audit.write_text(session, actor, form.reason, now=now) if form.reason else None
    via = entitled.group.slack_id if entitled.group else None
    read_at = clock.governed(session, entitled.read_at) if entitled.read_at else None
    shown_digest = rules.digest(head.facts)
    kept = queries.insert_decision(
        session,
        approval_id=form.approval_id,
        person_id=actor.id,
        position=head.stage,
        verdict=form.verdict.value,
        reason_id=reason.id if reason else None,
        rule=mask_named(entitled.rule),
        via=via,
        membership_read_at=read_at,
        parties=None if entitled.parties == (0,) else list(entitled.parties),
        decided_at=now,
        for_id=entitled.instead_of,
        place_id=None if entitled.place == actor.id else entitled.place,
        shown=shown_digest,
    )
    audit.record(
        session,
        actor,
        "approval.decided",
        ("approval", form.approval_id),
        now=now,
        verdict=form.verdict.value,
        stage=head.stage,
        revision=form.revision,
        shown=shown_digest,
        instead_of=entitled.instead_of,
        place=None if entitled.place == actor.id else entitled.place,
        rule=mask_named(entitled.rule),
        via=via,
        membership_read_at=read_at.isoformat(timespec="microseconds") if read_at else None,
        reason=audit.text_fact(reason) if reason else None,
    )
    return kept


def _ask_next_stage(
    session: Session,
    head: RequestRow,
    request: rules.Request,
    decision_id: int,
    decided: set[str],
    around: Circumstances,
) -> None:
    position = request.stage + 1
    queries.advance(
        session, head.id, stage=position, state=ApprovalState.PENDING, asked_at=around.now
    )
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    endings.post_story(session, head, decision_id, around)
    endings.ask_stage(
        session,
        head,
        request.stages[position],
        position,
        {*decided, request.requester_id, *request.apart},
        around,
        expires_at=request.expires_at,
        edition=head.edition,
    )
    start = clocks.restart_stage_timers if head.edition else clocks.start_stage_timers
    start(session, head.id, request.stages[position], position, now=around.now)


def mask_named(word: str) -> str:
    """A rule's word for the ledger, which never names anybody: a Slack id becomes `named`."""
    return "named" if word.startswith(("U", "W")) else word
