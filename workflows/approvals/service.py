"""Deciding, withdrawing and expiring requests. `decisions` is where others come in: it knows what each is about."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals.queries import RequestRow, VerdictRow
from storage.enums import ApprovalState, Verdict
from workflows import clock, outbox, permissions, rollout
from workflows.actors import SYSTEM, Actor
from workflows.approvals import (
    approvers,
    completion,
    door,
    notifications,
    reads,
    refusals,
    rereading,
    rules,
    submission,
)
from workflows.approvals.approvers import Reached, list_fallback
from workflows.approvals.completion import Circumstances, Subjects
from workflows.approvals.door import Entered
from workflows.approvals.forms import Decide, TakeBack, Withdraw
from workflows.approvals.refusals import CommentNeeded
from workflows.approvals.rereading import Reading
from workflows.approvals.rules import Entitlement, Refusal, Request, Step, Vote
from workflows.approvals.stages import Bound, Stage
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotAllowed
from workflows.policy import Policy

# --- Taking back one's own decision, while the request is pending

NOTHING_TO_TAKE_BACK = "You have not decided on this, so there is nothing to take back."


def require_decided(
    session: Session, actor: Actor, form: TakeBack, at: Entered, around: Circumstances
) -> None:
    """Only who has decided."""
    if not any(row.person_id == actor.id for row in at.decided):
        raise NotAllowed(NOTHING_TO_TAKE_BACK, hint="approvals.waiting")


def take_back_decision(
    session: Session, actor: Actor, form: TakeBack, at: Entered, around: Circumstances
) -> str:
    """This person's verdict counts no more; they can decide anew. What they are told.

    Where the request has gone on to another stage it comes back, and who decided there since is asked again: they
    decided on the word of a stage that has not passed any more.
    """
    head, request = at.head, at.request
    mine = next(row for row in at.decided if row.person_id == actor.id)
    activity.drop_conditions(session, head.id, now=around.now, decision_ids=[mine.id])
    audit.record(
        session,
        actor,
        "approval.taken_back",
        ("approval", head.id),
        now=around.now,
        decision=mine.id,
        verdict=mine.verdict,
        stage=mine.position,
        back_from=request.stage,
    )
    completion.post_thread_line(session, head, "taken_back", mine.id, around)
    if mine.position < request.stage:
        completion.reopen_stage(session, head, request, mine.position, around, void={mine.id})
        return (
            f"You took your approval back. The request is with {request.stages[mine.position].name} again, "
            "and who decided after you is asked anew."
        )
    queries.void_decisions(session, [mine.id], at=around.now)
    outbox.refresh(session, notifications.subject(head.id), now=around.now, clicked=around.clicked)
    return "You took your approval back. You can decide again while the request waits."


# --- Deciding, withdrawing and expiring requests
#
# `decisions` is where others come in: it knows what each is about.


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
        rereading.require_unmoved(now.moved)
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
        rules.entitlement(stage.approvers, approvers.build_standing(at.rows))
        for stage in request.stages[request.stage + 1 :]
    ):
        _require_dispensable(session, head, request, votes, entitled, actor, around)
    decision_id, is_shown = _record_decision(session, actor, form, entitled, head, around.now)
    if form.conditions and form.verdict is Verdict.APPROVE:
        completion.keep_conditions(session, actor, head.id, decision_id, form.conditions, around)
        head, request = door.lock_request(session, head.id)
    if step is Step.WAITS:
        outbox.refresh(
            session, notifications.subject(head.id), now=around.now, clicked=around.clicked
        )
        completion.post_story(session, head, decision_id, around)
    elif step is Step.NEXT_STAGE:
        decided = {actor.id, *(vote.person_id for vote in votes)}
        _ask_next_stage(session, head, request, decision_id, decided, around)
    else:
        outcome = ApprovalState.APPROVED if step is Step.APPROVED else ApprovalState.REJECTED
        completion.end_request(
            session, actor, head, request, outcome, around, decision_id=decision_id
        )
    if is_shown:
        notifications.refresh_showing(session, head.id, now=around.now, clicked=around.clicked)
    return "Your decision is on record."


def withdraw(
    session: Session, actor: Actor, form: Withdraw, at: Entered, around: Circumstances
) -> str:
    """The requester takes the request back."""
    completion.end_request(session, actor, at.head, at.request, ApprovalState.WITHDRAWN, around)
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
        completion.end_request(session, SYSTEM, head, request, ApprovalState.WITHDRAWN, around)


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
        completion.end_request(session, SYSTEM, head, request, ApprovalState.EXPIRED, around)


def redraw_card(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str]
) -> None:
    """Somebody clicked on a card that is not what it was: draw that card, and all others, as they are now."""
    outbox.refresh(session, notifications.subject(approval_id), now=now, clicked=clicked)


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
    reached = approvers.list_reached_parties(session, stages, around.org_key, by=request.expires_at)
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
        return rules.shortage_in(plan) is not None

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
    outbox.refresh(session, notifications.subject(head.id), now=around.now, clicked=around.clicked)
    completion.post_story(session, head, decision_id, around)
    completion.ask_stage(
        session,
        head,
        request.stages[position],
        position,
        {*decided, request.requester_id, *request.apart},
        around,
        expires_at=request.expires_at,
        edition=head.edition,
    )
    start = completion.restart_stage_timers if head.edition else completion.start_stage_timers
    start(session, head.id, request.stages[position], position, now=around.now)


def mask_named(word: str) -> str:
    """A rule's word for the ledger, which never names anybody: a Slack id becomes `named`."""
    return "named" if word.startswith(("U", "W")) else word


