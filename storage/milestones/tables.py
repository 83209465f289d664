"""Milestones, what they need, how they moved, and what was said about them."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Milestone(Base):
    """A date that somebody answers for. Days are calendar days; slip and status follow from them and are not kept."""

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
    """Why it is at risk, in the words of who said so; none when it is not."""
    proof_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The word or link with which it was said to be done."""
    done_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who said so; none when a file did."""
    dropped_at: Mapped[datetime | None]
    reminds_from: Mapped[datetime | None]
    """Since when its reminders count; none while nobody is to be reminded yet."""
    import_id: Mapped[int | None] = mapped_column(ForeignKey("milestone_import.id"), index=True)
    """The list of overdue ones on which it came in."""
    source: Mapped[str | None] = mapped_column(unique=True)
    """What a file or another system calls it, with where that is from."""
    source_at: Mapped[datetime | None]
    """As of when the other system told of it, so that an older tale changes nothing."""
    promise: Mapped[str | None]
    """`channel:ts` of the Slack message in which it was promised."""
    request_key: Mapped[str | None] = mapped_column(unique=True)
    """Names the window it was added in, so that sending that twice adds one."""
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
    """One person does not want to be reminded of one milestone before a day."""

    __tablename__ = "milestone_snooze"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    until: Mapped[date]
    """The first day on which reminders count again."""
    created_at: Mapped[datetime]


class Reminding(Base):
    """Whose working mornings are looked at, one row a person; it is what a timer locks."""

    __tablename__ = "reminding"

    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    looked_on: Mapped[date | None]
    """The local day of the latest look."""


class Reminder(Base):
    """One message to one person on one of their days."""

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("person_id", "day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    day: Mapped[date]
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    """The message; none when the rollout let nobody be told."""
    created_at: Mapped[datetime]


class ReminderItem(Base):
    """A reminder that fell due for one person: recorded once, told once, or swallowed."""

    __tablename__ = "reminder_item"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    due: Mapped[date] = mapped_column(primary_key=True)
    """The forecast that it is about; another forecast has reminders of its own."""
    step: Mapped[int] = mapped_column(primary_key=True)
    """Days from the forecast: -7 a week before, 14 two weeks overdue."""
    reminder_id: Mapped[int | None] = mapped_column(ForeignKey("reminder.id"), index=True)
    """The message that told it; none when a snooze swallowed it."""
    created_at: Mapped[datetime]
