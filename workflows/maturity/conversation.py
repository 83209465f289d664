"""One person's check-in: what they were asked, what they say, and that it is kept the moment they say it."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.delivery.queries import produce
from storage.enums import Answer, AskedAs, CycleState, InvitationState, SeenBy
from storage.ledger import text_digest
from storage.maturity import queries
from storage.maturity.tables import (
    MaturityAnswer,
    MaturityCycle,
    MaturityInvitation,
    MaturityNote,
)
from workflows import outbox, permissions, timers
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.maturity import invitees, rubric
from workflows.maturity.forms import GiveAnswer, Skip, WriteNote
from workflows.maturity.records import (
    DimensionPart,
    MyCheckIn,
    StatementPart,
    Terms,
)
from workflows.maturity.rubric import Rubric
from workflows.outbox import Subject
from workflows.policy import Policy

TYPE = "maturity_invitation"


class Closed(GovernanceError):
    """The check-in is over, so that nothing can be changed any more."""


def subject(invitation_id: int) -> Subject:
    """The record that a person's messages about a check-in follow."""
    return Subject.of(TYPE, invitation_id)


def rubric_of(session: Session, cycle: MaturityCycle) -> Rubric:
    """What a cycle asks."""
    return rubric.parse(queries.rubric_text(session, cycle.rubric_id))


def label(cycle: MaturityCycle, policy: Policy) -> str:
    """Which check-in it is: the month in which it opened."""
    return f"{cycle.opened_at.astimezone(policy.organisation.zone):%B %Y}"


# --- reading


def find(session: Session, invitation_id: int, *, policy: Policy) -> MyCheckIn | None:
    """One person's check-in, whoever looks; the caller has asked whether they may."""
    invitation = queries.find_invitation(session, invitation_id)
    if invitation is None:
        return None
    cycle = queries.find_cycle(session, invitation.cycle_id)
    return None if cycle is None else _record(session, cycle, invitation, policy)


def to_send(
    session: Session, invitation_id: int, kind: str, number: int, *, policy: Policy
) -> MyCheckIn | None:
    """What a message to that person shows; None while it was not sent and there is nothing left to ask.

    So nobody is invited or reminded who has finished, skipped or left while the message waited.
    """
    found = find(session, invitation_id, policy=policy)
    if found is None or found.waits:
        return found
    sent = any(
        copy.kind == kind and copy.notice.get("number", 0) == number
        for copy in produce.copies(session, TYPE, str(invitation_id))
    )
    return found if sent else None


def mine(session: Session, actor: Actor, *, policy: Policy) -> MyCheckIn | None:
    """The newest check-in that somebody was invited to."""
    invitation = queries.last_invitation(session, actor.id)
    if invitation is None:
        return None
    cycle = queries.find_cycle(session, invitation.cycle_id)
    return None if cycle is None else _record(session, cycle, invitation, policy)


def open_invitation(
    session: Session, actor: Actor, *, policy: Policy
) -> MyCheckIn | None:
    """The check-in that still waits for somebody's answers."""
    found = mine(session, actor, policy=policy)
    return found if found is not None and found.waits else None


def get(
    session: Session, actor: Actor, invitation_id: int, *, policy: Policy
) -> MyCheckIn:
    """One's own check-in by its id. Raises NotFound for everybody else's."""
    invitation = queries.find_invitation(session, invitation_id)
    cycle = (
        queries.find_cycle(session, invitation.cycle_id)
        if invitation is not None and invitation.person_id == actor.id
        else None
    )
    if invitation is None or cycle is None:
        raise NotFound("This check-in is not yours. `/mlgov maturity` shows your own.")
    return _record(session, cycle, invitation, policy)


def _record(
    session: Session,
    cycle: MaturityCycle,
    invitation: MaturityInvitation,
    policy: Policy,
) -> MyCheckIn:
    answers = {
        statement: Answer(answer)
        for _, statement, answer in queries.list_answers(session, invitation.id)
    }
    notes = {
        note.dimension: note for note in queries.list_notes(session, invitation.id)
    }
    ids = [
        one
        for note in notes.values()
        for one in (note.comment_id, note.link_id)
        if one is not None
    ]
    if invitation.skip_reason_id is not None:
        ids.append(invitation.skip_reason_id)
    words = queries.texts(session, ids)
    starter = (
        queries.find_person(session, cycle.started_by) if cycle.started_by else None
    )
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
        dimensions=parts(rubric_of(session, cycle), answers, notes, words),
        skip_reason=words.get(invitation.skip_reason_id or 0, ""),
        started_by=None if starter is None else (starter.slack_id, starter.name),
    )


