"""What one token may ask at a time and in a minute, so that no program takes what others need."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

SMALL = 64_000
"""Bytes of a body, as a rule."""
LARGE = 8_000_000
"""Bytes of an upload: a delivery of cost, a file of predictions, evidence with its figures."""
LARGE_SECONDS = 60.0
"""In which an upload has to be here."""
RUNNING, AT_ONCE = 6, 64
"""Requests of one token that are worked on, and that are here at all; the others wait for their turn."""
WAITING = 1_000
"""Requests of one token that wait for a decision; they hold nothing."""
UPLOADS_AT_ONCE = 3
"""Uploads of one token that are here; one of them is read, the others wait."""


class TooMany(Exception):
    """A token asks for more than it may just now; `seconds` until it is worth another try."""

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class _Use:
    """What one token uses."""

    left: float
    at: float
    here: int = 0
    waiting: int = 0
    uploads: int = 0
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING))
    upload: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


class Allowance:
    """Counts by token, in this process. For the event loop alone."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._uses: dict[int, _Use] = {}

    @asynccontextmanager
    async def request(self, token: int, *, waits: bool) -> AsyncIterator[None]:
        """One request, once it is its turn. Raises TooMany."""
        use = self._use(token)
        self._spend(use)
        if waits:
            if use.waiting >= WAITING:
                raise _at_once(WAITING, "requests wait")
            use.waiting += 1
            try:
                yield
            finally:
                use.waiting -= 1
            return
        if use.here >= AT_ONCE:
            raise _at_once(AT_ONCE, "requests are under way")
        use.here += 1
        try:
            async with use.turn:
                yield
        finally:
            use.here -= 1

    @asynccontextmanager
    async def upload(self, token: int) -> AsyncIterator[None]:
        """One upload, once it is its turn. Raises TooMany."""
        use = self._use(token)
        if use.uploads >= UPLOADS_AT_ONCE:
            raise _at_once(UPLOADS_AT_ONCE, "uploads are under way")
        use.uploads += 1
        try:
            async with use.upload:
                yield
        finally:
            use.uploads -= 1

    def _use(self, token: int) -> _Use:
        return self._uses.setdefault(token, _Use(self._most, self._clock()))

    def _spend(self, use: _Use) -> None:
        """Requests come back evenly: a minute's worth at once, then so many a second."""
        now, each = self._clock(), self._most / 60
        use.left = min(self._most, use.left + (now - use.at) * each)
        use.at = now
        if use.left < 1:
            raise TooMany(
                f"This token has asked more than {self._most:,} times a minute. Slow down; the same call passes later.",
                math.ceil((1 - use.left) / each),
            )
        use.left -= 1


def _at_once(most: int, what: str) -> TooMany:
    return TooMany(
        f"{most:,} {what} by this token already. The same call passes once one of them is done.", 1
    )
