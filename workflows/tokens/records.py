"""Tokens as others see them: never the token itself."""

from dataclasses import dataclass
from datetime import datetime

from storage.enums import Scope, TokenKind


@dataclass(frozen=True, slots=True)
class Token:
    """A token and whose it is."""

    id: int
    kind: TokenKind
    prefix: str
    name: str
    person_id: str
    scopes: tuple[Scope, ...]
    projects: tuple[str, ...]
    gates: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    whose: str = ""

    def state(self, now: datetime) -> str:
        """`in use`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "in use" if now < self.expires_at else "expired"
