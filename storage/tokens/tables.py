"""Tokens of the HTTP API. Only their digests are stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class ApiToken(Base):
    """One token. A machine's acts as `person_id`, a bot of its own; a personal one acts as the person who made it.

    A token is 32 random bytes, so that its SHA-256 cannot be guessed back; slow hashing is for passwords that people
    choose.
    """

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    """Its first characters, for people and for finding the row."""
    sha256: Mapped[str]
    name: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    scopes: Mapped[list[Any]]
    projects: Mapped[list[Any]]
    """Keys of the projects it is bound to; empty: all."""
    gates: Mapped[list[Any]]
    """Gates it is bound to; empty: all."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """To the minute."""
