"""Reading and writing the versions of the policy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry
from storage.policies.tables import PolicyVersion

_INSERT: Mapping[str, Any] = {
    name: make(PolicyVersion).on_conflict_do_nothing(index_elements=["sha256"])
    for name, make in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_BY_DIGEST = select(PolicyVersion.id).where(
    PolicyVersion.sha256 == bindparam("wanted_sha256")
)
_DIGEST = select(PolicyVersion.sha256).where(PolicyVersion.id == bindparam("version"))
_TEXT = select(PolicyVersion.text).where(PolicyVersion.id == bindparam("version"))
_LAST_ADOPTED = (
    select(AuditEntry.subject_id)
    .where(AuditEntry.subject_type == "policy", AuditEntry.action == "policy.adopted")
    .order_by(AuditEntry.seq.desc())
    .limit(1)
)


def store(session: Session, sha256: str, text: str, applied_at: datetime) -> int:
    """The id of the version with this digest; it is added when it is new."""
    session.execute(
        _INSERT[session.get_bind().dialect.name],
        {"sha256": sha256, "text": text, "applied_at": applied_at},
    )
    return session.execute(_BY_DIGEST, {"wanted_sha256": sha256}).scalar_one()


def find_digest(session: Session, version_id: int) -> str | None:
    """The digest of a version."""
    return session.execute(_DIGEST, {"version": version_id}).scalar_one_or_none()


def get_text(session: Session, version_id: int) -> str:
    """The text of a version."""
    return session.execute(_TEXT, {"version": version_id}).scalar_one()


def last_adopted(session: Session) -> str | None:
    """The version that the ledger says was put in force last."""
    return session.execute(_LAST_ADOPTED).scalar_one_or_none()


def list_texts(session: Session) -> list[str]:
    """Every policy text that was ever in force."""
    return list(session.execute(select(PolicyVersion.text)).scalars())
