"""The governed clock: real time plus an offset that a test or a demo may move."""

from datetime import UTC, datetime, timedelta
from threading import Lock


class GovernedClock:
    """Real UTC time plus an offset.

    Messages are stamped by this clock. Signatures, trigger ids, rate limits and the life of a
    response_url use real time and never see the offset.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self._lock = Lock()
        self._offset = timedelta()
        if at is not None:
            self.set(at)

    @property
    def offset(self) -> timedelta:
        """How far the governed time is ahead of the real one (negative: behind)."""
        with self._lock:
            return self._offset

    def now(self) -> datetime:
        """The governed time, in UTC."""
        return datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Move the clock on by `by`; it keeps running."""
        with self._lock:
            self._offset += by

    def set(self, to: datetime) -> None:
        """Make it `to` now; the clock keeps running from there."""
        if to.tzinfo is None:
            raise ValueError("give the clock a time with its zone, for example 2026-01-26T08:50Z")
        with self._lock:
            self._offset = to.astimezone(UTC) - datetime.now(UTC)
