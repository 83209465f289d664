"""Reading and writing the versions of the policy."""

from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry
from storage.policies.tables import PolicyVersion

_LOCK = text("LOCK TABLE policy_version IN SHARE ROW EXCLUSIVE MODE")
_SEQUENCE_FOLLOWS = text(
    "SELECT setval('policy_version_id_seq',"
    " greatest(:version, (SELECT last_value FROM policy_version_id_seq)))"
)
_BY_DIGEST = select(PolicyVersion.id).where(PolicyVersion.sha256 == bindparam("wanted_sha256"))
_DIGEST = select(PolicyVersion.sha256).where(PolicyVersion.id == bindparam("version"))
_TEXT = select(PolicyVersion.text).where(PolicyVersion.id == bindparam("version"))
_LAST_ADOPTED = (
    select(AuditEntry.subject_id)
    .where(AuditEntry.subject_type == "policy", AuditEntry.action == "policy.adopted")
    .order_by(AuditEntry.seq.desc())
    .limit(1)
)


def lock(session: Session) -> None:
    """Let no other transaction add a version or put one in force before this one ends; readers don't wait.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOCK)


def find_version(session: Session, sha256: str) -> int | None:
    """The id of the version with this digest."""
    return session.execute(_BY_DIGEST, {"wanted_sha256": sha256}).scalar_one_or_none()


def add(session: Session, sha256: str, content: str, applied_at: datetime) -> int:
    """Insert a text that is new, numbered after the latest version; its id. Call `lock` before.

    The number is counted: a sequence would leave a gap for each insert that was rolled back or not needed.
    """
    last = session.execute(select(func.max(PolicyVersion.id))).scalar_one()
    version = (last or 0) + 1
    session.execute(
        insert(PolicyVersion),
        {"id": version, "sha256": sha256, "text": content, "applied_at": applied_at},
    )
    if session.get_bind().dialect.name == "postgresql":
        # A replica of an earlier release takes the sequence's next number, while both run.
        session.execute(_SEQUENCE_FOLLOWS, {"version": version})
    return version


def find_digest(session: Session, version_id: int) -> str | None:
    """The digest of a version."""
    return session.execute(_DIGEST, {"version": version_id}).scalar_one_or_none()


def get_text(session: Session, version_id: int) -> str:
    """The text of a version."""
    return session.execute(_TEXT, {"version": version_id}).scalar_one()


def last_adopted(session: Session) -> str | None:
    """The id of the version that was put in force last, by the ledger; None when none was."""
    return session.execute(_LAST_ADOPTED).scalar_one_or_none()
