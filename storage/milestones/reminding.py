"""The statements behind reminders: whose morning it is, what fell due, and what became of the messages."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Outbox
from storage.enums import OutboxState
from storage.milestones.tables import Milestone, MilestoneSnooze, Reminder, ReminderItem, Reminding
from storage.people.lookups import parts

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _insert(session: Session, table: Any) -> Any:
    return _INSERT[session.get_bind().dialect.name](table)


def add_person(session: Session, person_id: str) -> None:
    """Make the row that stands for a person's mornings, unless it is there."""
    session.execute(_insert(session, Reminding).on_conflict_do_nothing(), {"person_id": person_id})


def try_lock(session: Session, person_id: str) -> str:
    """Lock a person's mornings: `taken`, `held` by somebody else, or `gone`."""
    wanted = select(Reminding.person_id).where(Reminding.person_id == person_id)
    locked = session.execute(wanted.with_for_update(skip_locked=True)).first()
    if locked is not None:
        return "taken"
    return "gone" if session.execute(wanted).first() is None else "held"


def load_morning(session: Session, person_id: str) -> Reminding:
    """The row of a person that this transaction holds."""
    return session.execute(
        select(Reminding)
        .where(Reminding.person_id == person_id)
        .execution_options(populate_existing=True)
    ).scalar_one()


def list_items(
    session: Session, person_id: str, milestone_ids: Collection[int]
) -> list[ReminderItem]:
    """The reminders of these milestones that fell due for a person before."""
    written: list[ReminderItem] = []
    for part in parts(milestone_ids):
        written += session.execute(
            select(ReminderItem)
            .where(ReminderItem.person_id == person_id, ReminderItem.milestone_id.in_(part))
            .order_by(ReminderItem.milestone_id, ReminderItem.due, ReminderItem.step)
        ).scalars()
    return written


def list_lost(session: Session, person_id: str, now: datetime) -> set[int]:
    """Messages of this person that did not arrive in their working time, and will not any more."""
    return set(
        session.execute(
            select(Reminder.id)
            .join(Outbox, Outbox.id == Reminder.outbox_id)
            .where(
                Reminder.person_id == person_id,
                or_(
                    Outbox.state == OutboxState.CANCELLED,
                    and_(Outbox.state == OutboxState.PENDING, Outbox.expires_at <= now),
                ),
            )
        ).scalars()
    )


def add_reminder(session: Session, person_id: str, day: date, now: datetime) -> Reminder:
    """Begin the message of a person's day."""
    reminder = Reminder(person_id=person_id, day=day, outbox_id=None, created_at=now)
    session.add(reminder)
    session.flush()
    return reminder


def add_item(session: Session, values: dict[str, Any]) -> None:
    """Write down that a reminder fell due, unless it is written already."""
    session.execute(_insert(session, ReminderItem).on_conflict_do_nothing(), values)


def find_reminder(session: Session, reminder_id: int) -> Reminder | None:
    """A message, not locked."""
    return session.get(Reminder, reminder_id)


def list_items_of(session: Session, reminder_id: int) -> list[ReminderItem]:
    """What a message tells."""
    return list(
        session.execute(
            select(ReminderItem)
            .where(ReminderItem.reminder_id == reminder_id)
            .order_by(ReminderItem.milestone_id, ReminderItem.step)
        ).scalars()
    )


def find_latest(session: Session, person_id: str, milestone_ids: Collection[int]) -> dict[int, int]:
    """Milestone id → the latest message of this person that tells of it."""
    latest_by_milestone: dict[int, int] = {}
    for part in parts(milestone_ids):
        rows = session.execute(
            select(ReminderItem.milestone_id, func.max(ReminderItem.reminder_id))
            .where(
                ReminderItem.person_id == person_id,
                ReminderItem.milestone_id.in_(part),
                ReminderItem.reminder_id.is_not(None),
            )
            .group_by(ReminderItem.milestone_id)
        )
        latest_by_milestone |= {milestone: latest for milestone, latest in rows if latest}
    return latest_by_milestone


def find_snoozes(
    session: Session, person_id: str, milestone_ids: Collection[int]
) -> dict[int, date]:
    """Milestone id → the day from which this person is reminded of it again."""
    until_by_milestone: dict[int, date] = {}
    for part in parts(milestone_ids):
        rows = session.execute(
            select(MilestoneSnooze.milestone_id, MilestoneSnooze.until).where(
                MilestoneSnooze.person_id == person_id, MilestoneSnooze.milestone_id.in_(part)
            )
        )
        until_by_milestone |= {milestone: until for milestone, until in rows}
    return until_by_milestone


def snooze(session: Session, milestone_id: int, person_id: str, until: date, now: datetime) -> None:
    """Nothing about this milestone for this person before `until`."""
    insert = _insert(session, MilestoneSnooze).values(
        milestone_id=milestone_id, person_id=person_id, until=until, created_at=now
    )
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["milestone_id", "person_id"],
            set_={"until": insert.excluded.until, "created_at": insert.excluded.created_at},
        )
    )


def lock_not_started(session: Session, import_id: int) -> Sequence[Milestone]:
    """The open milestones of a list that nobody is reminded of yet, locked in the order of their ids."""
    return (
        session.execute(
            select(Milestone)
            .where(
                Milestone.import_id == import_id,
                Milestone.reminds_from.is_(None),
                Milestone.actual.is_(None),
                Milestone.dropped_at.is_(None),
            )
            .order_by(Milestone.id)
            .with_for_update()
        )
        .scalars()
        .all()
    )