def terms(cycle: MaturityCycle, policy: Policy) -> Terms:
    """What the first message promised, or what a stricter policy promises by now."""
    order = (SeenBy.NOBODY, SeenBy.ASSESSOR, SeenBy.ASSESSOR_BY_NAME)
    now, then = policy.maturity, SeenBy(cycle.seen_by)
    return Terms(
        min(then, now.answers_seen_by, key=order.index),
        max(cycle.minimum_group, now.minimum_group),
    )


def parts(
    asked: Rubric,
    answers: Mapping[str, Answer],
    notes: Mapping[str, MaturityNote],
    words: Mapping[int, str],
) -> tuple[DimensionPart, ...]:
    """The dimensions with what one person said."""
    made = []
    for dimension in asked.dimensions:
        note = notes.get(dimension.key)
        made.append(
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
    return tuple(made)


# --- saying something


def answer(
    session: Session,
    actor: Actor,
    form: GiveAnswer,
    *,
    policy: Policy,
    now: datetime,
) -> MyCheckIn:
    """Keep an answer, unless a later tap was kept already. Raises Closed, NotFound."""
    cycle, invitation = _mine_locked(session, actor, form.invitation_id)
    asked = rubric_of(session, cycle)
    if form.statement not in {one.id for one in asked.statements}:
        raise InvalidInput(
            "This statement is not part of the check-in any more. Open it again from `/mlgov maturity`."
        )
    before = _record(session, cycle, invitation, policy)
    if _keep(session, actor, invitation, form, now):
        _settle(session, actor, cycle, invitation, before, policy, now)
    return _record(session, cycle, invitation, policy)


def catch_up(
    session: Session,
    actor: Actor,
    invitation_id: int,
    shown: Mapping[str, tuple[str | None, str | None]],
    *,
    policy: Policy,
    now: datetime,
) -> MyCheckIn:
    """Keep what a window holds that no tap has told: (what it showed when it opened, what is chosen) by statement.

    An answer that was changed on another device since the window opened stays.
    """
    cycle, invitation = _mine_locked(session, actor, invitation_id)
    asked = {one.id for one in rubric_of(session, cycle).statements}
    before = _record(session, cycle, invitation, policy)
    kept = False
    for statement, (opened_with, chosen) in shown.items():
        if chosen is None or chosen == opened_with or statement not in asked:
            continue
        found = queries.find_answer(session, invitation.id, statement)
        if (found.answer if found else None) != opened_with:
            continue
        stamp = found.stamp if found else "0"
        form = GiveAnswer(
            invitation_id=invitation.id,
            statement=statement,
            answer=Answer(chosen),
            stamp=stamp,
        )
        kept = _keep(session, actor, invitation, form, now) or kept
    if kept:
        _settle(session, actor, cycle, invitation, before, policy, now)
    return _record(session, cycle, invitation, policy)


def note(
    session: Session, actor: Actor, form: WriteNote, *, policy: Policy, now: datetime
) -> MyCheckIn:
    """Keep a comment and a link to proof; what is left empty is taken back."""
    cycle, invitation = _mine_locked(session, actor, form.invitation_id)
    if rubric_of(session, cycle).dimension(form.dimension) is None:
        raise InvalidInput("This check-in has no such dimension. Open it again.")
    row = queries.find_note(session, invitation.id, form.dimension)
    if row is None:
        row = MaturityNote(invitation_id=invitation.id, dimension=form.dimension)
        session.add(row)
    old = queries.texts(session, [one for one in (row.comment_id, row.link_id) if one])
    facts = {}
    for name, text in (("comment", form.comment), ("link", form.link)):
        column = f"{name}_id"
        if old.get(getattr(row, column) or 0, "") == text:
            continue
        kept = _written(session, actor, text, now)
        setattr(row, column, kept.id if kept else None)
        facts[name] = audit.text_fact(kept) if kept else None
    if facts:
        session.flush()
        audit.record(
            session, actor, "maturity.noted", (TYPE, invitation.id), now=now,
            dimension=form.dimension, **facts,
        )  # fmt: skip
    return _record(session, cycle, invitation, policy)


def _written(
    session: Session, actor: Actor, text: str, now: datetime
) -> PrivateText | None:
    return audit.write_text(session, actor, text, now=now) if text else None


def skip(
    session: Session, actor: Actor, form: Skip, *, policy: Policy, now: datetime
) -> MyCheckIn:
    """Take no part this time, with a reason. Nobody is reminded after that; what was answered stays and counts."""
    cycle, invitation = _mine_locked(session, actor, form.invitation_id)
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
        session, actor, "maturity.skipped", (TYPE, invitation.id), now=now,
        cycle=cycle.id, reason=audit.text_fact(kept),
    )  # fmt: skip
    timers.cancel(session, subject(invitation.id))
    outbox.refresh(session, subject(invitation.id), now=now)
    return _record(session, cycle, invitation, policy)


