"""Queries of signed statements and signing keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.enums import ApprovalState
from storage.projects.tables import Project
from storage.statements.tables import SigningKey, Statement


@dataclass(frozen=True, slots=True)
class ApprovedRelease:
    """What a statement says of an approved request about a release, beside what its ledger entry sealed."""

    id: int
    gate: str
    bound: dict[str, Any] | None
    valid_until: datetime | None
    """None for one that holds for good."""
    project: str
    """Key of the project."""


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def find_key(session: Session, key_id: str) -> SigningKey | None:
    """A published key."""
    return session.get(SigningKey, key_id)


def add_key(session: Session, key_id: str, pem: str, *, now: datetime) -> bool:
    """Publish a key; False when it is published already."""
    inserted = session.execute(
        _INSERT[session.get_bind().dialect.name](SigningKey)
        .values(key_id=key_id, public_pem=pem, published_at=now, retired_at=None)
        .on_conflict_do_nothing(index_elements=["key_id"])
        .returning(SigningKey.key_id)
    )
    return inserted.first() is not None


def list_keys(session: Session) -> Sequence[SigningKey]:
    """Every key that was ever published, the newest first."""
    return session.scalars(
        select(SigningKey).order_by(SigningKey.published_at.desc(), SigningKey.key_id)
    ).all()


def lock_statement(session: Session, statement_id: str) -> Statement | None:
    """A statement by its id, locked until the transaction ends."""
    return session.execute(
        select(Statement).where(Statement.id == statement_id).with_for_update()
    ).scalar_one_or_none()


def find_statement(session: Session, statement_id: str) -> Statement | None:
    """A statement by its id, without a lock."""
    return session.get(Statement, statement_id)


def is_approved(session: Session, approval_id: int) -> bool:
    """Whether the request still counts as approved."""
    state = session.execute(select(Approval.state).where(Approval.id == approval_id)).scalar_one()
    return bool(state == ApprovalState.APPROVED)


def find_by_approval(session: Session, approval_id: int) -> Statement | None:
    """The statement about a request."""
    return session.execute(
        select(Statement).where(Statement.approval_id == approval_id)
    ).scalar_one_or_none()


def list_statements(session: Session, *, most: int) -> Sequence[Statement]:
    """The newest statements."""
    return session.scalars(select(Statement).order_by(Statement.issued_at.desc()).limit(most)).all()


def lock_approved(session: Session, approval_id: int) -> ApprovedRelease | None:
    """An approved request about a release, locked until the transaction ends; None for any other."""
    row = session.execute(
        select(
            Approval.id,
            Approval.gate,
            Approval.bound,
            Approval.valid_until,
            Project.key.label("project"),
        )
        .join(Project, Project.id == Approval.project_id)
        .where(
            Approval.id == approval_id,
            Approval.state == ApprovalState.APPROVED,
            Approval.subject_type == "release",
        )
        .with_for_update(of=Approval)
    ).first()
    return ApprovedRelease(*row) if row is not None else None


def is_approved_release(session: Session, approval_id: int) -> bool:
    """Whether the tables, whatever the ledger says, have it as an approved request about a release."""
    return (
        session.execute(
            select(Approval.id).where(
                Approval.id == approval_id,
                Approval.state == ApprovalState.APPROVED,
                Approval.subject_type == "release",
            )
        ).first()
        is not None
    )
