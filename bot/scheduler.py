"""The clock hand: APScheduler calls the tick every few seconds. It remembers nothing; what is due stands in the database."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot import failpoints
from bot.web.metrics import Beat
from storage.db import Database, DatabaseBusy
from workflows.job_runner import Registry, Run, Runner
from workflows.policy import Policy

log = logging.getLogger(__name__)

logging.getLogger("apscheduler").setLevel(logging.WARNING)


class Scheduler:
    """Ticks in every replica: runs what `registry` knows when it is due.

    What is done `each_tick` comes before what is due.

    `policy` gives the policy in force and the id of its version; `report` hears how everything that ran went.
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
        report: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self._beat = Beat()
        self._runner = Runner(
            database,
            registry,
            policy=policy,
            org_key=org_key,
            probe=failpoints.hit,
            report=report,
            beat=self._beat.strike,
        )
        self._each_tick = tuple(_guarded(job) for job in each_tick)
        self._last = time.monotonic()
        self._turn = threading.Lock()
        self._ended = threading.Condition()
        self._begun = self._done = 0
        self._outcome: int | Exception = 0
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self._job = self._scheduler.add_job(
            self._quietly, IntervalTrigger(seconds=tick_seconds, timezone="UTC")
        )

    @property
    def names(self) -> list[str]:
        """What may run here, by the names in `Run.kind`."""
        return self._runner.names

    def start(self) -> None:
        """Begin to tick."""
        self._last = time.monotonic()
        self._beat.strike()
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking; a tick that runs is finished first."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def hurry(self, timeout: float = 60.0) -> int:
        """Have the clock hand tick at once, and wait until it has; how much ran. For demos and tests.

        It is the running clock hand that ticks, never the caller: where it doesn't run, nothing happens, and TimeoutError
        says so. Raises what a tick raised.
        """
        end = time.monotonic() + timeout
        with self._ended:
            # One that begins from now on sees all that was written before.
            wanted = self._begun + 1
            while self._done < wanted:
                if time.monotonic() > end:
                    raise TimeoutError("the clock hand does not tick")
                if self._begun == self._done and self._scheduler.running:
                    self._job.modify(next_run_time=datetime.now(UTC))
                self._ended.wait(0.1)
            outcome = self._outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def age(self) -> float:
        """Seconds since the last tick that ended without an error."""
        return time.monotonic() - self._last

    def beat(self) -> float:
        """Seconds since the clock hand last moved, be there a database or not: a process that is stuck moves it no more."""
        return self._beat.age()

    def _quietly(self) -> None:
        with self._turn:
            with self._ended:
                self._begun += 1
            outcome: int | Exception
            try:
                outcome = self._tick()
            except DatabaseBusy as error:
                outcome = error
                self._beat.strike()  # it could do nothing, and is not stuck
            except Exception as error:
                outcome = error
                log.exception("a tick failed; the next one tries again")
            with self._ended:
                self._outcome = outcome
                self._done = self._begun
                self._ended.notify_all()

    def _tick(self) -> int:
        self._beat.strike()
        for job in self._each_tick:
            job()
        ran = self._runner.run()
        self._last = time.monotonic()
        return ran


def _guarded(job: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except DatabaseBusy:
            return  # what is due is looked for all the same, and raises it again
        except Exception:
            log.exception("a job of the clock failed; it is tried again when it comes next")

    return run
