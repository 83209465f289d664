"""When a stage that waits speaks up: reminders and escalation, counted from when it was asked."""

from datetime import datetime

from sqlalchemy.orm import Session

from workflows import timers
from workflows.approvals import announcements
from workflows.approvals.stages import Stage

REMIND = "approval.remind"
"""Somebody has not decided for a while. `seq` is the stage's position times a hundred and the number of the reminder."""
ESCALATE = "approval.escalate"
"""Nobody has decided a stage for long. `seq` is its position."""
LAPSE = "approval.lapse"
"""An approval holds no longer."""

_STEPS = 100


def start_stage_timers(
    session: Session, approval_id: int, stage: Stage, position: int, *, now: datetime
) -> None:
    """Start the clocks of a stage that is asked now; nothing for a stage without any."""
    subject = announcements.subject(approval_id)
    for step, after in enumerate(stage.remind_after):
        timers.start(session, subject, REMIND, now + after, seq=position * _STEPS + step)
    if stage.escalation is not None:
        timers.start(session, subject, ESCALATE, now + stage.escalation.after, seq=position)


def restart_stage_timers(
    session: Session, approval_id: int, stage: Stage, position: int, *, now: datetime
) -> None:
    """Start the clocks of a stage anew, whatever they had been before."""
    subject = announcements.subject(approval_id)
    start_stage_timers(session, approval_id, stage, position, now=now)
    for step, after in enumerate(stage.remind_after):
        seq = position * _STEPS + step
        timers.start_again(session, subject, REMIND, now + after, seq=seq)
    if stage.escalation is not None:
        at = now + stage.escalation.after
        timers.start_again(session, subject, ESCALATE, at, seq=position)


def position_of(seq: int) -> int:
    """The stage that a reminder is for."""
    return seq // _STEPS
