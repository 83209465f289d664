"""Business cases: what people write, and each estimate that was asked about or agreed."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class BusinessCase(Base):
    """A business case as people write it, step by step. What was asked about and agreed stands in its revisions."""

    __tablename__ = "business_case"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), unique=True)
    """Its project, which is made when it is first asked about, unless it goes on already."""
    title: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    sponsor_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    business_unit: Mapped[str | None]
    category: Mapped[str | None]
    content: Mapped[dict[str, Any]]
    """Everything else that was entered, by step (`workflows.cases.records.Content`)."""
    state: Mapped[str]
    step: Mapped[int]
    """The furthest step that was kept; 0 where only the title is known."""
    agreed: Mapped[int | None]
    """The number of the revision that holds; None before the first was approved."""
    waiver_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """Why innovation is proposed although maturity is low."""
    promise: Mapped[str | None] = mapped_column(unique=True)
    """`channel:ts` of the message with the idea."""
    request_key: Mapped[str | None] = mapped_column(unique=True)
    """Names the submission that began it, so that sending it twice begins one."""
    revision: Mapped[int] = mapped_column(default=1)
    """Counts every change of what is written here."""
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    changed_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    changed_at: Mapped[datetime]


class CaseRevision(Base):
    """An estimate that somebody stood for: asked about, or recorded because the change was small. It never changes."""

    __tablename__ = "case_revision"
    __table_args__ = (UniqueConstraint("case_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("business_case.id"))
    number: Mapped[int]
    """1, 2, … in each case."""
    content: Mapped[dict[str, Any]]
    """As `BusinessCase.content` was, with category and unit."""
    flows: Mapped[dict[str, Any]]
    """Benefits and costs by month, low, likely and high, as runs (`workflows.cases.amounts.Range`)."""
    currency: Mapped[str]
    confidence: Mapped[Decimal]
    feasibility: Mapped[Decimal]
    tier: Mapped[int | None]
    likely: Mapped[list[Any]]
    """The likely benefits and costs of `flows`, which the portfolio reads of every project: with the columns above it
    spares reading the rest."""
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id"), index=True)
    """The request that decided it; None until there is one, and for a change that nobody had to approve."""
    made_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    made_at: Mapped[datetime]
    agreed_at: Mapped[datetime | None]


class RankOverride(Base):
    """Somebody put a project at a place of the portfolio that its worth doesn't give it."""

    __tablename__ = "rank_override"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    place: Mapped[int]
    until: Mapped[date]
    """The last day on which it counts."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    made_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When it was taken back or replaced, before its day."""


class ProjectOutcome(Base):
    """Somebody stopped, paused, took up again or finished a project: why, what was spent by then, what was learnt."""

    __tablename__ = "project_outcome"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    spent: Mapped[dict[str, Any]]
    """What the record has as spent (`workflows.cases.ending.Spent`)."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    learnt_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)


class CaseCheck(Base):
    """An approved case that no longer holds, as it was put before somebody, and what they answered."""

    __tablename__ = "case_check"
    __table_args__ = (Index("ix_case_check_case_number", "case_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("business_case.id"))
    number: Mapped[int]
    """The revision of the case that was looked at: a new estimate is judged anew."""
    standing: Mapped[dict[str, Any]]
    """What was planned and how it stood (`workflows.cases.checks`)."""
    levels: Mapped[dict[str, Any]]
    """What is broken → how many times the policy's limit was passed."""
    asked_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    opened_at: Mapped[datetime]
    answer: Mapped[str | None]
    """None while it waits."""
    answered_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None where mlgov itself closed it."""
    answered_at: Mapped[datetime | None]
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    revision: Mapped[int] = mapped_column(default=1)


class CaseReturn(Base):
    """What came of a project in a period, as somebody reported it. A correction is a new row that names the old one."""

    __tablename__ = "case_return"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    starts: Mapped[date]
    ends: Mapped[date]
    """The last day that counts."""
    amount: Mapped[Decimal]
    """Below zero for a loss."""
    currency: Mapped[str]
    source: Mapped[str]
    note_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """How it was measured."""
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("case_return.id"), index=True)
    """The return that this one corrects."""
    request_key: Mapped[str | None] = mapped_column(unique=True)
    """Names the submission that reported it, so that sending it twice reports it once."""
    reported_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None for a file."""
    reported_at: Mapped[datetime]
    attested_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    attested_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    """Since when it counts no more, because it was taken back or corrected."""


class ReturnAsking(Base):
    """One message that asks about returns: of a period, of a long silence, or one that shows the silence to a sponsor."""

    __tablename__ = "return_asking"
    __table_args__ = (UniqueConstraint("project_id", "kind", "starts"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    kind: Mapped[str]
    starts: Mapped[date]
    """The first day that is asked about."""
    ends: Mapped[date]
    due_on: Mapped[date]
    """When it was due by the rhythm of the policy; the next one is counted from it."""
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who was asked; None where the whole period was reported before."""
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    """The message; None where there was none, or the rollout withheld it."""
    attempt: Mapped[int] = mapped_column(default=1)
    """How often it was written: a message that was not sent while its reader was at work is written again."""
    asked_at: Mapped[datetime]
    skipped_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    skipped_at: Mapped[datetime | None]
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """Why it was skipped."""
