"""What follows a change of milestones: every copy shows what is true, and the mornings of who is reminded are looked at."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from storage.milestones import queries
from storage.milestones.tables import Milestone
from workflows import outbox, resting
from workflows.milestones import reads, reminders
from workflows.outbox import Subject
from workflows.policy import Policy

Clicked = tuple[str, str] | None


def refresh_copies(
    session: Session,
    rows: Collection[Milestone],
    *,
    policy: Policy,
    now: datetime,
    clicked: Clicked = None,
) -> None:
    """Every copy of these milestones, and of those linked to them, shows what is true now; mornings, and what waits for a
    decision about them, are looked at."""
    session.flush()
    resting.recheck_about(session, "milestone", [row.id for row in rows], now=now)
    net = reads.load_net(session, rows, reads.today_of(policy, now))
    for type_, id_ in queries.list_showing_subjects(session, net.rows):
        outbox.refresh(session, Subject(type_, id_), now=now, clicked=clicked)
    reminders.schedule_people_of(session, rows, policy=policy, now=now)


def refresh_milestone(
    session: Session, milestone_id: int, *, policy: Policy, now: datetime, clicked: Clicked
) -> None:
    """Somebody clicked on what is not true any more: every copy is drawn as it is now."""
    row = queries.find(session, milestone_id)
    if row is not None:
        refresh_copies(session, [row], policy=policy, now=now, clicked=clicked)
