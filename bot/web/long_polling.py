"""Waiting for a decision without holding a thread or a transaction: one look serves everybody who waits."""

import asyncio
import logging
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool

from storage.db import Database, DatabaseBusy
from workflows.releases import reads
from workflows.releases.reads import Mark

log = logging.getLogger("mlgov")

POLL = 1.0
"""Seconds between two looks for what other processes did; what this one did is looked at when it is committed."""
BREATH = 0.05
"""Seconds after a commit, so that many commits are looked at once."""
MOST = 5000
"""Callers who wait at a time; who comes then is answered at once."""


@dataclass(eq=False, slots=True)
class _Waiter:
    approval_id: int
    seen: str | None
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Waiters:
    """Everybody in this process who waits for requests to change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: set[_Waiter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._watch: asyncio.Task[None] | None = None
        database.after_commit(self._committed)

    async def wait(self, approval_id: int, seen: str | None, seconds: float) -> None:
        """Return when the request waits for nobody any more, or differs from `seen`, or the time is over."""
        if len(self._waiters) >= MOST:
            return
        waiter = _Waiter(approval_id, seen)
        self._waiters.add(waiter)
        try:
            self._begin()
            await asyncio.wait_for(waiter.news.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    def _begin(self) -> None:
        if self._woken is not None:
            self._woken.set()
        if self._watch is None or self._watch.done():
            self._loop = asyncio.get_running_loop()
            self._woken = asyncio.Event()
            self._watch = self._loop.create_task(self._look_on(self._woken))

    def _committed(self) -> None:
        loop, woken = self._loop, self._woken
        if loop is None or woken is None or not self._waiters:
            return
        try:
            loop.call_soon_threadsafe(woken.set)
        except RuntimeError:  # the web has stopped; nobody waits any more
            return

    async def _look_on(self, woken: asyncio.Event) -> None:
        while self._waiters:
            woken.clear()
            ids = {waiter.approval_id for waiter in self._waiters}
            try:
                marks = await run_in_threadpool(self._look, ids)
            except DatabaseBusy:
                pass  # whoever waits waits on; the outage is told where it was noticed
            except Exception as error:
                log.warning("waiting requests could not be looked at: %s", type(error).__name__)
            else:
                for waiter in list(self._waiters):
                    if waiter.approval_id in ids and _is_news(waiter, marks):
                        waiter.news.set()
                        self._waiters.discard(waiter)
            try:
                await asyncio.wait_for(woken.wait(), POLL)
            except TimeoutError:
                continue
            await asyncio.sleep(BREATH)

    def _look(self, ids: set[int]) -> dict[int, Mark]:
        with self._database.read() as session:
            return reads.load_marks(session, ids)


def _is_news(waiter: _Waiter, marks: dict[int, Mark]) -> bool:
    mark = marks.get(waiter.approval_id)
    if mark is None or not mark.is_pending:
        return True
    return waiter.seen is not None and mark.text != waiter.seen
