"""Whether this process still does its work, for `/healthz` and `/readyz`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from storage import migrate
from storage.db import Database


@dataclass(slots=True)
class Health:
    """`beats` maps a loop's name to a function that tells how many seconds ago it last ran."""

    database: Database
    beats: dict[str, Callable[[], float]]
    limit: float = 60.0
    """Seconds without a beat after which a loop counts as stopped."""
    waits: Callable[[], str | None] = lambda: None
    """What has to happen before the loops begin, in words; None once they have."""

    def stalled(self) -> str | None:
        """Which loop stopped, in words; None when all of them run, or have not begun because of what is waited for."""
        if self.waits() is not None:
            return None
        for name, age in self.beats.items():
            if (seconds := age()) > self.limit:
                return f"{name} has not run for {seconds:.0f} seconds"
        return None

    def not_ready(self) -> str | None:
        """Why requests should not be sent here yet; None when they may."""
        try:
            current = migrate.current(self.database)
        except Exception as error:
            return f"the database cannot be reached ({type(error).__name__})"
        if current != migrate.head():
            return f"the database is at revision {current}, this release needs {migrate.head()}"
        return self.waits() or self.stalled()


class Beat:
    """A heart beat: `strike()` from a loop, `age()` from whoever watches."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def strike(self) -> None:
        """The loop has just run."""
        self._at = time.monotonic()

    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._at
