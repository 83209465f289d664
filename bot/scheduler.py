"""The clock hand: APScheduler calls the tick every few seconds. It remembers nothing; what is due stands in the database."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot import failpoints
from storage.db import Database
from workflows.due import Registry, Runner
from workflows.policy import Policy

log = logging.getLogger(__name__)

logging.getLogger("apscheduler").setLevel(logging.WARNING)


class Scheduler:
    """Ticks in every replica: runs what `registry` knows when it is due.

    What is done `each_tick` comes before what is due.

    `policy` gives the policy in force and the id of its version.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        policy: Callable[[], tuple[Policy, int]],
        org_key: str,
        tick_seconds: float = 2.0,
        each_tick: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._runner = Runner(
            database, registry, policy=policy, org_key=org_key, probe=failpoints.hit
        )
        self._each_tick = tuple(_guarded(job) for job in each_tick)
        self._turn = threading.Lock()
        self._last = time.monotonic()
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": None,
            },
        )
        self._scheduler.add_job(
            self._quietly, IntervalTrigger(seconds=tick_seconds, timezone="UTC")
        )

    def start(self) -> None:
        """Begin to tick."""
        self._last = time.monotonic()
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking; a tick that runs is finished first."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def tick(self) -> int:
        """Run what is due now, in this thread; how much that was."""
        # One at a time in a process: whoever ticks by hand waits for what the clock hand has begun, and misses nothing.
        with self._turn:
            for job in self._each_tick:
                job()
            ran = self._runner.run()
        self._last = time.monotonic()
        return ran

    def age(self) -> float:
        """Seconds since the last tick that ended without an error."""
        return time.monotonic() - self._last

    def _quietly(self) -> None:
        try:
            self.tick()
        except Exception:
            log.exception("a tick failed; the next one tries again")


def _guarded(job: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except Exception:
            log.exception(
                "a job of the clock failed; it is tried again when it comes next"
            )

    return run
