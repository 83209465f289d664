"""One person's check-in as it stands: what was asked, what they said, and what was promised."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.delivery import outbox
from storage.enums import Answer, AskedAs, CycleState, InvitationState, SeenBy
from storage.ledger import digest_text
from storage.maturity import queries
from storage.maturity import queries as said
from storage.maturity.tables import MaturityAnswer, MaturityCycle, MaturityInvitation, MaturityNote
from storage.people.tables import Person
from workflows import outbox as workflows_outbox
from workflows import permissions, timers
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.maturity import rules
from workflows.maturity.forms import GiveAnswer, Skip, WriteNote
from workflows.maturity.records import DimensionPart, MyCheckIn, StatementPart, Terms
from workflows.maturity.rules import Rubric
from workflows.outbox import Subject
from workflows.policy import Policy

TYPE = "maturity_invitation"


def load_rubric(session: Session, cycle: MaturityCycle) -> Rubric:
    """What a cycle asks."""
    return rules.parse(queries.load_rubric_text(session, cycle.rubric_id))


def label(cycle: MaturityCycle, policy: Policy) -> str:
    """Which check-in it is: the month in which it opened."""
    return f"{cycle.opened_at.astimezone(policy.organisation.zone):%B %Y}"


def find_check_in(session: Session, invitation_id: int, *, policy: Policy) -> MyCheckIn | None:
    """One person's check-in, whoever looks; the caller has asked whether they may."""
    return _find(session, queries.find_invitation(session, invitation_id), policy)


def _find(
    session: Session, invitation: MaturityInvitation | None, policy: Policy
) -> MyCheckIn | None:
    cycle = queries.find_cycle(session, invitation.cycle_id) if invitation else None
    if invitation is None or cycle is None:
        return None
    return load_check_in(session, cycle, invitation, policy)


def find_to_send(
    session: Session, invitation_id: int, kind: str, number: int, *, policy: Policy
) -> MyCheckIn | None:
    """What a message to that person shows; None while it was not sent and there is nothing left to ask.

    So nobody is invited or reminded who has finished, skipped or left while the message waited.
    """
    check_in = find_check_in(session, invitation_id, policy=policy)
    if check_in is None or check_in.waits:
        return check_in
    sent = any(
        copy.kind == kind and copy.notice.get("number", 0) == number
        for copy in outbox.list_copies(session, TYPE, str(invitation_id))
    )
    return check_in if sent else None


def find_own(ctx: Context) -> MyCheckIn | None:
    """The newest check-in that somebody was invited to."""
    return _find(ctx.session, queries.find_last_invitation(ctx.session, ctx.actor.id), ctx.policy)


def open_invitation(ctx: Context) -> MyCheckIn | None:
    """The check-in that still waits for somebody's answers."""
    check_in = find_own(ctx)
    return check_in if check_in is not None and check_in.waits else None


def load_own(ctx: Context, invitation_id: int) -> MyCheckIn:
    """One's own check-in by its id. Raises NotFound for everybody else's."""
    invitation = queries.find_invitation(ctx.session, invitation_id)
    is_own = invitation is not None and invitation.person_id == ctx.actor.id
    check_in = _find(ctx.session, invitation, ctx.policy) if is_own else None
    if check_in is None:
        raise NotFound("This check-in is not yours.", hint="maturity.own")
    return check_in


def load_check_in(
    session: Session, cycle: MaturityCycle, invitation: MaturityInvitation, policy: Policy
) -> MyCheckIn:
    answers = {
        statement: Answer(answer)
        for _, statement, answer in said.list_answers(session, invitation.id)
    }
    notes = {note.dimension: note for note in said.list_notes(session, invitation.id)}
    ids = [
        one for note in notes.values() for one in (note.comment_id, note.link_id) if one is not None
    ]
    if invitation.skip_reason_id is not None:
        ids.append(invitation.skip_reason_id)
    words = said.load_texts(session, ids)
    starter = queries.find_person(session, cycle.started_by) if cycle.started_by else None
    return MyCheckIn(
        id=invitation.id,
        cycle_id=cycle.id,
        label=label(cycle, policy),
        business_unit=cycle.business_unit,
        asked_as=AskedAs(invitation.asked_as),
        state=InvitationState(invitation.state),
        cycle_state=CycleState(cycle.state),
        closes_at=cycle.closes_at,
        closed_at=cycle.closed_at,
        terms=terms(cycle, policy),
        dimensions=parts(load_rubric(session, cycle), answers, notes, words),
        skip_reason=words.get(invitation.skip_reason_id or 0, ""),
        started_by=None if starter is None else (starter.slack_id, starter.name),
    )


