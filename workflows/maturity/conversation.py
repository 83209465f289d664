"""One person's check-in: what they were asked, what they say, and that it is kept the moment they say it."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.enums import Answer, CycleState, InvitationState
from storage.ledger import digest_text
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityAnswer, MaturityCycle, MaturityInvitation, MaturityNote
from storage.people.tables import Person
from workflows import outbox, permissions, timers
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.maturity import reading
from workflows.maturity.forms import GiveAnswer, Skip, WriteNote
from workflows.maturity.records import MyCheckIn
from workflows.outbox import Subject
from workflows.policy import Policy


class Closed(GovernanceError):
    """The check-in is over, so that nothing can be changed any more."""


def subject(invitation_id: int) -> Subject:
    """The record that a person's messages about a check-in follow."""
    return Subject.of(reading.TYPE, invitation_id)


# --- saying something


def give_answer(
    session: Session, actor: Actor, form: GiveAnswer, *, policy: Policy, now: datetime
) -> MyCheckIn:
    """Keep an answer, unless a later tap was kept already. Raises Closed, NotFound."""
    cycle, invitation = _lock_own(session, actor, form.invitation_id)
    asked = reading.load_rubric(session, cycle)
    if form.statement not in {one.id for one in asked.statements}:
        raise InvalidInput(
            "This statement is not part of the check-in any more.", hint="maturity.reopen"
        )
    before = reading.load_check_in(session, cycle, invitation, policy)
    if not _keep_answer(session, actor, invitation, form, now):
        return before
    return _settle(session, actor, cycle, invitation, before, policy, now)


def keep_window_answers(
    session: Session,
    actor: Actor,
    invitation_id: int,
    taps: Mapping[str, tuple[str | None, str | None]],
    *,
    policy: Policy,
    now: datetime,
) -> MyCheckIn:
    """Keep what a window holds that no tap has told: (what it showed when it opened, what is chosen) by statement.

    An answer that was changed on another device since the window opened stays.
    """
    cycle, invitation = _lock_own(session, actor, invitation_id)
    asked = {one.id for one in reading.load_rubric(session, cycle).statements}
    before = reading.load_check_in(session, cycle, invitation, policy)
    kept = False
    for statement, (opened_with, chosen) in taps.items():
        if chosen is None or chosen == opened_with or statement not in asked:
            continue
        kept_answer = said.find_answer(session, invitation.id, statement)
        if (kept_answer.answer if kept_answer else None) != opened_with:
            continue
        stamp = kept_answer.stamp if kept_answer else "0"
        form = GiveAnswer(
            invitation_id=invitation.id, statement=statement, answer=Answer(chosen), stamp=stamp
        )
        kept = _keep_answer(session, actor, invitation, form, now) or kept
    if not kept:
        return before
    return _settle(session, actor, cycle, invitation, before, policy, now)


def keep_note(
    session: Session, actor: Actor, form: WriteNote, *, policy: Policy, now: datetime
) -> MyCheckIn:
    """Keep a comment and a link to proof; what is left empty is taken back."""
    cycle, invitation = _lock_own(session, actor, form.invitation_id)
    if reading.load_rubric(session, cycle).dimension(form.dimension) is None:
        raise InvalidInput("This check-in has no such dimension. Open it again.")
    row = said.find_note(session, invitation.id, form.dimension)
    if row is None:
        row = MaturityNote(invitation_id=invitation.id, dimension=form.dimension)
        session.add(row)
    old = said.load_texts(session, [one for one in (row.comment_id, row.link_id) if one])
    for name, text in (("comment", form.comment), ("link", form.link)):
        column = f"{name}_id"
        if old.get(getattr(row, column) or 0, "") == text:
            continue
        kept = _write_text(session, actor, text, now)
        setattr(row, column, kept.id if kept else None)
    session.flush()
    return reading.load_check_in(session, cycle, invitation, policy)


def _write_text(session: Session, actor: Actor, text: str, now: datetime) -> PrivateText | None:
    return audit.write_text(session, actor, text, now=now) if text else None


