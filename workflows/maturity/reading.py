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


def rubric_of(session: Session, cycle: MaturityCycle) -> Rubric:
    """What a cycle asks."""
    return rubric.parse(queries.rubric_text(session, cycle.rubric_id))


def label(cycle: MaturityCycle, policy: Policy) -> str:
    """Which check-in it is: the month in which it opened."""
    return f"{cycle.opened_at.astimezone(policy.organisation.zone):%B %Y}"


def find(session: Session, invitation_id: int, *, policy: Policy) -> MyCheckIn | None:
    """One person's check-in, whoever looks; the caller has asked whether they may."""
    invitation = queries.find_invitation(session, invitation_id)
    if invitation is None:
        return None
    cycle = queries.find_cycle(session, invitation.cycle_id)
    return None if cycle is None else record(session, cycle, invitation, policy)


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
        for copy in produce.list_copies(session, TYPE, str(invitation_id))
    )
    return found if sent else None


def mine(session: Session, actor: Actor, *, policy: Policy) -> MyCheckIn | None:
    """The newest check-in that somebody was invited to."""
    invitation = queries.last_invitation(session, actor.id)
    if invitation is None:
        return None
    cycle = queries.find_cycle(session, invitation.cycle_id)
    return None if cycle is None else record(session, cycle, invitation, policy)


def open_invitation(session: Session, actor: Actor, *, policy: Policy) -> MyCheckIn | None:
    """The check-in that still waits for somebody's answers."""
    found = mine(session, actor, policy=policy)
    return found if found is not None and found.waits else None


def get(session: Session, actor: Actor, invitation_id: int, *, policy: Policy) -> MyCheckIn:
    """One's own check-in by its id. Raises NotFound for everybody else's."""
    invitation = queries.find_invitation(session, invitation_id)
    cycle = (
        queries.find_cycle(session, invitation.cycle_id)
        if invitation is not None and invitation.person_id == actor.id
        else None
    )
    if invitation is None or cycle is None:
        raise NotFound("This check-in is not yours. `/mlgov maturity` shows your own.")
    return record(session, cycle, invitation, policy)


def record(
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
    words = said.texts(session, ids)
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
        dimensions=parts(rubric_of(session, cycle), answers, notes, words),
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