def terms(cycle: MaturityCycle, policy: Policy) -> Terms:
    """What the first message promised, or what a stricter policy promises by now."""
    order = (SeenBy.NOBODY, SeenBy.ASSESSOR, SeenBy.ASSESSOR_BY_NAME)
    now, then = policy.maturity, SeenBy(cycle.seen_by)
    return Terms(
        min(then, now.answers_seen_by, key=order.index), max(cycle.minimum_group, now.minimum_group)
    )


def parts(
    asked: Rubric,
    answers: Mapping[str, Answer],
    notes: Mapping[str, MaturityNote],
    words: Mapping[int, str],
) -> tuple[DimensionPart, ...]:
    """The dimensions with what one person said."""
    parts = []
    for dimension in asked.dimensions:
        note = notes.get(dimension.key)
        parts.append(
            DimensionPart(
                dimension.key,
                dimension.name,
                tuple(
                    StatementPart(one.id, one.text, answers.get(one.id))
                    for one in dimension.statements
                ),
                words.get((note.comment_id if note else None) or 0, ""),
                words.get((note.link_id if note else None) or 0, ""),
            )
        )
    return tuple(parts)


# --- One person's check-in
#
# what they were asked, what they say, and that it is kept the moment they say it.


class Closed(GovernanceError):
    """The check-in is over, so that nothing can be changed any more."""


def subject(invitation_id: int) -> Subject:
    """The record that a person's messages about a check-in follow."""
    return Subject.of(TYPE, invitation_id)


# --- saying something


def give_answer(ctx: Context, form: GiveAnswer) -> MyCheckIn:
    """Keep an answer, unless a later tap was kept already. Raises Closed, NotFound."""
    cycle, invitation = _lock_own(ctx, form.invitation_id)
    asked = load_rubric(ctx.session, cycle)
    if form.statement not in {one.id for one in asked.statements}:
        raise InvalidInput(
            "This statement is not part of the check-in any more.", hint="maturity.reopen"
        )
    before = load_check_in(ctx.session, cycle, invitation, ctx.policy)
    if not _keep_answer(ctx, invitation, form):
        return before
    return _settle(ctx, cycle, invitation, before)


def keep_window_answers(
    ctx: Context, invitation_id: int, taps: Mapping[str, tuple[str | None, str | None]]
) -> MyCheckIn:
    """Keep what a window holds that no tap has told: (what it showed when it opened, what is chosen) by statement.

    An answer that was changed on another device since the window opened stays.
    """
    cycle, invitation = _lock_own(ctx, invitation_id)
    asked = {one.id for one in load_rubric(ctx.session, cycle).statements}
    before = load_check_in(ctx.session, cycle, invitation, ctx.policy)
    kept = False
    for statement, (opened_with, chosen) in taps.items():
        if chosen is None or chosen == opened_with or statement not in asked:
            continue
        kept_answer = said.find_answer(ctx.session, invitation.id, statement)
        if (kept_answer.answer if kept_answer else None) != opened_with:
            continue
        stamp = kept_answer.stamp if kept_answer else "0"
        form = GiveAnswer(
            invitation_id=invitation.id, statement=statement, answer=Answer(chosen), stamp=stamp
        )
        kept = _keep_answer(ctx, invitation, form) or kept
    if not kept:
        return before
    return _settle(ctx, cycle, invitation, before)


def keep_note(ctx: Context, form: WriteNote) -> MyCheckIn:
    """Keep a comment and a link to proof; what is left empty is taken back."""
    cycle, invitation = _lock_own(ctx, form.invitation_id)
    if load_rubric(ctx.session, cycle).dimension(form.dimension) is None:
        raise InvalidInput("This check-in has no such dimension. Open it again.")
    row = said.find_note(ctx.session, invitation.id, form.dimension)
    if row is None:
        row = MaturityNote(invitation_id=invitation.id, dimension=form.dimension)
        ctx.session.add(row)
    old = said.load_texts(ctx.session, [one for one in (row.comment_id, row.link_id) if one])
    for name, text in (("comment", form.comment), ("link", form.link)):
        column = f"{name}_id"
        if old.get(getattr(row, column) or 0, "") == text:
            continue
        kept = _write_text(ctx, text)
        setattr(row, column, kept.id if kept else None)
    ctx.session.flush()
    return load_check_in(ctx.session, cycle, invitation, ctx.policy)


def _write_text(ctx: Context, text: str) -> PrivateText | None:
    return audit.write_text(ctx.session, ctx.actor, text, now=ctx.now) if text else None


