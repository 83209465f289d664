"""The ledger, the free texts beside it, and the heads that were published outside the database."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class AuditEntry(Base):
    """One entry of the chain. `body`, canonical JSON, is what is hashed; other columns repeat its values for queries."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject_type", "subject_id"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor_id: Mapped[str]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    hash: Mapped[str]


class AuditHead(Base):
    """The end of the chain, one row. Every writer locks it, last of all locks, so that its holder never waits."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str]


class PrivateText(Base):
    """Free text by a person. The ledger holds only its digest, SHA-256(salt ‖ text); erasure empties salt and text."""

    __tablename__ = "private_text"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    salt: Mapped[str | None]
    text: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