def _mine_locked(
    session: Session, actor: Actor, invitation_id: int
) -> tuple[MaturityCycle, MaturityInvitation]:
    """The cycle, kept open, and the person's own part in it, locked. Raises NotFound, Closed."""
    permissions.require_member(actor, "maturity.answer", subject=(TYPE, invitation_id))
    found = queries.find_invitation(session, invitation_id)
    if found is None or found.person_id != actor.id:
        raise NotFound("This check-in is not yours. `/mlgov maturity` shows your own.")
    cycle = queries.lock_cycle(session, found.cycle_id, shared=True)
    invitation = queries.lock_invitation(session, invitation_id)
    if cycle is None or invitation is None:
        raise NotFound("This check-in is not there any more.")
    if cycle.state != CycleState.OPEN or invitation.state == InvitationState.LEFT:
        raise Closed(
            "This check-in is closed, so nothing was changed. `/mlgov maturity answers` shows what you said."
        )
    return cycle, invitation


def _keep(
    session: Session,
    actor: Actor,
    invitation: MaturityInvitation,
    form: GiveAnswer,
    now: datetime,
) -> bool:
    """Write one answer down; False when it says nothing new or a later tap was first."""
    found = queries.find_answer(session, invitation.id, form.statement)
    if found is not None:
        if float(form.stamp) < float(found.stamp):
            return False
        found.stamp = form.stamp
        if found.answer == form.answer:
            return False
        found.answer, found.answered_at = form.answer, now
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
    if invitation.salt is None:
        invitation.salt = secrets.token_hex(16)
    session.flush()
    said = f"{form.statement}={form.answer.value}@{form.stamp}"
    audit.record(
        session, actor, "maturity.answered", (TYPE, invitation.id), now=now,
        statement=form.statement, sha256=text_digest(invitation.salt, said),
    )  # fmt: skip
    return True


def _settle(
    session: Session,
    actor: Actor,
    cycle: MaturityCycle,
    invitation: MaturityInvitation,
    before: MyCheckIn,
    policy: Policy,
    now: datetime,
) -> None:
    """Finish what has become complete, stop reminding, and let the messages follow where they show something else."""
    after = _record(session, cycle, invitation, policy)
    state = InvitationState(invitation.state)
    if after.answered == after.total:
        invitation.state = InvitationState.FINISHED
    elif state is InvitationState.SKIPPED:
        invitation.state = InvitationState.INVITED
    if invitation.state != state:
        invitation.ended_at = (
            now if invitation.state == InvitationState.FINISHED else None
        )
        invitation.skip_reason_id = None
        session.flush()
    if invitation.state == InvitationState.FINISHED != state:
        audit.record(
            session, actor, "maturity.finished", (TYPE, invitation.id), now=now,
            cycle=cycle.id,
        )  # fmt: skip
        timers.cancel(session, subject(invitation.id))
    moved = (before.done, before.answered == 0) != (after.done, after.answered == 0)
    if moved or invitation.state != state:
        outbox.refresh(session, subject(invitation.id), now=now)


def left(session: Session, invitation: MaturityInvitation, *, now: datetime) -> bool:
    """Take somebody who has left out of the count, reminders and messages; False while they are here."""
    person = queries.find_person(session, invitation.person_id)
    if person is not None and invitees.is_here(person):
        return False
    if invitation.state != InvitationState.LEFT:
        invitation.state = InvitationState.LEFT
        invitation.ended_at = now
        timers.cancel(session, subject(invitation.id))
    return True