def skip_check_in(
    session: Session, actor: Actor, form: Skip, *, policy: Policy, now: datetime
) -> MyCheckIn:
    """Take no part this time, with a reason. Nobody is reminded after that; what was answered stays and counts."""
    cycle, invitation = _lock_own(session, actor, form.invitation_id)
    if invitation.state != InvitationState.INVITED:
        raise InvalidInput(
            "There is nothing left to skip: you have answered or skipped this check-in already."
        )
    kept = audit.write_text(session, actor, form.reason, now=now)
    invitation.state = InvitationState.SKIPPED
    invitation.ended_at = now
    invitation.skip_reason_id = kept.id
    session.flush()
    audit.record(
        session,
        actor,
        "maturity.skipped",
        (reading.TYPE, invitation.id),
        now=now,
        cycle=cycle.id,
        reason=audit.text_fact(kept),
    )
    timers.cancel(session, subject(invitation.id))
    outbox.refresh(session, subject(invitation.id), now=now)
    return reading.load_check_in(session, cycle, invitation, policy)


def _lock_own(
    session: Session, actor: Actor, invitation_id: int
) -> tuple[MaturityCycle, MaturityInvitation]:
    """The cycle, kept open, and the person's own part in it, locked. Raises NotFound, Closed."""
    permissions.require_member(actor, "maturity.answer", subject=(reading.TYPE, invitation_id))
    known = queries.find_invitation(session, invitation_id)
    if known is None or known.person_id != actor.id:
        raise NotFound("This check-in is not yours.", hint="maturity.own")
    cycle = queries.lock_cycle(session, known.cycle_id, shared=True)
    invitation = queries.lock_invitation(session, invitation_id)
    if cycle is None or invitation is None:
        raise NotFound("This check-in is not there any more.")
    if cycle.state != CycleState.OPEN or invitation.state == InvitationState.LEFT:
        raise Closed("This check-in is closed, so nothing was changed.", hint="maturity.answers")
    return cycle, invitation


def _keep_answer(
    session: Session, actor: Actor, invitation: MaturityInvitation, form: GiveAnswer, now: datetime
) -> bool:
    """Write one answer down; False when it says nothing new or a later tap was first."""
    kept_answer = said.find_answer(session, invitation.id, form.statement)
    if kept_answer is not None:
        # Taps of one person can arrive in another order than they were made.
        if float(form.stamp) < float(kept_answer.stamp):
            return False
        kept_answer.stamp = form.stamp
        if kept_answer.answer == form.answer:
            return False
        kept_answer.answer, kept_answer.answered_at = form.answer, now
    else:
        session.add(
            MaturityAnswer(
                invitation_id=invitation.id,
                statement=form.statement,
                answer=form.answer.value,
                stamp=form.stamp,
                answered_at=now,
            )
        )
    begins = invitation.salt is None
    if begins:
        invitation.salt = secrets.token_hex(16)
    session.flush()
    if begins:
        # Once, and not what: which statements somebody answered, or how many, would find their answers among others'.
        audit.record(session, actor, "maturity.answered", (reading.TYPE, invitation.id), now=now)
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
    session: Session,
    actor: Actor,
    cycle: MaturityCycle,
    invitation: MaturityInvitation,
    before: MyCheckIn,
    policy: Policy,
    now: datetime,
) -> MyCheckIn:
    """Finish what has become complete, stop reminding, and let the messages follow where they show something else."""
    after = reading.load_check_in(session, cycle, invitation, policy)
    state = InvitationState(invitation.state)
    if after.answered == after.total:
        invitation.state = InvitationState.FINISHED
    elif state is InvitationState.SKIPPED:
        invitation.state = InvitationState.INVITED
    if invitation.state != state:
        invitation.ended_at = now if invitation.state == InvitationState.FINISHED else None
        invitation.skip_reason_id = None
        session.flush()
    if invitation.state == InvitationState.FINISHED != state:
        audit.record(
            session,
            actor,
            "maturity.finished",
            (reading.TYPE, invitation.id),
            now=now,
            cycle=cycle.id,
        )
        timers.cancel(session, subject(invitation.id))
    moved = (before.done, before.answered == 0) != (after.done, after.answered == 0)
    if moved or invitation.state != state:
        outbox.refresh(session, subject(invitation.id), now=now)
    return replace(after, state=InvitationState(invitation.state))


def mark_left(
    session: Session, invitation: MaturityInvitation, person: Person, *, now: datetime
) -> bool:
    """Take somebody who has left out of the count, reminders and messages; False while they are here."""
    if person.is_member:
        return False
    if invitation.state != InvitationState.LEFT:
        invitation.state = InvitationState.LEFT
        invitation.ended_at = now
        timers.cancel(session, subject(invitation.id))
    return True
