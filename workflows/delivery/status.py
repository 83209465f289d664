"""How delivery stands, for metrics and health."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.delivery.queries import letters
from storage.enums import OutboxState
from workflows import clock


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows by state (pending, sending, dead), and how late the oldest row is that is due and not settled."""

    by_state: dict[str, int]
    oldest_seconds: float


def measure(session: Session) -> Measured:
    """Count what waits; cheap enough for every scrape."""
    now = clock.now(session)
    none = {
        state.value: 0 for state in (OutboxState.PENDING, OutboxState.SENDING, OutboxState.DEAD)
    }
    oldest = letters.find_oldest_due(session, now=now)
    age = (now - oldest).total_seconds() if oldest is not None else 0.0
    return Measured(none | letters.count_states(session), max(age, 0.0))


def daily_heads(session: Session) -> Sequence[tuple[str, str, datetime, datetime | None]]:
    """The latest daily publications of the ledger's head: key, state, when it was written, and when it was settled."""
    return letters.list_daily_heads(session)
