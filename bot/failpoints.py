"""Named places at which a test may end this process at once, as `kill -9` would. Nothing is armed unless a test does it."""

import os
import threading

NAMES = frozenset(
    {
        "claim.before_commit",
        "claim.after_commit",
        "open.after",
        "send.before",
        "send.after",
        "settle.before_commit",
        "settle.after_commit",
        "lookup.before",
        "lookup.after",
        "timer.before_commit",
        "timer.after_commit",
        "schedule.before_commit",
        "schedule.after_commit",
    }
)
STATUS = 137
"""What a shell reports for a process that was killed with signal 9."""

_lock = threading.Lock()
_armed: dict[str, int] = {}


def arm(name: str, *, skip: int = 0) -> None:
    """End the process when `name` is reached for the (skip + 1)-th time. Raises ValueError for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"no failpoint {name!r}; there are {', '.join(sorted(NAMES))}")
    with _lock:
        _armed[name] = skip


def hit(name: str) -> None:
    """Pass a named place."""
    if not _armed:
        return
    with _lock:
        if name not in _armed:
            return
        _armed[name] -= 1
        if _armed[name] >= 0:
            return
    os._exit(STATUS)
