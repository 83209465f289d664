"""The ledger, the free texts beside it, and the heads that were published outside the database."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class AuditEntry(Base):
    """One link of the chain. `body` is canonical JSON and what is hashed; the other columns repeat it for look-ups."""

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
    """The end of the chain, one row; locked last in a transaction, so that no other lock is waited for under it."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str]


class PrivateText(Base):
    """Words that a person wrote. The ledger holds only SHA-256(salt ‖ text); erasing empties salt and text."""

    __tablename__ = "private_text"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    salt: Mapped[str | None]
    text: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
