"""Asking a stage anew: verdicts count no more, the request goes back to that stage, and its people get new cards."""

from sqlalchemy.orm import Session

from storage.approvals import changing, queries
from storage.approvals.queries import RequestRow
from storage.enums import ApprovalState
from workflows import outbox
from workflows.approvals import announcements, clocks, endings, rules
from workflows.approvals.endings import Circumstances


def reopen_stage(
    session: Session,
    head: RequestRow,
    request: rules.Request,
    position: int,
    around: Circumstances,
    *,
    void: set[int] | None = None,
) -> None:
    """Ask the stage at `position` anew; stages after it were decided on its word, so their verdicts are void too.

    `void` are ids of verdicts of that stage itself that count no more, None for all of them.
    """
    decided = queries.list_verdicts(session, head.id)
    gone = [
        row.id
        for row in decided
        if row.position > position
        or (row.position == position and (void is None or row.id in void))
    ]
    if gone:
        changing.void_decisions(session, gone, at=around.now)
    queries.advance(
        session, head.id, stage=position, state=ApprovalState.PENDING, asked_at=around.now
    )
    changing.set_columns(session, head.id, edition=head.edition + 1)
    outbox.refresh(session, announcements.subject(head.id), now=around.now, clicked=around.clicked)
    spent = {row.person_id for row in decided if row.id not in gone}
    endings.ask_stage(
        session,
        head,
        request.stages[position],
        position,
        {*spent, request.requester_id, *request.apart},
        around,
        expires_at=request.expires_at,
        edition=head.edition + 1,
    )
    clocks.restart_stage_timers(
        session, head.id, request.stages[position], position, now=around.now
    )
