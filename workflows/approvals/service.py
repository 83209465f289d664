"""Deciding, withdrawing and expiring requests. `decisions` is the door: it knows what each request is about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.enums import ApprovalState, Verdict
from workflows import outbox, permissions
from workflows.actors import SYSTEM, Actor, ActorKind
from workflows.approvals import (
    absences,
    announcements,
    clocks,
    endings,
    people,
    reads,
    refusals,
    rereading,
    rules,
    seating,
    terms,
)
from workflows.approvals.endings import Circumstances, Subjects
from workflows.approvals.forms import Decide, Withdraw
from workflows.approvals.refusals import AlreadyDecided, CommentNeeded, Unconfirmed
from workflows.approvals.rules import Entitlement, Refusal, Stage, Step, Vote
from workflows.audit import service as audit
from workflows.errors import (
    GovernanceError,
    InvalidInput,
    NotAllowed,
    NotFound,
    RefusalFact,
)
from workflows.policy import Policy


def decide(
    session: Session,
    actor: Actor,
    form: Decide,
    *,
    subjects: Subjects,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
    mirrored_since: datetime | None = None,
) -> None:
    """Count one verdict. Raises GovernanceError; see `decisions.decide`."""
    around = Circumstances(subjects, policy, org_key, now, clicked, mirrored_since)
    head, request, votes, rows, entitled = judged(session, actor, form, around)
    if head.paused_at is not None and form.verdict is Verdict.APPROVE:
        raise refusals.waits(
            reads.card(session, head.id, subjects=subjects, policy=policy, now=now)
        )
    if form.verdict is Verdict.REJECT and not form.reason:
        raise InvalidInput(
            "Say in a sentence why you reject it; the requester reads it.",
            field="reason",
        )
    if form.verdict is Verdict.APPROVE and request.current.comment and not form.reason:
        raise CommentNeeded(
            "This stage asks for a comment: say in a sentence why you approve. Nothing was changed.",
            field="reason",
        )
    step = rules.step(request, votes, form.verdict, entitled.parties)
    if isinstance(step, Refusal):
        raise refused(session, step, head.id, actor, around)
    if step in (Step.NEXT_STAGE, Step.APPROVED):
        decided = {actor.id, *(vote.person_id for vote in votes)}
        request = rereading.read_again(session, head, request, decided, around)
        step = rules.step(request, votes, form.verdict, entitled.parties)
    if step in (Step.WAITS, Step.NEXT_STAGE) and any(
        rules.entitlement(stage.approvers, people.standing(rows))
        for stage in request.stages[request.stage + 1 :]
    ):
        _require_dispensable(session, head, request, votes, entitled, actor, around)
    decision_id = _keep(session, actor, form, entitled, head, now)
    if form.conditions and form.verdict is Verdict.APPROVE:
        terms.keep(session, actor, head.id, decision_id, form.conditions, around)
        head, request = locked(session, head.id)
    if step is Step.WAITS:
        outbox.refresh(
            session, announcements.subject(head.id), now=now, clicked=clicked
        )
        endings.tell_story(session, head, decision_id, around)
    elif step is Step.NEXT_STAGE:
        decided = {actor.id, *(vote.person_id for vote in votes)}
        _next_stage(session, head, request, decision_id, decided, around)
    else:
        outcome = (
            ApprovalState.APPROVED if step is Step.APPROVED else ApprovalState.REJECTED
        )
        endings.end(
            session, actor, head, request, outcome, around, decision_id=decision_id
        )


def require_entitled(
    session: Session,
    actor: Actor,
    form: Decide,
    *,
    subjects: Subjects,
    policy: Policy,
    now: datetime,
    org_key: str,
    mirrored_since: datetime | None = None,
) -> None:
    """Raise what `decide` would raise on who decides and when."""
    around = Circumstances(subjects, policy, org_key, now, None, mirrored_since)
    judged(session, actor, form, around)


def judged(
    session: Session, actor: Actor, form: Decide, around: Circumstances
) -> tuple[Any, rules.Request, list[Vote], Sequence[Any], Entitlement]:
    """Lock the request and see whether this verdict counts. Raises the refusal when it does not."""
    permissions.require_member(
        actor, "approval.decide", subject=("approval", form.approval_id)
    )
    head, request = locked(session, form.approval_id)
    decided = queries.list_decided(session, form.approval_id)
    votes = _votes(decided)
    rows = queries.list_standing(session, actor.id)
    if not _is_recent(around.mirrored_since, rows[0].refreshed_at if rows else None):
        raise Unconfirmed(_ASK_SLACK)
    if not rows or rows[0].org_key != around.org_key:
        raise refused(session, Refusal.NO_MEMBER, head.id, actor, around)
    if any(row.for_id == actor.id for row in decided):
        raise AlreadyDecided(
            "Whoever stands in for you has decided on this in your place, and nobody decides twice."
        )
    found = rules.judge(
        request,
        votes,
        people.standing(rows),
        revision=form.revision,
        now=around.now,
    )
    if isinstance(found, Refusal):
        instead = _in_place_of(session, request, votes, rows, found, form, around)
        if instead is not None:
            return head, request, votes, rows, instead
        if around.mirrored_since is not None and found in _BY_MEMBERSHIP:
            raise Unconfirmed(_ASK_SLACK)
        raise refused(session, found, head.id, actor, around)
    if not _is_recent(around.mirrored_since, found.read_at):
        raise Unconfirmed(_ASK_SLACK)
    return head, request, votes, rows, found


_ASK_SLACK = "Slack has to be asked first. Nothing was changed; try again in a minute."
_BY_MEMBERSHIP = frozenset(
    {Refusal.NO_MEMBER, Refusal.NOT_YET, Refusal.PASSED, Refusal.NOT_ASKED}
)
"""Refusals that another word from Slack could lift."""


def _in_place_of(
    session: Session,
    request: rules.Request,
    votes: Sequence[Vote],
    rows: Sequence[Any],
    why: Refusal,
    form: Decide,
    around: Circumstances,
) -> Entitlement | None:
    """Whether this person, who is not asked themselves, decides for somebody who is away now."""
    person_id = rows[0].id
    if (
        why not in _NOT_ASKED
        or not request.current.delegate
        or person_id in request.apart
    ):
        return None
    spent = {
        one
        for row in queries.list_decided(session, form.approval_id)
        for one in (row.person_id, row.for_id)
    }
    for one in absences.principals(session, rows, person_id, now=around.now):
        if one.standing.person_id in spent:
            continue
        found = rules.judge(
            request, votes, one.standing, revision=form.revision, now=around.now
        )
        if isinstance(found, Entitlement):
            if not _is_recent(around.mirrored_since, found.read_at):
                raise Unconfirmed(_ASK_SLACK)
            return replace(found, instead_of=one.standing.person_id)
        if found is Refusal.STALE:
            raise refused(session, found, form.approval_id, _as_actor(rows[0]), around)
    return None


def _as_actor(row: Any) -> Actor:
    return Actor(row.id, ActorKind.PERSON, row.name, row.slack_id, row.tz)


_NOT_ASKED = frozenset({Refusal.NOT_YET, Refusal.PASSED, Refusal.NOT_ASKED})


def _is_recent(since: datetime | None, read_at: datetime | None) -> bool:
    return since is None or (read_at is not None and read_at >= since)


def withdraw(
    session: Session,
    actor: Actor,
    form: Withdraw,
    *,
    subjects: Subjects,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """The requester takes the request back. Raises GovernanceError; see `decisions.withdraw`."""
    around = Circumstances(subjects, policy, org_key, now, clicked)
    subject = ("approval", form.approval_id)
    permissions.require_member(actor, "approval.withdraw", subject=subject)
    head, request = locked(session, form.approval_id)
    if actor.id != request.requester_id:
        raise NotAllowed(
            "Only the person who asked for this can withdraw it. If you decide on it, you can reject it with a reason.",
            audit=RefusalFact(
                "approval.withdraw", "approval", str(head.id), why="not_requester"
            ),
        )
    if request.state is not ApprovalState.PENDING:
        raise refused(session, Refusal.ENDED, head.id, actor, around)
    if now >= request.expires_at:
        raise refused(session, Refusal.OVERDUE, head.id, actor, around)
    endings.end(session, actor, head, request, ApprovalState.WITHDRAWN, around)


def end_unheard(
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
    head, request = locked(session, approval_id)
    if request.state is ApprovalState.PENDING:
        endings.end(session, SYSTEM, head, request, ApprovalState.WITHDRAWN, around)


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
    head, request = locked(session, approval_id)
    if request.state is ApprovalState.PENDING and now >= request.expires_at:
        endings.end(session, SYSTEM, head, request, ApprovalState.EXPIRED, around)


def show_again(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str]
) -> None:
    """Somebody clicked on a card that is not what it was: draw that card, and all others, as they are now."""
    outbox.refresh(
        session, announcements.subject(approval_id), now=now, clicked=clicked
    )


def locked(session: Session, approval_id: int) -> tuple[Any, rules.Request]:
    """Lock a request: its row, and what verdicts are judged against. Raises NotFound."""
    rows = queries.request_for_update(session, approval_id)
    if not rows:
        raise NotFound(
            "There is no such request here any more. `/mlgov approvals` lists what waits for you."
        )
    head = rows[0]
    return head, rules.Request(
        head.requester_id,
        ApprovalState(head.state),
        head.stage,
        head.revision,
        head.expires_at,
        tuple(Stage.of(row) for row in rows),
        (head.bound or {}).get("apart") or {},
    )


def votes_of(session: Session, approval_id: int) -> list[Vote]:
    """The verdicts that count."""
    return _votes(queries.list_decided(session, approval_id))


def _votes(rows: Sequence[Any]) -> list[Vote]:
    return [
        Vote(
            row.person_id,
            row.position,
            Verdict(row.verdict),
            tuple(row.parties) if row.parties else (0,),
        )
        for row in rows
    ]


def refused(
    session: Session,
    why: Refusal,
    approval_id: int,
    actor: Actor,
    around: Circumstances,
) -> GovernanceError:
    """The refusal as an error with its sentence, to be raised."""
    card = reads.card(
        session,
        approval_id,
        subjects=around.subjects,
        policy=around.policy,
        now=around.now,
        reader_id=actor.id,
    )
    return refusals.refused(why, card, actor, card.reader.line if card.reader else None)


def _require_dispensable(
    session: Session,
    head: Any,
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
    now = [
        party | {actor.id} if index in entitled.parties else party
        for index, party in enumerate(now)
    ]
    later = [[party.keys() - barred for party in parties] for parties in found[1:]]

    def short(without: set[str]) -> bool:
        plan = [rules.ways(stages[0], now)] + [
            rules.ways(stage, [party - without for party in parties])
            for stage, parties in zip(stages[1:], later, strict=True)
        ]
        return seating.shortage_in(plan) is not None

    before, after = short(set()), short({actor.id})
    if after and not before:
        raise refused(session, Refusal.NEEDED_LATER, head.id, actor, around)


def _keep(
    session: Session,
    actor: Actor,
    form: Decide,
    entitled: Entitlement,
    head: Any,
    now: datetime,
) -> int:
    reason = (
        audit.write_text(session, actor, form.reason, now=now) if form.reason else None
    )
    via = entitled.group.slack_id if entitled.group else None
    shown = rules.digest(head.facts)
    decision_id = queries.insert_decision(
        session,
        approval_id=form.approval_id,
        person_id=actor.id,
        position=head.stage,
        verdict=form.verdict.value,
        reason_id=reason.id if reason else None,
        rule=unnamed(entitled.rule),
        via=via,
        membership_read_at=entitled.read_at,
        parties=None if entitled.parties == (0,) else list(entitled.parties),
        decided_at=now,
        for_id=entitled.instead_of,
        shown=shown,
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
        shown=shown,
        instead_of=entitled.instead_of,
        rule=unnamed(entitled.rule),
        via=via,
        membership_read_at=entitled.read_at.isoformat(timespec="microseconds")
        if entitled.read_at
        else None,
        reason=audit.text_fact(reason) if reason else None,
    )
    return decision_id


def _next_stage(
    session: Session,
    head: Any,
    request: rules.Request,
    decision_id: int,
    decided: set[str],
    around: Circumstances,
) -> None:
    position = request.stage + 1
    queries.advance(
        session,
        head.id,
        stage=position,
        state=ApprovalState.PENDING,
        asked_at=around.now,
    )
    (reached,) = people.reached(session, [request.stages[position]], around.org_key)
    for person_id in {*decided, request.requester_id, *request.apart}:
        reached.pop(person_id, None)
    outbox.refresh(
        session,
        announcements.subject(head.id),
        now=around.now,
        clicked=around.clicked,
    )
    endings.tell_story(session, head, decision_id, around)
    announcements.ask(
        session,
        head.id,
        request.stages[position],
        position,
        reached,
        project_id=head.project_id,
        has_card=head.card_id is not None,
        receipt_to=None,
        expires_at=request.expires_at,
        policy=around.policy,
        org_key=around.org_key,
        now=around.now,
        edition=head.edition,
    )
    start = clocks.restart if head.edition else clocks.start
    start(session, head.id, request.stages[position], position, now=around.now)


def unnamed(word: str) -> str:
    """A rule's word for the ledger, which never names anybody: a Slack id becomes `named`."""
    return "named" if word.startswith(("U", "W")) else word
