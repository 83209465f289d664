"""What was due before the clock was set back, and would not be for a while by the clock after it."""

from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from storage.delivery.tables import Outbox, Timer
from storage.enums import OutboxState, TimerState


def stay_due(session: Session, *, now: datetime, was: datetime, within: timedelta) -> None:
    """Let what had fallen due, and waits, be due now: `was` is what the clock showed when it was set back to `now`.

    Of timers only those that fell due `within` this long before: what else lies between the two moments waits for its
    own, which comes again. Of messages also all that were to go out at once when they were written.
    """
    session.execute(
        update(Timer)
        .where(
            Timer.state == TimerState.DUE,
            Timer.due_at > max(now, was - within),
            Timer.due_at <= was,
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Outbox)
        .where(
            Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING]),
            Outbox.due_at > now,
            or_(
                Outbox.due_at <= Outbox.created_at,
                (Outbox.due_at > was - within) & (Outbox.due_at <= was),
            ),
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
