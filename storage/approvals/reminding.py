"""Statements about reminders, escalation, and what shows a request beside its own cards."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, literal, select, union_all, update
from sqlalchemy.orm import Session

from storage.approvals.tables import ApprovalReminder, ApprovalReminderItem, ApprovalStage
from storage.digests.tables import DigestDecision

_LAST = select(func.max(ApprovalReminder.told_at)).where(
    ApprovalReminder.person_id == bindparam("person_id")
)
_ITEMS = (
    select(ApprovalReminderItem.approval_id)
    .where(ApprovalReminderItem.reminder_id == bindparam("reminder_id"))
    .order_by(ApprovalReminderItem.approval_id)
)
_WHOSE = select(ApprovalReminder.person_id).where(ApprovalReminder.id == bindparam("reminder_id"))
_SHOWING = union_all(
    select(
        literal("digest").label("subject_type"), DigestDecision.digest_id.label("subject_id")
    ).where(DigestDecision.approval_id == bindparam("approval_id")),
    select(
        literal("approval_reminder").label("subject_type"),
        ApprovalReminderItem.reminder_id.label("subject_id"),
    ).where(ApprovalReminderItem.approval_id == bindparam("approval_id")),
).order_by("subject_type", "subject_id")
_STAGE = (
    update(ApprovalStage)
    .where(
        ApprovalStage.approval_id == bindparam("of_approval"),
        ApprovalStage.position == bindparam("at_position"),
    )
    .values(approvers=bindparam("new_approvers"), rules=bindparam("new_rules"))
    .execution_options(synchronize_session=False)
)


def find_last_reminder(session: Session, person_id: str) -> datetime | None:
    """When this person was reminded last."""
    return session.execute(_LAST, {"person_id": person_id}).scalar_one()


def insert_reminder(
    session: Session, person_id: str, approval_ids: Sequence[int], now: datetime
) -> int:
    """Keep what a reminder shows; its id."""
    reminder_id = session.execute(
        insert(ApprovalReminder).returning(ApprovalReminder.id),
        {"person_id": person_id, "told_at": now},
    ).scalar_one()
    session.execute(
        insert(ApprovalReminderItem),
        [{"reminder_id": reminder_id, "approval_id": id_} for id_ in approval_ids],
    )
    return reminder_id


def list_items(session: Session, reminder_id: int) -> Sequence[int]:
    """The requests that a reminder shows."""
    return session.execute(_ITEMS, {"reminder_id": reminder_id}).scalars().all()


def find_reminded(session: Session, reminder_id: int) -> str | None:
    """The id of whom a reminder was for."""
    return session.execute(_WHOSE, {"reminder_id": reminder_id}).scalar_one_or_none()


def list_showing(session: Session, approval_id: int) -> list[tuple[str, int]]:
    """Type and id of the digests and reminders that show a request."""
    return [(type_, id_) for type_, id_ in session.execute(_SHOWING, {"approval_id": approval_id})]


def set_stage(
    session: Session,
    approval_id: int,
    position: int,
    *,
    approvers: list[Any],
    rules: dict[str, Any] | None,
) -> None:
    """Change whom a stage asks, and what else holds for it."""
    session.execute(
        _STAGE,
        {
            "of_approval": approval_id,
            "at_position": position,
            "new_approvers": approvers,
            "new_rules": rules,
        },
    )
