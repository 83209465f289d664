"""Who may read a request: whoever has a part in it, whoever sees its project, and whoever has a message of it before them."""

from sqlalchemy.orm import Session

from storage.approvals import queries, reminding
from workflows import visibility
from workflows.actors import Actor, ActorKind
from workflows.approvals import reads
from workflows.approvals.endings import Circumstances
from workflows.approvals.records import Card
from workflows.errors import NotFound, RefusalFact

TYPE = "approval"


def unknown_request(audit: RefusalFact | None = None) -> NotFound:
    """What is said of a request that is not there, and in the same words of one that is not for who asks."""
    return NotFound(reads.NO_REQUEST, audit=audit, hint="approvals.waiting")


def require_card(session: Session, actor: Actor, approval_id: int, around: Circumstances) -> Card:
    """A request as it stands, before somebody who may read it. Raises NotFound for everybody else."""
    card = reads.card(
        session,
        approval_id,
        subjects=around.subjects,
        policy=around.policy,
        now=around.now,
        reader_id=actor.id,
    )
    if not sees_request(session, actor, card, around):
        raise unknown_request()
    return card


def sees_request(session: Session, actor: Actor, card: Card, around: Circumstances) -> bool:
    """Whether somebody may read a request; `card` is it before them.

    Its project is in their sight; they asked, decided, or own or set a condition; any stage asks them, themselves, for
    somebody who is away or by a place that was handed to them; they may break its glass; or they acted on a message that
    shows it (`around.clicked`). A program sees what its token is for, which the edge looks at.
    """
    if actor.kind is not ActorKind.PERSON:
        return True
    if not actor.is_member:
        return False
    return (
        _has_a_part(card, actor)
        or visibility.sees_project(
            session, actor, queries.find_project_id(session, card.id), policy=around.policy
        )
        or visibility.find_reaching_word(
            session,
            actor.id,
            sorted(reads.list_approver_ids(session, card.id)),
            policy=around.policy,
        )
        is not None
        or _is_before_them(session, actor, card.id, around)
    )


def _has_a_part(card: Card, actor: Actor) -> bool:
    reader = card.reader
    lines = (*card.lines, *card.taken_back)
    return (
        actor.id == card.requester.id
        or any(line.person.id == actor.id for line in lines)
        or any(actor.id in (one.owner.id, one.setter.id) for one in card.conditions)
        or (reader is not None and bool(reader.why or reader.may_break_glass or reader.handed_to))
    )


def _is_before_them(
    session: Session, actor: Actor, approval_id: int, around: Circumstances
) -> bool:
    subject = visibility.find_shown(session, actor, around.clicked)
    if subject is None or subject == (TYPE, str(approval_id)):
        return subject is not None
    beside = reminding.list_showing(session, approval_id)
    return subject in {(type_, str(id_)) for type_, id_ in beside}
