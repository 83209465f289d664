"""One person's check-in as it stands: what was asked, what they said, and what was promised."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from storage.delivery.queries import produce
from storage.enums import Answer, AskedAs, CycleState, InvitationState, SeenBy
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityCycle, MaturityInvitation, MaturityNote
from workflows.actors import Actor
from workflows.errors import NotFound
from workflows.maturity import rubric
from workflows.maturity.records import DimensionPart, MyCheckIn, StatementPart, Terms
from workflows.maturity.rubric import Rubric
from workflows.policy import Policy

TYPE = "maturity_invitation"


def load_rubric(session: Session, cycle: MaturityCycle) -> Rubric:
    """What a cycle asks."""
    return rubric.parse(queries.load_rubric_text(session, cycle.rubric_id))


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
        for copy in produce.list_copies(session, TYPE, str(invitation_id))
    )
    return check_in if sent else None


def find_own(session: Session, actor: Actor, *, policy: Policy) -> MyCheckIn | None:
    """The newest check-in that somebody was invited to."""
    return _find(session, queries.find_last_invitation(session, actor.id), policy)


def open_invitation(session: Session, actor: Actor, *, policy: Policy) -> MyCheckIn | None:
    """The check-in that still waits for somebody's answers."""
    check_in = find_own(session, actor, policy=policy)
    return check_in if check_in is not None and check_in.waits else None


def load_own(session: Session, actor: Actor, invitation_id: int, *, policy: Policy) -> MyCheckIn:
    """One's own check-in by its id. Raises NotFound for everybody else's."""
    invitation = queries.find_invitation(session, invitation_id)
    is_own = invitation is not None and invitation.person_id == actor.id
    check_in = _find(session, invitation, policy) if is_own else None
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