def skip_check_in(ctx: Context, form: Skip) -> MyCheckIn:
    """Take no part this time, with a reason. Nobody is reminded after that; what was answered stays and counts."""
    cycle, invitation = _lock_own(ctx, form.invitation_id)
    if invitation.state != InvitationState.INVITED:
        raise InvalidInput(
            "There is nothing left to skip: you have answered or skipped this check-in already."
        )
    kept = audit.write_text(ctx.session, ctx.actor, form.reason, now=ctx.now)
    invitation.state = InvitationState.SKIPPED
    invitation.ended_at = ctx.now
    invitation.skip_reason_id = kept.id
    ctx.session.flush()
    audit.record(
        ctx, "maturity.skipped", (TYPE, invitation.id), cycle=cycle.id, reason=audit.text_fact(kept)
    )
    timers.cancel(ctx.session, subject(invitation.id))
    workflows_outbox.refresh(ctx, subject(invitation.id))
    return load_check_in(ctx.session, cycle, invitation, ctx.policy)


def _lock_own(ctx: Context, invitation_id: int) -> tuple[MaturityCycle, MaturityInvitation]:
    """The cycle, kept open, and the person's own part in it, locked. Raises NotFound, Closed."""
    permissions.require_member(ctx.actor, "maturity.answer", subject=(TYPE, invitation_id))
    known = queries.find_invitation(ctx.session, invitation_id)
    if known is None or known.person_id != ctx.actor.id:
        raise NotFound("This check-in is not yours.", hint="maturity.own")
    cycle = queries.lock_cycle(ctx.session, known.cycle_id, shared=True)
    invitation = queries.lock_invitation(ctx.session, invitation_id)
    if cycle is None or invitation is None:
        raise NotFound("This check-in is not there any more.")
    if cycle.state != CycleState.OPEN or invitation.state == InvitationState.LEFT:
        raise Closed("This check-in is closed, so nothing was changed.", hint="maturity.answers")
    return cycle, invitation


def _keep_answer(ctx: Context, invitation: MaturityInvitation, form: GiveAnswer) -> bool:
    """Write one answer down; False when it says nothing new or a later tap was first."""
    kept_answer = said.find_answer(ctx.session, invitation.id, form.statement)
    if kept_answer is not None:
        # Taps of one person can arrive in another order than they were made.
        if float(form.stamp) < float(kept_answer.stamp):
            return False
        kept_answer.stamp = form.stamp
        if kept_answer.answer == form.answer:
            return False
        kept_answer.answer, kept_answer.answered_at = form.answer, ctx.now
    else:
        ctx.session.add(
            MaturityAnswer(
                invitation_id=invitation.id,
                statement=form.statement,
                answer=form.answer.value,
                stamp=form.stamp,
                answered_at=ctx.now,
            )
        )
    begins = invitation.salt is None
    if begins:
        invitation.salt = secrets.token_hex(16)
    ctx.session.flush()
    if begins:
        # Once, and not what: which statements somebody answered, or how many, would find their answers among others'.
        audit.record(ctx, "maturity.answered", (TYPE, invitation.id))
    return True


def digest_answers(session: Session, cycle_id: int) -> str:
    """A digest over all that people said in a cycle, which the ledger keeps when it is closed.

    It proves the answers until one of them is erased: each person's part is salted, and their salt goes with them.
    """
    answers: dict[int, list[tuple[str, str]]] = {}
    for invitation_id, statement, answer in said.list_cycle_answers(session, cycle_id):
        answers.setdefault(invitation_id, []).append((statement, answer))
    parts = sorted(
        digest_text(invitation.salt, json.dumps(sorted(answers[invitation.id])))
        for invitation, _ in queries.list_with_people(session, cycle_id)
        if invitation.salt and invitation.id in answers
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _settle(
    ctx: Context, cycle: MaturityCycle, invitation: MaturityInvitation, before: MyCheckIn
) -> MyCheckIn:
    """Finish what has become complete, stop reminding, and let the messages follow where they show something else."""
    after = load_check_in(ctx.session, cycle, invitation, ctx.policy)
    state = InvitationState(invitation.state)
    if after.answered == after.total:
        invitation.state = InvitationState.FINISHED
    elif state is InvitationState.SKIPPED:
        invitation.state = InvitationState.INVITED
    if invitation.state != state:
        invitation.ended_at = ctx.now if invitation.state == InvitationState.FINISHED else None
        invitation.skip_reason_id = None
        ctx.session.flush()
    if invitation.state == InvitationState.FINISHED != state:
        audit.record(ctx, "maturity.finished", (TYPE, invitation.id), cycle=cycle.id)
        timers.cancel(ctx.session, subject(invitation.id))
    moved = (before.done, before.answered == 0) != (after.done, after.answered == 0)
    if moved or invitation.state != state:
        workflows_outbox.refresh(ctx, subject(invitation.id))
    return replace(after, state=InvitationState(invitation.state))


def mark_left(ctx: Context, invitation: MaturityInvitation, person: Person) -> bool:
    """Take somebody who has left out of the count, reminders and messages; False while they are here."""
    if person.is_member:
        return False
    if invitation.state != InvitationState.LEFT:
        invitation.state = InvitationState.LEFT
        invitation.ended_at = ctx.now
        timers.cancel(ctx.session, subject(invitation.id))
    return True
