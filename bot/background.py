"""What goes on beside answering people: threads that look again and again, turns by lease, and processes that read."""

import gc
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Generic, Self, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from storage import leases, runtime
from storage.db import Database, DatabaseAway, DatabaseBusy
from workflows.sources.apart import Busy, Pool

# --- What is loaded stays


def keep_loaded() -> None:
    """The collector need not look through what is loaded by now, ever again.

    Two hundred thousand objects of modules, tables and forms stay until the process ends. Looking through them takes 0.2
    to 0.4 s, in which nothing else runs: a write transaction that it meets holds up everybody for as long.
    """
    gc.freeze()


# --- Lines that would come by the thousand
#
# the first at once, then one a minute that says how many there were.

EVERY = 60.0
"""Seconds between two lines of one kind."""


class Seldom:
    """Says each kind of line at most once a minute. Safe to call from many threads."""

    def __init__(self, log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        """Kind → when it was said last, and how often it was kept back since."""

    def say(
        self,
        level: int,
        kind: str,
        words: str,
        *args: object,
        exc_info: BaseException | bool | None = None,
    ) -> None:
        """Log it, unless a line of this kind was logged within the last minute."""
        now = self._clock()
        with self._lock:
            at, kept_back = self._told.get(kind, (float("-inf"), 0))
            if now - at < EVERY:
                self._told[kind] = (at, kept_back + 1)
                return
            self._told[kind] = (now, 0)
        if kept_back:
            words += " (and %s times more since the last such line)"
            args = (*args, kept_back)
        self._log.log(level, words, *args, exc_info=exc_info)


# --- A question that must not hold up whoever asks it
#
# asked in a thread of its own, awaited for so long and no longer.

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None


class Bounded(Generic[T]):
    """Asks `work`, one question at a time: who asks while one is under way waits for its answer."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._name = name
        self._work = work
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def ask(self, seconds: float) -> T:
        """The answer. Raises TimeoutError when it takes longer, and whatever `work` raises."""
        with self._lock:
            flight = self._flight
            if flight is None:
                flight = self._flight = _Flight[T]()
                threading.Thread(
                    target=self._run, args=(flight,), name=self._name, daemon=True
                ).start()
        if not flight.landed.wait(seconds):
            raise TimeoutError(f"{self._name}: no answer within {seconds} s")
        if flight.error is not None:
            raise flight.error
        return flight.value  # type: ignore[return-value]

    def _run(self, flight: _Flight[T]) -> None:
        try:
            flight.value = self._work()
        except BaseException as error:
            flight.error = error
        finally:
            with self._lock:
                self._flight = None
            flight.landed.set()


# --- Work that is looked at again and again in a thread of its own
#
# no timer waits for it, no transaction spans a call.

log = logging.getLogger("mlgov")


class Repeating:
    """Calls `work` every `pause` seconds (real), whatever it raises, until it is stopped."""

    def __init__(self, name: str, work: Callable[[], object], pause: float) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._seldom = Seldom(log)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether what is under way should end."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin, after the first pause."""
        self._thread.start()

    def stop(self, timeout: float = 15) -> None:
        """End, after what is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _loop(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._work()
            except DatabaseAway:
                continue  # told where it was noticed, for everybody at once
            except DatabaseBusy:
                self._seldom.say(logging.INFO, "busy", "%s waits: the database is busy", self._name)
            except Exception:
                log.exception("%s failed; the next round tries again", self._name)


# --- A process's turn at work that one does for all
#
# a lease in the database, kept by a heart beat for as long as it works.

LENGTH = timedelta(seconds=30)
"""After which time the others take over from a process that died."""


class Turn:
    """`take()` it, work inside `with`, and look at `is_lost` before anything is written.

    One that can't be kept (the process was stopped for longer than `length`, the database was away) is lost, and somebody
    else may have begun.
    """

    def __init__(self, db: Database, name: str, *, length: timedelta = LENGTH) -> None:
        self._db = db
        self._name = name
        self._length = length
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._ended = threading.Event()
        self._kept_at = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"turn-{name}", daemon=True)
        self._taken_by_another = False

    @property
    def is_lost(self) -> bool:
        """Whether somebody else has the turn now, or may have."""
        late = time.monotonic() - self._kept_at > self._length.total_seconds()
        return self._taken_by_another or late

    def take(self) -> bool:
        """Take the turn; False when another process has it."""
        began = time.monotonic()
        if not self._db.run(
            lambda session: leases.take(
                session,
                self._name,
                owner=self._owner,
                length=self._length,
                real_now=runtime.real_now(session),
            )
        ):
            return False
        self._kept_at = began
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._db.run(lambda session: leases.give_back(session, self._name, owner=self._owner))
        except (DatabaseBusy, SQLAlchemyError):
            log.warning("the lease %s was not given back; it ends by itself", self._name)

    def _beat(self) -> None:
        while not self._ended.wait(self._length.total_seconds() / 3):
            try:
                if not self.take():
                    self._taken_by_another = True
                    return
            except (DatabaseBusy, SQLAlchemyError):
                continue


# --- Who reads what is sent
#
# processes for the API, and others for Slack, so that neither waits for the other's files.

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

_API = ("bot.budgets.api", "bot.inventory.api", "duckdb")
_SLACK = ("bot.inventory.api", "duckdb")


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
