"""What a request asks to change has changed since: nobody approves it, and whoever asked says what the question is now."""

from sqlalchemy.orm import Session

from storage.approvals import changing
from storage.enums import ApprovalState
from workflows import outbox
from workflows.actors import SYSTEM, Actor
from workflows.approvals import announcements, door, editing, endings, rereading, sight
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import AskAgain, Edit
from workflows.approvals.people import Reached
from workflows.approvals.refusals import CardChanged
from workflows.audit import service as audit
from workflows.errors import InvalidInput
from workflows.subjects import Movable, Moved, SubjectMoved


def require_unmoved(moved: Moved | None) -> None:
    """Raise SubjectMoved where what would be approved is no longer what was asked."""
    if moved is not None:
        raise SubjectMoved(
            f"{moved.clause}. Nothing was approved: whoever asked is asked what they want now, and you are asked again when they say so."
        )


def recheck_subject(session: Session, approval_id: int, around: Circumstances) -> bool:
    """Something about the subject changed. Where the question did, the requester is asked, once for each time it does,
    and what was shown of the request counts no more. Does nothing where it has ended, or asks for the same as before;
    whether it did something."""
    head, request = door.lock_request(session, approval_id)
    if request.state is not ApprovalState.PENDING:
        return False
    moved = rereading.reread_subject(session, head, around).moved
    mark = moved.mark if moved is not None else None
    if mark == head.moved:
        if around.clicked is not None:
            outbox.refresh(
                session, announcements.subject(head.id), now=around.now, clicked=around.clicked
            )
        return False
    changing.revise(session, head.id, moved=mark)
    audit.record(
        session,
        SYSTEM,
        "approval.subject_moved" if moved is not None else "approval.subject_back",
        ("approval", head.id),
        now=around.now,
        about=[head.subject_type, head.subject_id],
        stands=mark,
    )
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    if moved is None:
        return True
    endings.post_thread_line(session, head, "subject_moved", head.revision, around)
    if head.requester_slack_id:
        announcements.notify_person(
            session,
            head.id,
            Reached(head.requester_id, head.requester_slack_id, ""),
            "subject_moved",
            head.revision,
            org_key=around.org_key,
            now=around.now,
        )
    return True


def ask_request_again(
    session: Session, actor: Actor, form: AskAgain, at: Entered, around: Circumstances
) -> str:
    """The same change to what there is now: people are asked anew, as for any other change of what is asked."""
    head = at.head
    subject = around.subjects[head.subject_type]
    moved = rereading.reread_subject(session, head, around).moved
    if moved is None or not isinstance(subject, Movable):
        raise CardChanged(
            "What you asked about is as it was when you asked, so there is nothing to ask again. Look at the request again."
        )
    again = subject.again(
        session, head.subject_id, head.facts, policy=around.policy, now=around.now
    )
    if again is None or form.stands != moved.mark:
        raise CardChanged(
            f"{moved.clause}. That isn't what you were shown, so nothing was asked. Look at the request again to see what you can ask now."
        )
    reason = sight.require_card(session, actor, head.id, around).reason
    if not reason:
        raise InvalidInput("Change the request, and say in a sentence why it is needed.")
    edit = Edit(
        approval_id=form.approval_id,
        revision=form.revision,
        form=again,
        reason=reason,
        subject_type=head.subject_type,
    )
    return editing.edit_request(session, actor, edit, at, around)