# --- Whether a request that waits can still pass
#
# looked at whenever people, their groups, absences or the policy change. Who could decide when
# it was asked may have left since. Then the policy's fallback is asked; where there's none, or
# it reaches too few, whoever asked and the administrators hear it at once instead of waiting
# until it expires.

STUCK = "stuck"
"""What a note is about that says that nobody is left to decide."""


def recheck_passable(session: Session, approval_id: int, around: Circumstances) -> bool:
    """Take the fallback of each stage that could not pass any more, and tell of one that can't even so; once a stage.

    Whether the request is another one now.
    """
    head, request = door.lock_request(session, approval_id)
    if request.state is not ApprovalState.PENDING or around.now >= request.expires_at:
        return False
    is_changed = False
    decided = queries.list_verdicts(session, approval_id)
    stages = list(request.stages[request.stage :])
    while (short := _find_shortage(session, request, stages, decided, around)) is not None:
        stage, position = stages[short.position], request.stage + short.position
        filled = None if stage.fallback else _add_fallback(session, head, stage, around)
        if filled is None:
            _report_stuck(session, head, request, position, short, around)
            return is_changed
        stages[short.position] = filled
        _fall_back(session, head, request, position, filled, decided, around)
        is_changed = True
    return is_changed


def _find_shortage(
    session: Session,
    request: Request,
    stages: Sequence[Stage],
    decided: Sequence[VerdictRow],
    around: Circumstances,
) -> rules.Shortage | None:
    """The first stage that has too few people left for the places that are still open in it."""
    reached = approvers.list_reached_parties(session, stages, around.org_key, by=request.expires_at)
    barred = door.list_spent(decided) | {request.requester_id, *request.apart}
    ways = []
    for index, (stage, parties) in enumerate(zip(stages, reached, strict=True)):
        needs: list[rules.Need] = [
            (
                max(0, quorum - (_count_given(request, decided, party) if not index else 0)),
                parties[party].keys() - barred,
            )
            for party, quorum in enumerate(stage.quorums)
        ]
        ways.append([[need] for need in needs] if stage.mode == "any" else [needs])
    return rules.shortage_in(ways)


def _count_given(request: Request, decided: Sequence[VerdictRow], party: int) -> int:
    """How many approvals a group of the stage that is asked now has."""
    return sum(
        row.position == request.stage
        and row.verdict == Verdict.APPROVE.value
        and party in (row.parties or (0,))
        for row in decided
    )


def _add_fallback(
    session: Session, head: RequestRow, stage: Stage, around: Circumstances
) -> Stage | None:
    """The stage with those who decide in place of nobody, by the policy that the request is bound to."""
    policy = rereading.load_bound_policy(session, head, around)
    gate = policy.gates.get(head.gate)
    if gate is None or all(one.name != stage.name for one in gate.stages):
        return None
    words = approvers.resolve_words(
        session, policy, Bound.of(head.bound).people, head.requester_id, org_key=around.org_key
    )
    spare = tuple(replace(one, is_late=True) for one in list_fallback(gate, stage.name, words))
    if not spare:
        return None
    return submission.add_fallback(stage, spare)


def _fall_back(
    session: Session,
    head: RequestRow,
    request: Request,
    position: int,
    stage: Stage,
    decided: Sequence[VerdictRow],
    around: Circumstances,
) -> None:
    stored = stage.stored()
    activity.set_stage(
        session, head.id, position, approvers=stored["approvers"], rules=stored["rules"]
    )
    audit.record(
        session,
        SYSTEM,
        "approval.fallback",
        ("approval", head.id),
        now=around.now,
        stage=position,
        rules=[mask_named(one.rule) for one in stage.fallback],
    )
    outbox.refresh(session, notifications.subject(head.id), now=around.now)
    if position != request.stage:
        return
    barred = door.list_spent(decided) | {request.requester_id, *request.apart}
    (parties,) = approvers.list_reached_parties(
        session, [replace(stage, approvers=stage.fallback)], around.org_key, by=request.expires_at
    )
    coming: Mapping[str, Reached] = {
        id_: one for party in parties for id_, one in party.items() if id_ not in barred
    }
    notifications.ask_people(
        session,
        head.id,
        position,
        coming,
        expires_at=request.expires_at,
        org_key=around.org_key,
        now=around.now,
    )


def _report_stuck(
    session: Session,
    head: RequestRow,
    request: Request,
    position: int,
    short: rules.Shortage,
    around: Circumstances,
) -> None:
    """Say it to whoever asked and to each administrator, once for the stage; on the ledger, too."""
    whom = {
        person_id: person
        for person_id in (
            request.requester_id,
            *permissions.list_holders(
                session, rollout.ADMIN, policy=around.policy, org_key=around.org_key
            ),
        )
        if (person := approvers.find_person(session, person_id)) is not None
    }
    note_ids = [
        notifications.notify_person(
            session, head.id, person, STUCK, position, org_key=around.org_key, now=around.now
        )
        for _, person in sorted(whom.items())
    ]
    if any(one is not None for one in note_ids):
        audit.record(
            session,
            SYSTEM,
            "approval.stuck",
            ("approval", head.id),
            now=around.now,
            stage=position,
            people=short.found,
        )
