"""Requests for approval, their stages and who decided what."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Approval(Base):
    """One request at one gate about one subject, bound to the policy version it was opened under.

    `revision` rises when what is asked, or of whom, changes: with each stage and at the end. A button carries the
    revision it showed; one more approval in the same stage changes what a card shows, but not what it asks.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index("ix_approval_subject", "subject_type", "subject_id"),
        Index(
            "ix_approval_pending",
            "expires_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        UniqueConstraint("request_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_key: Mapped[str]
    """Names the submission (a modal's view id, an API client's key), so that sending it twice opens one request."""
    gate: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[int]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    facts: Mapped[dict[str, Any]]
    """What is asked, as JSON of the subject's form; never free text, which stands in `private_text`."""
    requester_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"), index=True)
    state: Mapped[str]
    stage: Mapped[int] = mapped_column(default=0)
    """Index of the stage that is asked now."""
    revision: Mapped[int] = mapped_column(default=1)
    card_id: Mapped[int | None]
    """The outbox row of the card in the channel, whose thread has the history."""
    channel: Mapped[str | None]
    """Slack id of the channel with that card."""
    bound: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """The policy's rules for this request as evaluated when it was opened (`workflows.approvals.rules.Bound`)."""
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    """When the current stage was asked; reminders and escalation count from here."""
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    """Until when the approval is valid; None: for good, or not approved."""
    paused_at: Mapped[datetime | None]
    """Since when it waits for the requester's answer to a question; the time limit stands still meanwhile."""
    nudged_at: Mapped[datetime | None]
    moved: Mapped[str | None]
    """The subject's state when the requester was last told that it has changed since they asked; None before that."""
    edition: Mapped[int] = mapped_column(default=0)
    """How often stages were asked again, after a decision was taken back or the request was changed."""
    has_more: Mapped[bool] = mapped_column(default=False)
    """Whether it has rows in the tables of `storage.approvals.activity`; without them a read skips those."""


class ApprovalStage(Base):
    """A stage as the policy had it when the request was opened."""

    __tablename__ = "approval_stage"

    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    approvers: Mapped[list[Any]]
    """One `{"rule": "role:finance", "who": ["S024BE7LH"], "written": ["@finance-partners"]}` per approver of the policy.

    `rule` is the policy's word, `who` the Slack ids or `person:ID`s that it meant when the request was opened, `written`
    the handles of groups at that time, `party` the index of its group in a stage with several.
    """
    quorum: Mapped[int]
    ask: Mapped[str]
    rules: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Further rules of this stage as it was bound; None for a stage with approvers and a quorum alone."""


class Decision(Base):
    """One person's verdict, and why they were entitled to it. At most one per person and request counts, in whatever
    stage, so that nobody decides alone where two are asked."""

    __tablename__ = "decision"
    __table_args__ = (
        Index(
            "ix_decision_once",
            "approval_id",
            "person_id",
            unique=True,
            postgresql_where=text("taken_back_at IS NULL"),
            sqlite_where=text("taken_back_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    position: Mapped[int]
    verdict: Mapped[str]
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    rule: Mapped[str]
    """The approver rule that entitled them, in the policy's words."""
    via: Mapped[str | None]
    """Slack id of the user group by which the rule covered them; None when it named them."""
    membership_read_at: Mapped[datetime | None]
    """When the mirror entry behind the rule was read from Slack."""
    parties: Mapped[list[Any] | None] = mapped_column(JSON)
    """Indexes of the stage's groups that this person decided for; None in a stage with one group."""
    decided_at: Mapped[datetime]
    for_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """The person who was away and for whom they stood in; None when they decided for themselves."""
    place_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Whose place in the stage this verdict used: of who was away or handed it over; None for their own. Each place is
    used once, so handing over makes no second voice (decision 18)."""
    shown: Mapped[str | None]
    """SHA-256 over what was asked when they decided; see `rules.digest_question`."""
    taken_back_at: Mapped[datetime | None]
    """Since when it no longer counts: its author took it back, or its stage was asked again."""


class ApprovalReminder(Base):
    """One message that reminded somebody of everything that was due for their decision."""

    __tablename__ = "approval_reminder"
    __table_args__ = (Index("ix_approval_reminder_last", "person_id", "told_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    told_at: Mapped[datetime]


class ApprovalReminderItem(Base):
    """A request that a reminder shows, so that the message is edited when the request changes."""

    __tablename__ = "approval_reminder_item"

    reminder_id: Mapped[int] = mapped_column(ForeignKey("approval_reminder.id"), primary_key=True)
    approval_id: Mapped[int] = mapped_column(
        ForeignKey("approval.id"), primary_key=True, index=True
    )


# --- Questions, hand-overs, edits, absences, conditions, breaking glass


class ApprovalQuestion(Base):
    """A question of an approver to the requester; at most one per request is open."""

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
    """An approver's place in a stage handed over to somebody else."""

    __tablename__ = "approval_handover"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    position: Mapped[int]
    from_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    to_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    for_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """The person who was away and whose place it was, where their stand-in handed it over."""
    note_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    created_at: Mapped[datetime]


class ApprovalEdit(Base):
    """One change of a request by the requester, with what it was before."""

    __tablename__ = "approval_edit"

    id: Mapped[int] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    is_material: Mapped[bool]
    """Whether what is asked changed, and not only the reason's words."""
    facts: Mapped[dict[str, Any]]
    """What was asked before."""
    reason_id: Mapped[int | None] = mapped_column(ForeignKey("private_text.id"), index=True)
    """The reason that was given before."""
    reopened: Mapped[str | None]
    """The stage from which on people were asked again; None when nobody was."""
    voided: Mapped[int]
    """How many verdicts no longer count because of it."""
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
    """A condition of somebody's approval: what `owner_id` has to do by the day `due`."""

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
    """Broken glass: the request was approved at once in an emergency, and others review that afterwards."""

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
