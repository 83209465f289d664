"""The clock hand: APScheduler calls the tick every few seconds. It remembers nothing; what is due stands in the database."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot import failpoints
from bot.health import Beat
from storage.db import Database, DatabaseAway, DatabaseBusy
from workflows.due import Registry, Run, Runner
from workflows.policy import Policy

log = logging.getLogger(__name__)

logging.getLogger("apscheduler").setLevel(logging.WARNING)


class Scheduler:
    """Ticks in every replica: runs what `registry` knows when it is due, and the `hourly` jobs once an hour.

    What is done `each_tick` comes before what is due.

    `policy` gives the policy in force and the id of its version; `told` hears how everything that ran went.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        policy: Callable[[], tuple[Policy, int]],
        org_key: str,
        tick_seconds: float = 2.0,
        hourly: Sequence[Callable[[], object]] = (),
        each_tick: Sequence[Callable[[], object]] = (),
        told: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self._beat = Beat()
        self._runner = Runner(
            database,
            registry,
            policy=policy,
            org_key=org_key,
            probe=failpoints.hit,
            told=told,
            beat=self._beat.strike,
        )
        self._told = told
        self._hourly = tuple(hourly)
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
        for job in self._hourly:
            self._scheduler.add_job(
                self._reported(job),
                IntervalTrigger(hours=1, jitter=300, timezone="UTC"),
            )

    @property
    def names(self) -> list[str]:
        """What may run here, by the names in `Run.kind`."""
        known = self._runner.names
        return [*known, *(_name(job) for job in self._hourly)]

    def start(self) -> None:
        """Begin to tick."""
        self._last = time.monotonic()
        self._beat.strike()
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking; a tick that runs is finished first."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def tick(self) -> int:
        """Run what is due now, in this thread; how much that was."""
        # One at a time in a process: whoever ticks by hand waits for what the clock hand has begun, and misses nothing.
        with self._turn:
            self._beat.strike()
            for job in self._each_tick:
                job()
            ran = self._runner.run()
        self._last = time.monotonic()
        return ran

    def age(self) -> float:
        """Seconds since the last tick that ended without an error."""
        return time.monotonic() - self._last

    def beat(self) -> float:
        """Seconds since the clock hand last moved, be there a database or not: a process that is stuck moves it no more."""
        return self._beat.age()

    def _quietly(self) -> None:
        try:
            self.tick()
        except DatabaseBusy:
            self._beat.strike()  # it could do nothing, and is not stuck
        except Exception:
            log.exception("a tick failed; the next one tries again")

    def _reported(self, job: Callable[[], object]) -> Callable[[], None]:
        name = _name(job)

        def run() -> None:
            began, reference, went_well = time.monotonic(), secrets.token_hex(3), False
            try:
                job()
                went_well = True
            except DatabaseAway:
                pass  # told where it was noticed
            except Exception:
                log.exception(
                    "%s failed; it is tried again when it comes next (ref %s)",
                    name,
                    reference,
                )
            seconds = time.monotonic() - began
            self._told(Run(name, "", went_well, seconds, reference))

        return run


def _name(job: Callable[[], object]) -> str:
    return str(getattr(job, "__name__", "job"))


def _guarded(job: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except DatabaseBusy:
            return  # what is due is looked for all the same, and raises it again
        except Exception:
            log.exception(
                "a job of the clock failed; it is tried again when it comes next"
            )

    return run
