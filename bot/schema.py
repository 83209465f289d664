"""A running replica's look at what newer releases do to its database."""

import logging
import time

from storage import migrate
from storage.db import Database

log = logging.getLogger(__name__)

EVERY = 30.0
"""Seconds between two looks."""


class SchemaWatch:
    """Called with each tick: says once in the log that a newer release took the database out of this one's reach."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = time.monotonic() + EVERY
        self._told: str | None = None

    def __call__(self) -> None:
        """Look, when it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        problem = migrate.read_standing(self._database).problem
        if problem is not None and problem != self._told:
            log.error("%s This replica is not ready until then.", problem)
        self._told = problem
