"""Whether this process still does its work, for `/healthz` and `/readyz`.

Liveness (`stalled`) falls when the process itself is stuck, and for nothing else: a restart mends neither the database
nor Slack. Readiness (`not_ready`) falls when it could not answer people at this moment.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import text

from bot.bounded import Bounded
from storage import migrate
from storage.db import Database, DatabaseAway

PATIENCE = 2.0
"""Seconds that a question to the database may take before it counts as away; whoever watches waits no longer."""


def _nothing() -> None:
    return None


@dataclass(slots=True)
class Health:
    """`beats` maps a loop's name to a function that tells how many seconds ago it last came round.

    `slack` says in a sentence why Slack is no use, if it is none.
    """

    database: Database
    beats: dict[str, Callable[[], float]]
    limit: float = 60.0
    """Seconds without a beat after which a loop counts as stopped."""
    slack: Callable[[], str | None] = _nothing
    waits: Callable[[], str | None] = _nothing
    """What has to happen before the loops begin, in words; None once they have."""
    _answers: Bounded[None] = field(init=False)
    _schema: Bounded[str | None] = field(init=False)
    _writes: Bounded[str | None] = field(init=False)

    def __post_init__(self) -> None:
        self._answers = Bounded("liveness", self._ask)
        self._schema = Bounded("readiness", lambda: migrate.read_standing(self.database).problem)
        self._writes = Bounded("writing", self.database.why_not_writable)

    def _ask(self) -> None:
        with self.database.read(within=PATIENCE) as session:
            session.execute(text("SELECT 1"))

    def _unwritable(self) -> str | None:
        try:
            return self._writes.ask(PATIENCE)
        except Exception as error:
            return f"the database cannot be reached ({type(error).__name__})"

    def stalled(self) -> str | None:
        """Which loop is stuck, in words; None when all of them run, or could not because the database is away."""
        if self.waits() is not None:
            return None
        for name, age in self.beats.items():
            if (seconds := age()) > self.limit:
                try:
                    self._answers.ask(PATIENCE)
                except (DatabaseAway, TimeoutError):
                    return None
                return f"{name} has not run for {seconds:.0f} seconds"
        return None

    def not_ready(self) -> str | None:
        """Why requests should not be sent here yet; None when they may."""
        try:
            problem = self._schema.ask(PATIENCE)
        except Exception as error:
            return f"the database cannot be reached ({type(error).__name__})"
        return problem or self._unwritable() or self.waits() or self.slack() or self.stalled()


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
