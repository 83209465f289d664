"""Who reads what is sent: processes for the API, and others for Slack, so that neither waits for the other's files."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from workflows.sources.apart import Busy, Pool

UPLOADS = 2
"""Uploads of the API that are read at a time, where nobody says otherwise."""
SECONDS = 30.0
"""Of reading one upload."""
FILES = 2
"""Files shared in Slack that are fetched and read at a time: they must not hold the threads that answer clicks."""
PATIENCE = 1.0
"""Seconds that a file in Slack waits for its turn."""
SLACK_SECONDS = 8.0
"""Of reading one file in Slack, where somebody waits for the answer."""

_API = ("bot.budgets.deliveries", "bot.inventory.uploads", "duckdb")
_SLACK = ("bot.inventory.uploads", "duckdb")


def _uploads() -> Pool:
    return _pool(UPLOADS)


def _pool(most: int) -> Pool:
    """For the API: whoever waits for a process waits before, where no thread is held."""
    return Pool(most, waiting=most, patience=SECONDS, modules=_API)


@dataclass(frozen=True, slots=True)
class Readers:
    """The processes that read. `close()` ends them."""

    api: Pool = field(default_factory=_uploads)
    slack: Pool = field(
        default_factory=lambda: Pool(1, waiting=FILES, patience=SLACK_SECONDS, modules=_SLACK)
    )
    _files: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(FILES)
    )

    @classmethod
    def of(cls, uploads: int) -> Self:
        """With as many processes for the API."""
        return cls(_pool(uploads))

    @contextmanager
    def file(self) -> Iterator[Pool]:
        """A turn to fetch a file from Slack and to read it. Raises Busy when others have theirs."""
        if not self._files.acquire(timeout=PATIENCE):
            raise Busy
        try:
            yield self.slack
        finally:
            self._files.release()

    def close(self) -> None:
        """End whatever reads."""
        self.api.close()
        self.slack.close()
