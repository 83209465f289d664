"""What programs and people show the HTTP API. The token itself is never kept, only its digest."""

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
    """The first characters, by which people and look-ups recognise it."""
    sha256: Mapped[str]
    name: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    scopes: Mapped[list[Any]]
    projects: Mapped[list[Any]]
    """Keys of the projects that it is bound to; empty for all."""
    gates: Mapped[list[Any]]
    """Gates that it is bound to; empty for all."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """To the minute."""
