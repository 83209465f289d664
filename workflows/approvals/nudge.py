"""The requester reminds those who have not decided: seldom, and never those who are asked quietly."""

from datetime import timedelta

from sqlalchemy.orm import Session

from storage.approvals import changing
from storage.enums import Ask
from workflows import outbox
from workflows.actors import Actor
from workflows.approvals import announcements, endings, judging, people, refusals
from workflows.approvals.door import Entered
from workflows.approvals.endings import Circumstances
from workflows.approvals.forms import Nudge
from workflows.audit import service as audit
from workflows.errors import GovernanceError

NOT_YOURS = "Only the person who asked for this can nudge."
EVERY = timedelta(hours=24)
"""Between two nudges of one request."""


class TooSoon(GovernanceError):
    """They were nudged less than a day ago."""


def nudge_approvers(
    session: Session, actor: Actor, form: Nudge, at: Entered, around: Circumstances
) -> str:
    """Everybody whom the stage asks and who has not decided gets the card once more."""
    head, request = at.head, at.request
    subject = ("approval", head.id)
    if head.paused_at is not None:
        raise GovernanceError(
            "This waits for your answer, so nobody else can do anything now. Answer the question, and it goes on."
        )
    stage = request.stages[request.stage]
    if stage.ask is Ask.QUIET:
        raise GovernanceError(
            f"{refusals.clear_name(stage.name)} is asked quietly: they look when it suits them, and are not messaged."
        )
    if head.nudged_at is not None and around.now < head.nudged_at + EVERY:
        raise TooSoon(
            f"You nudged on {refusals.format_moment(head.nudged_at, actor)}. You can again from "
            f"{refusals.format_moment(head.nudged_at + EVERY, actor)}."
        )
    (asked,) = people.list_reached(session, [stage], around.org_key)
    decided = judging.list_spent(at.decided)
    for person_id in {*decided, request.requester_id, *request.apart}:
        asked.pop(person_id, None)
    changing.set_columns(session, head.id, nudged_at=around.now)
    times = int(around.now.timestamp())
    audit.record(
        session,
        actor,
        "approval.nudged",
        subject,
        now=around.now,
        stage=request.stage,
        people=len(asked),
    )
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    for person in sorted(asked.values(), key=lambda each: each.slack_id):
        announcements.notify_person(
            session,
            head.id,
            person,
            "nudge",
            request.stage,
            org_key=around.org_key,
            now=around.now,
            times=times,
        )
    endings.post_thread_line(session, head, "nudged", request.stage, around, times=times)
    many = "1 person was" if len(asked) == 1 else f"{len(asked)} people were"
    return f"{many} reminded. You can nudge again from {refusals.format_moment(around.now + EVERY, actor)}."
