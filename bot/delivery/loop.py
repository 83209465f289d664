"""The loop: claim what is due, do it in a few threads, settle it; asleep until something is due or a commit wakes it."""

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot import failpoints
from bot.delivery.messages import RENDERERS
from bot.delivery.rendering import Drafts, Renderer
from bot.delivery.sender import Anchor, Courier, Home, Result, Sender, Stamps, check
from bot.slack.files import Uploads
from bot.web.metrics import Beat
from storage.db import CannotWrite, Database, DatabaseAway, DatabaseBusy
from workflows import clock, outbox
from workflows.delivery import settling
from workflows.delivery.claiming import Claimer
from workflows.delivery.pace import Pace
from workflows.delivery.records import Claimed, Errand
from workflows.delivery.settling import Locked, NotSent
from workflows.policy import Policy

log = logging.getLogger(__name__)

BREATH = 0.01
"""Seconds between two claims, so that lanes that become free together are claimed together."""
LONGEST_BREATH = 0.08
"""Seconds between two claims while commits wake us for lanes that rest: looking costs what clicks could use."""
LONGEST_REST = 4.0
"""Seconds between two looks while the database is away; the first come sooner."""
SETTLE_TRIES = 5

Told = Callable[[str], None]


def _nobody(session: Session) -> None:
    return None


