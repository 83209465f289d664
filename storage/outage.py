"""Noticing that the database is away: one line a minute, however many ask for it, and one line when it is back."""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, OperationalError

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two lines about one outage."""

_CONNECTION_STATES = ("08", "57P", "53300")
"""SQLSTATEs of PostgreSQL that begin so: no connection, shut down or starting, too many connections."""
_UNWRITABLE_STATES = {"25006", "53100"}
"""A server that only reads, as a standby does, and a full disk."""
_SQLITE_AWAY = {10, 11, 14, 26}
"""Primary result codes of SQLite: IOERR, CORRUPT, CANTOPEN, NOTADB."""
_SQLITE_UNWRITABLE = {8, 13}
"""READONLY and FULL."""


def is_away(error: DBAPIError) -> bool:
    """Whether the database cannot be reached at all, and not only this statement failed."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_AWAY
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # What libpq says about a connection, before and while it stands, carries no SQLSTATE.
        return isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
    return str(state).startswith(_CONNECTION_STATES)


def is_unwritable(error: DBAPIError) -> bool:
    """Whether the database can be read and takes no change: a full disk, a file or a server that only reads."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_UNWRITABLE
    return getattr(error.orig, "sqlstate", None) in _UNWRITABLE_STATES


class Outage:
    """One way in which the database may be away. Safe to call from many threads; the time is this machine's own."""

    def __init__(self, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._words = words
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told = -EVERY
        self._is_told = False
        self._failures = 0

    def struck(self, error: Exception) -> None:
        """It failed once more; told at once the first time, then once a minute."""
        now = self._clock()
        with self._lock:
            self._failures += 1
            if self._since is None:
                self._since = now
            if now - self._told < EVERY:
                return  # also where small changes go well in between, as on a disk that is nearly full
            self._told, self._is_told = now, True
            failures, seconds = self._failures, now - self._since
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines()
        why = f"{type(cause).__name__}: {lines[0][:200]}" if lines else repr(cause)
        span = f" for {seconds:.0f} seconds, in {failures} tries" if seconds else ""
        log.error(
            "the database %s%s: it is tried again until it is back (%s)", self._words, span, why
        )

    def over(self) -> None:
        """It went well: one line, where it was told that it had failed before."""
        if not self._failures:
            return
        with self._lock:
            since, failures = self._since, self._failures
            self._since, self._failures = None, 0
            was_told, self._is_told = self._is_told, False
        if since is None or not was_told:
            return  # another thread was quicker, or it comes and goes within a minute
        seconds = self._clock() - since
        log.warning("the database is back after %.0f seconds and %s tries", seconds, failures)
