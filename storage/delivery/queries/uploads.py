"""Pictures that were uploaded to Slack."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Upload
from storage.enums import UploadState

_ADD: dict[str, Any] = {
    "sqlite": sqlite.insert(Upload).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(Upload).on_conflict_do_nothing(index_elements=["key"]),
}
_FIND = select(Upload.key, Upload.file_id, Upload.state).where(
    Upload.key.in_(bindparam("keys", expanding=True))
)
_READY = (
    update(Upload)
    .where(Upload.key.in_(bindparam("keys", expanding=True)))
    .values(state=UploadState.READY)
    .execution_options(synchronize_session=False)
)
_FORGET = (
    delete(Upload)
    .where(Upload.key == bindparam("upload_key"), Upload.file_id == bindparam("upload_id"))
    .execution_options(synchronize_session=False)
)
_OLD = (
    select(Upload.key)
    .where(Upload.uploaded_at < bindparam("before"))
    .order_by(Upload.uploaded_at)
    .limit(bindparam("most"))
)
_PURGE = (
    delete(Upload)
    .where(Upload.key.in_(bindparam("keys", expanding=True)))
    .execution_options(synchronize_session=False)
)


def find(session: Session, keys: Sequence[str]) -> dict[str, tuple[str, UploadState]]:
    """The files of these pictures that were uploaded: key → file id and state."""
    rows = session.execute(_FIND, {"keys": list(keys)})
    return {row.key: (row.file_id, UploadState(row.state)) for row in rows}


def add(session: Session, key: str, file_id: str, *, now: datetime) -> None:
    """A picture was uploaded; when another replica was quicker, its file stays."""
    row = {"key": key, "file_id": file_id, "state": UploadState.UPLOADED, "uploaded_at": now}
    session.execute(_ADD[session.get_bind().dialect.name], row)


def mark_ready(session: Session, keys: Sequence[str]) -> None:
    """Slack can show these now."""
    session.execute(_READY, {"keys": list(keys)})


def forget(session: Session, key: str, file_id: str) -> None:
    """This file cannot be shown; the picture is uploaded anew when it is needed again."""
    session.execute(_FORGET, {"upload_key": key, "upload_id": file_id})


def purge(session: Session, before: datetime, *, most: int) -> int:
    """Forget what was uploaded before then; messages that show it keep it. Returns how many rows went."""
    keys = session.execute(_OLD, {"before": before, "most": most}).scalars().all()
    if keys:
        session.execute(_PURGE, {"keys": list(keys)})
    return len(keys)
