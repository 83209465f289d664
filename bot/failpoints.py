"""Named places at which a test may end this process at once, as `kill -9` would. Nothing is armed unless a test does it."""

import os
import threading
from collections.abc import Callable

NAMES = frozenset(
    {
        "claim.before_commit",
        "claim.after_commit",
        "open.after",
        "upload.begun",
        "upload.sent",
        "upload.completed",
        "upload.kept",
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
        "backup.step",
        "backup.before_rename",
        "costs.begun",
        "costs.entries",
        "costs.months",
        "costs.before_current",
        "costs.after_current",
        "costs.removed",
        "budgets.evaluated",
        "imports.batch",
        "restore.staged",
        "restore.kept",
        "restore.before_replace",
        "restore.after_replace",
        "event.begun",
        "event.handled",
    }
)
STATUS = 137
"""What a shell reports for a process that was killed with signal 9."""

_lock = threading.Lock()
_armed: dict[str, tuple[int, Callable[[], object]]] = {}


def die() -> None:
    """End the process without any clean-up."""
    os._exit(STATUS)


def arm(name: str, *, skip: int = 0, act: Callable[[], object] = die) -> None:
    """Let `act` happen, once, when `name` is reached for the (skip + 1)-th time; by default the process ends.

    Raises ValueError for an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"no failpoint {name!r}; there are {', '.join(sorted(NAMES))}")
    with _lock:
        _armed[name] = (skip, act)


def hit(name: str) -> None:
    """Pass a named place."""
    if not _armed:
        return
    with _lock:
        if name not in _armed:
            return
        skip, act = _armed.pop(name)
        if skip > 0:
            _armed[name] = (skip - 1, act)
            return
    act()
