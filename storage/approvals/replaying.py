"""Statements about past and open requests, to see them under another policy."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval, ApprovalStage
from storage.enums import ApprovalState
from storage.people.lookups import parts
from storage.people.tables import Person


class PastRow(NamedTuple):
    """A request of the past, to see it under another policy."""

    id: int
    gate: str
    bound: dict[str, Any] | None
    requester_id: str
    created_at: datetime
    manager_id: str | None


_SINCE = (
    select(
        Approval.id,
        Approval.gate,
        Approval.bound,
        Approval.requester_id,
        Approval.created_at,
        Person.manager_id,
    )
    .join(Person, Person.id == Approval.requester_id)
    .where(Approval.created_at >= bindparam("since"))
    .order_by(Approval.id)
)
_OPEN = (
    select(Approval.id).where(Approval.state == ApprovalState.PENDING.value).order_by(Approval.id)
)
_NAMES = select(Person.id, Person.name).where(Person.id.in_(bindparam("ids", expanding=True)))


def list_since(session: Session, since: datetime) -> list[PastRow]:
    """Requests opened since then, oldest first, with the requester's manager."""
    return list(map(PastRow._make, session.execute(_SINCE, {"since": since})))


def list_open(session: Session) -> Sequence[int]:
    """Every request that waits."""
    return session.execute(_OPEN).scalars().all()


def list_open_about(
    session: Session, subject_type: str, subject_ids: Collection[int]
) -> Sequence[int]:
    """Every request about one of these subjects that waits."""
    wanted = _OPEN.where(
        Approval.subject_type == subject_type, Approval.subject_id.in_(list(subject_ids))
    )
    return session.execute(wanted).scalars().all()


def list_open_in(
    session: Session, project_ids: Collection[int], subject_type: str | None
) -> Sequence[int]:
    """Every request about something of these projects that waits; of one type, where it is named."""
    ids: list[int] = []
    for part in parts(project_ids):
        wanted = _OPEN.where(Approval.project_id.in_(part))
        if subject_type is not None:
            wanted = wanted.where(Approval.subject_type == subject_type)
        ids += session.execute(wanted).scalars()
    return ids


def list_about(session: Session, subject_type: str, subject_id: int) -> list[int]:
    """Every request about a subject, the first asked first."""
    return list(
        session.execute(
            select(Approval.id)
            .where(Approval.subject_type == subject_type, Approval.subject_id == subject_id)
            .order_by(Approval.id)
        ).scalars()
    )


def list_names(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """What people are called."""
    return {row.id: row.name for row in session.execute(_NAMES, {"ids": list(ids)})}


def replace_stages(
    session: Session,
    approval_id: int,
    start: int,
    stages: Sequence[dict[str, Any]],
    *,
    bound: dict[str, Any],
    policy_id: int,
    expires_at: datetime,
) -> None:
    """Put other stages in the place of those from `start` on, under another version of the policy."""
    session.execute(
        delete(ApprovalStage).where(
            ApprovalStage.approval_id == approval_id, ApprovalStage.position >= start
        )
    )
    session.execute(
        insert(ApprovalStage),
        [
            stage | {"approval_id": approval_id, "position": start + index}
            for index, stage in enumerate(stages)
        ],
    )
    session.execute(
        update(Approval)
        .where(Approval.id == approval_id)
        .values(bound=bound, policy_id=policy_id, expires_at=expires_at)
    )
