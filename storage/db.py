"""The one place that opens connections and commits: `begin()` for a change, `read()` for a look.

SQLite and PostgreSQL differ here and nowhere else. On SQLite one process writes one transaction at a time, behind a
lock of our own: writers that queue in SQLite's busy handler wait by sleeping, which multiplies the slowest answers.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from storage import ledger
from storage.host import HostLock
from storage.runtime import IN_REAL_TIME, STEADY, touch
from storage.steady import SteadyClock
from storage.types import MoneySum

T = TypeVar("T")

QUICK_MS = 1500
"""How long a transaction behind a click may wait for a lock or a statement: Slack gives three seconds in all."""
PATIENT_MS = 120_000
"""The same for imports and migrations."""

log = logging.getLogger(__name__)

_RETRY_SQLSTATES = {"40001", "40P01"}
_BUSY_SQLSTATES = {"55P03", "57014"}
_UNWRITABLE_SQLSTATES = {"53100", "25006"}
"""The disk is full; the server takes reads only, like a standby."""
_UNWRITABLE_WORDS = (
    "database or disk is full",
    "attempt to write a readonly database",
    "disk i/o error",
)
"""The same as SQLite says it."""
_TOLD_EVERY = 60.0
"""Seconds between two lines in the log about a database that cannot be written."""
_PROBED_EVERY = 5.0
"""Seconds for which the answer of `why_not_writable` is good."""


class DatabaseBusy(Exception):
    """The database could not take the change in time; nothing was changed."""


class CannotWrite(DatabaseBusy):
    """The database takes no change at all: its disk is full, or it is read-only. Nothing was changed; reading works."""


class Database:
    """A governance database behind an SQLAlchemy URL. Building one connects to nothing."""

    def __init__(self, url: str | URL, *, pool_size: int = 20) -> None:
        self.url = _normal_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._write_lock = threading.Lock()
        self._after_commit: list[Callable[[], None]] = []
        self._info: dict[str, Any] = {STEADY: SteadyClock()}
        self._host: HostLock | None = None
        self._told_at: float | None = None
        self._probe = threading.Lock()
        self._probed: tuple[float, str | None] | None = None
        if self.is_sqlite:
            self.engine = self._sqlite_engine(pool_size, read_only=False)
            self._read_engine = self._sqlite_engine(pool_size, read_only=True)
        else:
            self.engine = create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=10,
                pool_timeout=QUICK_MS / 1000,
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": 5,
                    "options": f"-c timezone=UTC -c lock_timeout={QUICK_MS} -c statement_timeout={QUICK_MS}"
                    " -c synchronous_commit=on -c idle_in_transaction_session_timeout=300000",
                },
            )
            self._read_engine = self.engine

    def _sqlite_engine(self, pool_size: int, *, read_only: bool) -> Engine:
        engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=10,
            pool_timeout=QUICK_MS / 1000,
            connect_args={"timeout": QUICK_MS / 1000, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            connection.create_aggregate("money_sum", 1, MoneySum)
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            if read_only:
                cursor.execute("PRAGMA query_only=ON")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

        return engine

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each commit that left something to send. It must return at once and not raise."""
        self._after_commit.append(hook)

    def hold_host(self) -> None:
        """Refuse a SQLite file that another machine has open; held until `close()`. Raises AnotherHost."""
        file = self.url.database
        if not self.is_sqlite or not file or self._host is not None:
            return
        with suppress(OSError):  # SQLite itself says what is wrong with the place
            self._host = HostLock(Path(file).absolute())

    def in_real_time(self) -> None:
        """Governed time is real time here for good, so that no transaction has to read how far it is ahead."""
        self._info[IN_REAL_TIME] = True

    @contextmanager
    def begin(self, *, patient: bool = False) -> Iterator[Session]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Audit entries that were recorded meanwhile are chained as its last statements. Raises DatabaseBusy when a
        lock could not be had in time (1.5 s, or two minutes for `patient` ones), and CannotWrite, which is one, when
        the database takes no change.
        """
        limit = (PATIENT_MS if patient else QUICK_MS) / 1000
        if self.is_sqlite and not self._write_lock.acquire(timeout=limit):
            raise DatabaseBusy
        try:
            with self._session(self.engine) as session:
                try:
                    if patient:
                        self._be_patient(session)
                    yield session
                    session.flush()
                    ledger.append(session, session.info.pop("audit", ()))
                    session.commit()
                except (DBAPIError, PoolTimeout) as error:
                    with suppress(DBAPIError):
                        session.rollback()
                    if _is_busy(error):
                        raise DatabaseBusy from error
                    if _is_unwritable(error):
                        self._tell(error)
                        raise CannotWrite from error
                    raise
                except BaseException:
                    session.rollback()
                    raise
                wake = session.info.pop("wake", False)
        finally:
            if self.is_sqlite:
                self._write_lock.release()
        if wake:
            for hook in self._after_commit:
                hook()

    def why_not_writable(self) -> str | None:
        """Why nothing can be written, in words; None when it can be. Writes a row, at most every five seconds.

        For readiness: a database that is merely busy counts as writable. Raises what begins no transaction, like a
        server that is away.
        """
        with self._probe:
            if self._probed and time.monotonic() - self._probed[0] < _PROBED_EVERY:
                return self._probed[1]
            try:
                self.run(touch)
            except CannotWrite:
                return self._probed[1] if self._probed else None
            except DatabaseBusy:
                pass
            self._probed = time.monotonic(), None
            return None

    def _tell(self, error: Exception) -> None:
        """Remember why nothing can be written, for readiness, and say it in the log once a minute."""
        now = time.monotonic()
        self._probed = now, f"the database cannot be written ({_words(error)})"
        if self._told_at is None or now - self._told_at >= _TOLD_EVERY:
            self._told_at = now
            log.error(
                "the database cannot be written: %s. Nothing was changed", _words(error)
            )

    def _session(self, engine: Engine) -> Session:
        return Session(engine, expire_on_commit=False, info=self._info)

    def _be_patient(self, session: Session) -> None:
        if self.is_sqlite:
            session.execute(text("SELECT 1"))
            return
        session.execute(text(f"SET LOCAL lock_timeout = {PATIENT_MS}"))
        session.execute(text("SET LOCAL statement_timeout = 0"))

    def run(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        """`begin()`, with serialization failures and deadlocks tried again, twice. `work` must only use the session."""
        for attempt in range(3):
            try:
                with self.begin(patient=patient) as session:
                    return work(session)
            except DBAPIError as error:
                if (
                    attempt == 2
                    or getattr(error.orig, "sqlstate", None) not in _RETRY_SQLSTATES
                ):
                    raise
                time.sleep(0.01 * (attempt + 1))
        raise AssertionError(
            "unreachable"
        )  # pragma: no cover - the loop returns or raises

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent look that takes no lock and can change nothing."""
        with self._session(self._read_engine) as session:
            if not self.is_sqlite:
                session.execute(
                    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                )
            try:
                yield session
            finally:
                session.rollback()

    def close(self) -> None:
        """Give all connections back to the operating system."""
        if self._host is not None:
            self._host.release()
            self._host = None
        self.engine.dispose()
        if self._read_engine is not self.engine:
            self._read_engine.dispose()


def _normal_url(url: str | URL) -> URL:
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _is_busy(error: Exception) -> bool:
    if isinstance(error, PoolTimeout):
        return True
    original = getattr(error, "orig", None)
    return getattr(
        original, "sqlstate", None
    ) in _BUSY_SQLSTATES or "database is locked" in str(original)


def _is_unwritable(error: Exception) -> bool:
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) in _UNWRITABLE_SQLSTATES or any(
        words in str(original).lower() for words in _UNWRITABLE_WORDS
    )


def _words(error: BaseException | None) -> str:
    """What the database itself said, on one line."""
    said = str(getattr(error, "orig", error)).strip()
    return said.splitlines()[0] if said else type(error).__name__
