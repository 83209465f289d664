"""Asking the requester something before deciding: the request waits, its clock stands still, the answer lets it go on."""

from datetime import timedelta

from sqlalchemy.orm import Session

from storage.actions import queries as more
from storage.actions.tables import ApprovalQuestion
from storage.approvals import changing
from storage.approvals.queries import RequestRow
from storage.audit.tables import PrivateText
from workflows import outbox, resting, timers
from workflows.actors import Actor
from workflows.approvals import announcements, endings, people, rules
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import Answer, AskInformation, DropQuestion
from workflows.approvals.people import Reached
from workflows.audit import service as audit
from workflows.errors import GovernanceError, InvalidInput, NotAllowed

PATIENCE = timedelta(days=7)
"""By how much everything about the request is put off at most while it waits for an answer, so that no question holds
a request for ever: without an answer in that time it can still expire."""


def ask_question(
    session: Session, actor: Actor, form: AskInformation, at: Entered, around: Circumstances
) -> str:
    """The request waits for the requester's answer; nothing about it falls due meanwhile."""
    head, request = at.head, at.request
    if head.paused_at is not None:
        raise InvalidInput(
            "This waits for an answer already. You can ask again when it is there.",
            field="question",
        )
    if not form.question:
        raise InvalidInput("Say what you want to know.", field="question")
    text = audit.write_text(session, actor, form.question, now=around.now)
    question_id = more.insert_question(
        session,
        approval_id=head.id,
        position=request.stage,
        asked_by=actor.id,
        question_id=text.id,
        asked_at=around.now,
        answer_id=None,
        ended_at=None,
    )
    changing.revise(
        session,
        head.id,
        paused_at=around.now,
        has_more=True,
        expires_at=request.expires_at + PATIENCE,
        asked_at=head.asked_at + PATIENCE if head.asked_at else None,
    )
    timers.shift(session, announcements.subject(head.id), PATIENCE)
    audit.record(
        session,
        actor,
        "approval.questioned",
        ("approval", head.id),
        now=around.now,
        question=question_id,
        stage=request.stage,
        words=audit.text_fact(text),
    )
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    endings.post_thread_line(session, head, "question", question_id, around)
    if head.requester_slack_id:
        requester = Reached(head.requester_id, head.requester_slack_id, "")
        announcements.notify_person(
            session,
            head.id,
            requester,
            "question",
            question_id,
            org_key=around.org_key,
            now=around.now,
        )
    return "Your question is with the requester. The request waits, and its clock stands still until the answer is there; you will be told."


def answer_question(
    session: Session, actor: Actor, form: Answer, at: Entered, around: Circumstances
) -> str:
    """The answer is there: the request goes on, with as much time as it had when the question came."""
    head, request = at.head, at.request
    question = _require_open_question(session, at)
    if not form.answer:
        raise InvalidInput("Say in a sentence what they asked.", field="answer")
    text = audit.write_text(session, actor, form.answer, now=around.now)
    question.answer_id = text.id
    _resume_request(session, actor, head, request, question, around, "answered", text)
    asker = people.find_person(session, question.asked_by)
    if asker is not None:
        announcements.notify_person(
            session, head.id, asker, "answer", question.id, org_key=around.org_key, now=around.now
        )
    return "Your answer is with the request, and whoever asked was told. The request goes on."


def require_asker(
    session: Session, actor: Actor, form: DropQuestion, at: Entered, around: Circumstances
) -> None:
    """Only whoever asked the question that is open."""
    if actor.id != _require_open_question(session, at).asked_by:
        raise NotAllowed(
            "Only the person who asked the question can take it back. You can still reject the request."
        )


def drop_question(
    session: Session, actor: Actor, form: DropQuestion, at: Entered, around: Circumstances
) -> str:
    """Whoever asked needs no answer any more: the request goes on."""
    head, request = at.head, at.request
    question = _require_open_question(session, at)
    _resume_request(session, actor, head, request, question, around, "unasked", None)
    return "You took your question back, and the request goes on."


def _require_open_question(session: Session, at: Entered) -> ApprovalQuestion:
    question = more.find_open_question(session, at.head.id)
    if question is None:
        raise GovernanceError(
            "No question is open on this request, so there is nothing to answer. The request shows how it stands."
        )
    return question


def _resume_request(
    session: Session,
    actor: Actor,
    head: RequestRow,
    request: rules.Request,
    question: ApprovalQuestion,
    around: Circumstances,
    what: str,
    text: PrivateText | None,
) -> None:
    question.ended_at = around.now
    # A clock that was set back meanwhile gives nobody more time than a question holds a request for.
    stood_still = max(around.now - (head.paused_at or around.now), timedelta(0))
    unused = PATIENCE - stood_still
    changing.revise(
        session,
        head.id,
        paused_at=None,
        expires_at=request.expires_at - unused,
        asked_at=head.asked_at - unused if head.asked_at else None,
    )
    timers.shift(session, announcements.subject(head.id), -unused)
    # What changed while the question was open was left alone: nobody could approve.
    resting.recheck(session, [head.id], at=around.now)
    audit.record(
        session,
        actor,
        f"approval.{what}",
        ("approval", head.id),
        now=around.now,
        question=question.id,
        stood_still=int(stood_still.total_seconds()),
        words=audit.text_fact(text) if text is not None else None,
    )
    session.flush()
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    endings.post_thread_line(session, head, what, question.id, around)
