"""Lines that would come by the thousand: the first at once, then one a minute that says how many there were."""

import logging
import threading
import time
from collections.abc import Callable

EVERY = 60.0
"""Seconds between two lines of one kind."""


class Seldom:
    """Says each kind of line at most once a minute. Safe to call from many threads."""

    def __init__(self, log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        """Kind → when it was said last, and how often it was kept back since."""

    def say(
        self,
        level: int,
        kind: str,
        words: str,
        *args: object,
        exc_info: BaseException | bool | None = None,
    ) -> None:
        """Log it, unless a line of this kind was logged within the last minute."""
        now = self._clock()
        with self._lock:
            at, kept_back = self._told.get(kind, (float("-inf"), 0))
            if now - at < EVERY:
                self._told[kind] = (at, kept_back + 1)
                return
            self._told[kind] = (now, 0)
        if kept_back:
            words += " (and %s times more since the last such line)"
            args = (*args, kept_back)
        self._log.log(level, words, *args, exc_info=exc_info)
