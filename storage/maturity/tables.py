"""Maturity check-ins: rubrics, cycles, invitations, answers, early results, and targets."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class MaturityRubric(Base):
    """One rubric that was in force, identified by the digest of its text; a cycle keeps the one it began with."""

    __tablename__ = "maturity_rubric"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    text: Mapped[str] = mapped_column(Text)
    adopted_at: Mapped[datetime]
    """When it was last put in force; the next cycle asks the latest one."""


class MaturityCycle(Base):
    """One check-in of the organisation or a business unit, with what its first message promised about confidentiality.

    `open_scope` is unique while the cycle is open, and NULL afterwards, so that each scope has one open cycle.
    `result` holds the figures as they were shown: answers may be erased later, the figures stay.
    """

    __tablename__ = "maturity_cycle"

    id: Mapped[int] = mapped_column(primary_key=True)
    slot: Mapped[str | None] = mapped_column(unique=True)
    """The period that the schedule opened it for (`2026-01`); none for one that a leader started."""
    business_unit: Mapped[str | None]
    rubric_id: Mapped[int] = mapped_column(ForeignKey("maturity_rubric.id"), index=True)
    started_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    state: Mapped[str]
    open_scope: Mapped[str | None] = mapped_column(unique=True)
    seen_by: Mapped[str]
    minimum_group: Mapped[int]
    opened_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]


class MaturityInvitation(Base):
    """One person in one cycle. `salt` keeps the ledger's digests of their answers from being guessed."""

    __tablename__ = "maturity_invitation"
    __table_args__ = (UniqueConstraint("cycle_id", "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cycle_id: Mapped[int] = mapped_column(ForeignKey("maturity_cycle.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    asked_as: Mapped[str]
    business_unit: Mapped[str | None]
    state: Mapped[str]
    salt: Mapped[str | None]
    invited_at: Mapped[datetime | None]
    """When the invitation was posted to the outbox; None while it waits for its batch."""
    ended_at: Mapped[datetime | None]
    skip_reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)


class MaturityAnswer(Base):
    """One person's answer to one statement. `stamp` is Slack's time of the click: the latest click wins, in whatever order they
    arrive."""

    __tablename__ = "maturity_answer"
    __table_args__ = (UniqueConstraint("invitation_id", "statement"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    invitation_id: Mapped[int] = mapped_column(ForeignKey("maturity_invitation.id"))
    statement: Mapped[str]
    answer: Mapped[str]
    stamp: Mapped[str]
    answered_at: Mapped[datetime]


class MaturityNote(Base):
    """A person's comment and link to proof for one dimension."""

    __tablename__ = "maturity_note"
    __table_args__ = (UniqueConstraint("invitation_id", "dimension"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    invitation_id: Mapped[int] = mapped_column(ForeignKey("maturity_invitation.id"))
    dimension: Mapped[str]
    comment_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)


class MaturityEarly(Base):
    """A result that a leader asked for while the cycle was open, as it was shown."""

    __tablename__ = "maturity_early"
    __table_args__ = (UniqueConstraint("cycle_id", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cycle_id: Mapped[int] = mapped_column(ForeignKey("maturity_cycle.id"))
    seq: Mapped[int]
    result: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class MaturityCounted(Base):
    """The answers of one person in one dimension that an early result counted.

    Later early results count the same answers, so that their difference tells of nobody who changed theirs; and later
    check-ins are compared with them where the early result was the last one shown."""

    __tablename__ = "maturity_counted"

    invitation_id: Mapped[int] = mapped_column(
        ForeignKey("maturity_invitation.id"), primary_key=True
    )
    dimension: Mapped[str] = mapped_column(primary_key=True)
    answers: Mapped[dict[str, Any]]
    seq: Mapped[int]


class MaturityTarget(Base):
    """The level that leaders aim for in one dimension; an empty unit is the organisation."""

    __tablename__ = "maturity_target"
    __table_args__ = (UniqueConstraint("business_unit", "dimension"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    business_unit: Mapped[str] = mapped_column(default="")
    dimension: Mapped[str]
    level: Mapped[str]
    set_by: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    set_at: Mapped[datetime]


class MaturityAction(Base):
    """An action for one statement that doesn't hold yet: a milestone like any other."""

    __tablename__ = "maturity_action"

    milestone_id: Mapped[int] = mapped_column(ForeignKey("milestone.id"), primary_key=True)
    cycle_id: Mapped[int] = mapped_column(ForeignKey("maturity_cycle.id"), index=True)
    """The check-in whose result it is for."""
    statement: Mapped[str]
