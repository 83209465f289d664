"""Signed statements about approvals, and the public keys that prove them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class SigningKey(Base):
    """A public key, kept as long as somebody may verify statements signed with it. The private key is never stored."""

    __tablename__ = "signing_key"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 over the key's own encoding (SubjectPublicKeyInfo, DER), 32 hexadecimal digits of it."""
    public_pem: Mapped[str] = mapped_column(Text)
    published_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    """Nothing is signed with it any more; what it signed stays provable."""


class Statement(Base):
    """A signed statement about one approved request, byte for byte, and whether it is still valid."""

    __tablename__ = "statement"

    id: Mapped[str] = mapped_column(primary_key=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), unique=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("signing_key.key_id"), index=True)
    envelope: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    suspended_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
