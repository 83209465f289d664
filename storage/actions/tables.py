"""What people do about a request beside deciding: questions, hand-overs, absences, conditions, breaking glass."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class ApprovalQuestion(Base):
    """Somebody who was asked to decide asks the requester something first; at most one is open per request."""

    __tablename__ = "approval_question"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    position: Mapped[int]
    asked_by: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("private_text.id"), index=True)
    asked_at: Mapped[datetime]
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    ended_at: Mapped[datetime | None]
    """When it was answered, or taken back without an answer, or the request ended."""


class ApprovalHandover(Base):
    """Somebody who was asked gave their place in a stage to somebody else."""

    __tablename__ = "approval_handover"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    position: Mapped[int]
    from_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    to_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    for_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """The person who was away and whose place it was, where a stand-in gave it on."""
    note_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    created_at: Mapped[datetime]


class ApprovalEdit(Base):
    """The requester changed what they ask, or only its words; what stood there before is kept."""

    __tablename__ = "approval_edit"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    is_material: Mapped[bool]
    """Whether something else is asked; other words alone ask nothing else."""
    facts: Mapped[dict[str, Any]]
    """What was asked before."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The reason that was given before."""
    reopened: Mapped[str | None]
    """The stage from which on people were asked anew; none when nobody was."""
    voided: Mapped[int]
    """How many verdicts count no more."""
    edited_at: Mapped[datetime]
    revision: Mapped[int | None]
    """The revision that the request had before; none for a change of an earlier release."""


class Absence(Base):
    """Somebody is away from `since` until `until`, and `stand_in_id` may decide for them meanwhile."""

    __tablename__ = "absence"
    __table_args__ = (Index("ix_absence_until", "until"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    stand_in_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When they came back before `until`."""


class ApprovalCondition(Base):
    """What somebody's approval depends on: by a day, somebody has to do something."""

    __tablename__ = "approval_condition"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decision.id"), index=True)
    set_by: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    text_id: Mapped[int] = mapped_column(ForeignKey("private_text.id"), index=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    due: Mapped[date]
    due_at: Mapped[datetime] = mapped_column(index=True)
    """The end of that day in the organisation's zone."""
    state: Mapped[str]
    proof_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    claimed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=1)


class ApprovalReview(Base):
    """Somebody broke the glass: the request was approved at once, and others look at it afterwards."""

    __tablename__ = "approval_review"

    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), primary_key=True)
    broken_by: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    reason_id: Mapped[int] = mapped_column(ForeignKey("private_text.id"), index=True)
    role: Mapped[str]
    broken_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    times_late: Mapped[int] = mapped_column(default=0)
    reviewed_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    is_fine: Mapped[bool | None]
    note_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    reviewed_at: Mapped[datetime | None]
