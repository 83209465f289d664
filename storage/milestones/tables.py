"""Milestones, what they need, how they moved, and reminders of them."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Milestone(Base):
    """A date that somebody is responsible for. Days are calendar days; slip and status are computed from them."""

    __tablename__ = "milestone"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    title: Mapped[str]
    type: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    baseline: Mapped[date]
    """What was first promised; it never moves."""
    forecast: Mapped[date]
    """What is expected now; reminders count from it."""
    actual: Mapped[date | None]
    risk_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The text of why it is at risk; None when it isn't."""
    proof_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The text or link given when it was marked as done."""
    done_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who marked it as done; None when a file or mlgov itself did."""
    proven: Mapped[str | None]
    """What on mlgov's own record proved that it is done; None where somebody or a file said so."""
    dropped_at: Mapped[datetime | None]
    reminds_from: Mapped[datetime | None]
    """From when on people are reminded of it; None: not yet."""
    import_id: Mapped[int | None] = mapped_column(ForeignKey("milestone_import.id"), index=True)
    """The list of overdue milestones it was imported with."""
    source: Mapped[str | None] = mapped_column(unique=True)
    """Its id in a file or another system, with the name of that."""
    source_at: Mapped[datetime | None]
    """The other system's time of the latest change; older changes that come late are ignored."""
    promise: Mapped[str | None]
    """`channel:ts` of the Slack message that promised it."""
    request_key: Mapped[str | None] = mapped_column(unique=True)
    """Names the submission that added it, so that sending it twice adds one."""
    revision: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]


class MilestoneLink(Base):
    """One milestone cannot be met before another."""

    __tablename__ = "milestone_link"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    needs_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True, index=True)


class MilestoneMove(Base):
    """A forecast that changed, and why."""

    __tablename__ = "milestone_move"

    id: Mapped[int] = mapped_column(primary_key=True)
    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), index=True)
    old: Mapped[date]
    new: Mapped[date]
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    moved_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None when a file did."""
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id"), index=True)
    created_at: Mapped[datetime]


class MilestoneImport(Base):
    """One list of milestones that were overdue when they came in, shown to one person."""

    __tablename__ = "milestone_import"
    __table_args__ = (UniqueConstraint("person_id", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    sha256: Mapped[str]
    file: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    started_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)


class MilestoneSnooze(Base):
    """One person isn't reminded of one milestone before a day."""

    __tablename__ = "milestone_snooze"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    until: Mapped[date]
    """The first day on which reminders count again."""
    created_at: Mapped[datetime]


class Reminding(Base):
    """One row per person with reminders, which their daily timer locks."""

    __tablename__ = "reminding"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    looked_on: Mapped[date | None]
    """The local day on which reminders were last looked for."""


class Reminder(Base):
    """One message to one person on one of their days."""

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("person_id", "day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    day: Mapped[date]
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    """The message; None when the rollout withheld it."""
    created_at: Mapped[datetime]


class ReminderItem(Base):
    """A reminder that fell due for one person: recorded once, and sent once or not at all."""

    __tablename__ = "reminder_item"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    due: Mapped[date] = mapped_column(primary_key=True)
    """The forecast it is about; after a move the new forecast has reminders of its own."""
    step: Mapped[int] = mapped_column(primary_key=True)
    """Days from the forecast: -7 a week before, 14 two weeks overdue."""
    reminder_id: Mapped[int | None] = mapped_column(ForeignKey("reminder.id"), index=True)
    """The message that has it; None when it was snoozed."""
    created_at: Mapped[datetime]
