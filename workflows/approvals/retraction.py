"""Taking back one's own decision, while the request is pending."""

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.approvals import changing
from workflows import outbox
from workflows.actors import Actor
from workflows.approvals import announcements, endings, reopening
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import TakeBack
from workflows.audit import service as audit
from workflows.errors import NotAllowed

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
    more.drop_conditions(session, head.id, now=around.now, decision_ids=[mine.id])
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
    endings.post_thread_line(session, head, "taken_back", mine.id, around)
    if mine.position < request.stage:
        reopening.reopen_stage(session, head, request, mine.position, around, void={mine.id})
        return (
            f"You took your approval back. The request is with {request.stages[mine.position].name} again, "
            "and who decided after you is asked anew."
        )
    changing.void_decisions(session, [mine.id], at=around.now)
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    return "You took your approval back. You can decide again while the request waits."