class Delivery:
    """Sends what the outbox holds. Every replica runs one; they share the work by leases in the database.

    `slack` builds the client (without retries); `policy` gives the policy in force; `audience` says whether only
    members of the organisation read along in a channel; `home` renders a person's App Home; `admin` names the
    channel that hears of dead letters; `stamps` says by which time Slack's timestamps are made, "governed" only for a
    stand-in. `report` is called for counters: with `dead` for each dead letter, `lost` when the lane had been taken
    from us, and with the outcome else (`done`, `unchanged`, `limited`, `unknown`, `refused`, …). Commits of this process
    wake it by themselves. `guards=False` leaves out the look at the watch before sending: only a test wants that.
    """

    def __init__(
        self,
        database: Database,
        slack: Callable[[], WebClient],
        renderers: Sequence[Renderer[Any, Any]],
        *,
        org_key: str,
        policy: Callable[[], Policy],
        audience: Callable[[Session, str], bool],
        home: Home,
        anchor: Anchor[Any] | None = None,
        admin: settling.Admin = _nobody,
        pace: Pace | None = None,
        workers: int = 4,
        stamps: Stamps = "real",
        report: Told | None = None,
        guards: bool = True,
        courier: Courier | None = None,
    ) -> None:
        client = slack()
        check(client)
        self._database = database
        self._pace = pace or Pace()
        self._org_key = org_key
        self._admin = admin
        self._told = report or (lambda name: None)
        self._workers = workers
        me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._claimer = Claimer(org_key, me, self._pace, admin=admin)
        self._uploads = Uploads(database, client, org_key=org_key, pace=self._pace)
        self._sender = Sender(
            database,
            client,
            Drafts([*RENDERERS, *renderers], policy, audience),
            self._uploads,
            home=home,
            anchor=anchor,
            pace=self._pace,
            stamps=stamps,
            guards=guards,
            courier=courier,
        )
        self._turn = threading.Condition()
        self._wake_at = 0.0
        self._looked_at = 0.0
        self._breath = BREATH
        self._busy = 0
        self._stopping = False
        self._is_prepared = False
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._last_loop = time.monotonic()
        self._beat = Beat()
        self._rest = 0.25

    # --- the outside ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver, in threads of its own; commits of this process wake it from now on."""
        self._database.after_commit(self.wake)
        self._stopping = False
        self._is_prepared = False
        self._last_loop = time.monotonic()
        self._beat.strike()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="delivery")
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Claim nothing more, finish what is under way and give its leases back; False when that took too long."""
        wait = self._pace.http_timeout + self._pace.guard_margin if timeout is None else timeout
        end = time.monotonic() + wait
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.0, end - time.monotonic()))
        with self._turn:
            done = self._turn.wait_for(lambda: self._busy == 0, max(0.0, end - time.monotonic()))
        if self._pool is not None:
            self._pool.shutdown(wait=done, cancel_futures=True)
        self._uploads.close()
        return done

    def wake(self) -> None:
        """Look for work at once."""
        self._look_in(0.0)

    def drain(self, timeout: float = 30.0) -> bool:
        """Wait until nothing that is due waits any more; False when it still did after `timeout` seconds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self._turn:
                idle = self._busy == 0
            if idle:
                with self._database.read() as session:
                    if outbox.count_waiting(session, now=clock.now(session)) == 0:
                        return True
            self.wake()
            time.sleep(BREATH)
        return False

    def age(self) -> float:
        """Seconds since the loop last looked for work without an error."""
        return time.monotonic() - self._last_loop

    def beat(self) -> float:
        """Seconds since the loop last came round, be there a database or not: a process that is stuck does no more."""
        return self._beat.age()

    # --- the loop ------------------------------------------------------------------------------

    def _look_in(self, seconds: float) -> None:
        with self._turn:
            at = max(time.monotonic() + seconds, self._looked_at + self._breath)
            if at < self._wake_at:
                self._wake_at = at
                self._turn.notify_all()

    def _run(self) -> None:
        while True:
            with self._turn:
                while not self._stopping and (
                    self._busy >= self._workers or time.monotonic() < self._wake_at
                ):
                    pause = self._wake_at - time.monotonic()
                    self._turn.wait(max(pause, 0.0) if self._busy < self._workers else None)
                if self._stopping:
                    return
                free = self._workers - self._busy
                self._wake_at = time.monotonic() + self._poll()
            try:
                self._round(free)
                self._last_loop = time.monotonic()
                self._rest = 0.25
                self._beat.strike()
            except CannotWrite:
                self._beat.strike()
                self._look_in(1.0)
            except DatabaseAway:
                self._beat.strike()
                self._look_in(self._rest)
                self._rest = min(2 * self._rest, LONGEST_REST)
            except DatabaseBusy:
                self._beat.strike()
                self._look_in(0.1)
            except Exception:
                log.exception("delivery could not look for work; it tries again")
                self._look_in(1.0)

    def _poll(self) -> float:
        return self._pace.poll * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, no secret

    def _round(self, free: int) -> None:
        if not self._is_prepared:
            self._database.run(self._claimer.prepare)
            self._is_prepared = True
        self._looked_at = before = time.monotonic()
        claimed = self._claim(free)
        failpoints.hit("claim.after_commit")
        for errand in claimed.errands:
            with self._turn:
                self._busy += 1
            assert self._pool is not None  # noqa: S101 - started before the loop
            self._pool.submit(self._do, errand, before)
        if claimed.errands or claimed.was_full:
            self._breath = BREATH
            self._look_in(BREATH)
            return
        longest = max(LONGEST_BREATH * self._pace.scale, BREATH)
        self._breath = min(2 * self._breath, longest)
        with self._database.read() as session:
            sleeps = self._claimer.sleeps(session)
        self._look_in(max(sleeps.total_seconds(), BREATH))

    def _claim(self, free: int) -> Claimed:
        def work(session: Session) -> Claimed:
            claimed = self._claimer.claim(session, free)
            session.flush()
            failpoints.hit("claim.before_commit")
            return claimed

        return self._database.run(work)

    def _do(self, errand: Errand, claimed_at: float) -> None:
        ready_in: float | None = None
        try:
            try:
                result = self._sender.perform(errand, claimed_at)
            except DatabaseBusy:
                result = Result(NotSent("the database was busy", counts=False))
            except Exception as error:
                log.exception("message %s could not be handled", errand.id)
                result = Result(NotSent(f"could not be handled ({type(error).__name__})"))
            ready_in = self._settle(errand, result)
        except DatabaseAway:
            log.warning(
                "how message %s ended could not be written down: it is looked up once the database is back",
                errand.id,
            )
        except Exception:
            log.exception("how message %s ended could not be written down", errand.id)
        finally:
            self._beat.strike()
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()
            if ready_in is not None:
                self._look_in(ready_in)

    def _settle(self, errand: Errand, result: Result) -> float | None:
        if isinstance(result.outcome, Locked):
            log.error("Slack refused the token or a scope: %s", result.outcome.why)

        def work(session: Session) -> settling.Settled:
            settled = settling.write(
                session,
                errand,
                result.outcome,
                pace=self._pace,
                org_key=self._org_key,
                admin=self._admin,
                opened=result.opened,
            )
            session.flush()
            failpoints.hit("settle.before_commit")
            return settled

        for attempt in range(SETTLE_TRIES):
            try:
                settled = self._database.run(work)
                break
            except (DatabaseBusy, DBAPIError):
                if attempt == SETTLE_TRIES - 1:
                    raise
                time.sleep(0.1 * (attempt + 1))
        failpoints.hit("settle.after_commit")
        self._told("lost" if not settled.is_ours else _name(result))
        if settled.is_dead:
            self._told("dead")
            log.error("message %s (%s) to %s is a dead letter", errand.id, errand.kind, errand.lane)
        return max(settled.ready_in, timedelta(0)).total_seconds() if settled.is_ours else None


def _name(result: Result) -> str:
    return type(result.outcome).__name__.lower()
