"""Queries of evidence and shared files."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.evidence.tables import Evidence, SharedFile


def list_items(session: Session, version_ids: Collection[int]) -> Sequence[Evidence]:
    """Every item of these versions, oldest first."""
    return session.scalars(
        select(Evidence).where(Evidence.version_id.in_(sorted(version_ids))).order_by(Evidence.id)
    ).all()


def find_by_key(session: Session, request_key: str) -> Evidence | None:
    """The item that was handed in under this key; None when it is new."""
    return session.execute(
        select(Evidence).where(Evidence.request_key == request_key)
    ).scalar_one_or_none()


def find_item(session: Session, evidence_id: int) -> Evidence | None:
    """An item."""
    return session.get(Evidence, evidence_id)


def find_file(session: Session, slack_id: str) -> SharedFile | None:
    """A shared file by Slack's id."""
    return session.execute(
        select(SharedFile).where(SharedFile.slack_id == slack_id)
    ).scalar_one_or_none()


def forget_files(session: Session, before: datetime) -> None:
    """Delete the rows of files that were shared before `before`."""
    session.execute(delete(SharedFile).where(SharedFile.created_at < before))
