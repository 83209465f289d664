"""The one place that opens connections and commits: `begin()` for a change, `read()` for a look.

SQLite and PostgreSQL differ here and nowhere else. On SQLite one process writes one transaction at a time, behind a
lock of our own: writers that queue in SQLite's busy handler wait by sleeping, which multiplies the slowest answers.
"""

import fcntl
import logging
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from storage import floors, ledger
from storage.base import MoneySum
from storage.people import erasure
from storage.runtime import IN_REAL_TIME, STEADY, SteadyClock, touch

# --- One host for one SQLite file
#
# its write-ahead log lives in shared memory, which two machines do not share. Every process
# that opens the file holds a shared lock beside it for as long as it runs. Whoever finds nobody
# there writes down the name of its host; whoever finds others there must be on the same one.


class AnotherHost(Exception):
    """Processes on another machine have this SQLite file open; `host` is its name."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


def this_host() -> str:
    """The name of this machine."""
    return platform.node() or "unnamed"


class HostLock:
    """Holds the file beside `database` until `release()`. Raises AnotherHost when another machine does."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + "-host")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._hold()
        except BaseException:
            os.close(self._file)
            raise

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, this_host().encode(), 0)
        # Going from one kind of lock to the other is not atomic: the name is read once the shared one is held.
        fcntl.flock(self._file, fcntl.LOCK_SH)
        held_by = os.pread(self._file, 1000, 0).decode("utf-8", "replace")
        if held_by != this_host():
            raise AnotherHost(held_by)

    def release(self) -> None:
        """Let others have it; once released it stays so."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


# --- Noticing that the database is away
#
# one line a minute, however many ask for it, and one line when it is back.

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two lines about one outage."""

_CONNECTION_STATES = ("08", "57P", "53300")
"""SQLSTATEs of PostgreSQL that begin so: no connection, shut down or starting, too many connections."""
_UNWRITABLE_STATES = {"25006", "53100"}
"""A server that only reads, as a standby does, and a full disk."""
_SQLITE_AWAY = {10, 11, 14, 26}
"""Primary result codes of SQLite: IOERR, CORRUPT, CANTOPEN, NOTADB."""
_SQLITE_UNWRITABLE = {8, 13}
"""READONLY and FULL."""


def is_away(error: DBAPIError) -> bool:
    """Whether the database cannot be reached at all, and not only this statement failed."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_AWAY
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # What libpq says about a connection, before and while it stands, carries no SQLSTATE.
        return isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
    return str(state).startswith(_CONNECTION_STATES)


def is_unwritable(error: DBAPIError) -> bool:
    """Whether the database can be read and takes no change: a full disk, a file or a server that only reads."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_UNWRITABLE
    return getattr(error.orig, "sqlstate", None) in _UNWRITABLE_STATES


class Outage:
    """One way in which the database may be away. Safe to call from many threads; the time is this machine's own."""

    def __init__(self, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._words = words
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told = -EVERY
        self._is_told = False
        self._failures = 0

    def struck(self, error: Exception) -> None:
        """It failed once more; told at once the first time, then once a minute."""
        now = self._clock()
        with self._lock:
            self._failures += 1
            if self._since is None:
                self._since = now
            if now - self._told < EVERY:
                return  # also where small changes go well in between, as on a disk that is nearly full
            self._told, self._is_told = now, True
            failures, seconds = self._failures, now - self._since
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines()
        why = f"{type(cause).__name__}: {lines[0][:200]}" if lines else repr(cause)
        span = f" for {seconds:.0f} seconds, in {failures} tries" if seconds else ""
        log.error(
            "the database %s%s: it is tried again until it is back (%s)", self._words, span, why
        )

    def over(self) -> None:
        """It went well: one line, where it was told that it had failed before."""
        if not self._failures:
            return
        with self._lock:
            since, failures = self._since, self._failures
            self._since, self._failures = None, 0
            was_told, self._is_told = self._is_told, False
        if since is None or not was_told:
            return  # another thread was quicker, or it comes and goes within a minute
        seconds = self._clock() - since
        log.warning("the database is back after %.0f seconds and %s tries", seconds, failures)


# --- The one place that opens connections and commits
#
# `begin()` for a change, `read()` for a look. SQLite and PostgreSQL differ here and nowhere
# else. On SQLite one process writes one transaction at a time, behind a lock of our own:
# writers that queue in SQLite's busy handler wait by sleeping, which multiplies the slowest
# answers.

T = TypeVar("T")

QUICK_MS = 1500
"""How long a transaction behind a click may wait for a lock or a statement: Slack gives three seconds in all."""
CLICK_WAITS = 2.0
"""Seconds for which somebody who clicked waits in all, counted from the arrival."""
_LEAST_WAIT = 0.05
"""Seconds that are waited even where the deadline is over: what is free at this moment is taken."""
PATIENT_MS = 120_000
"""The same for imports and migrations."""

LEAST_PAUSE, MOST_PAUSE = 0.02, 0.5
"""Seconds that long work leaves to others between two of its steps, in which it takes as long as the step took."""

_PROBED_EVERY = 5.0
"""Seconds for which the answer of `why_not_writable` is good."""

FLOORS_CHANGED = "floors_changed"
"""The mark on a session that has raised the floors of numbers (`storage.leases`)."""

_ONLY_READS = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_BETWEEN_SQLSTATES = {"40001", "40P01"}
"""Serialization failures and deadlocks."""
_MADE_FIRST_SQLSTATE = "23505"
"""A unique row that another transaction made first, seen when it is read again."""
_BUSY_SQLSTATES = {"55P03", "57014"}
_PROBED_EVERY = 5.0
"""Seconds for which the answer of `why_not_writable` is good."""


_END: ContextVar[float | None] = ContextVar("end", default=None)
"""The monotonic time after which whoever is answered here waits no more."""


@contextmanager
def waiting_until(end: float) -> Iterator[None]:
    """One deadline, in monotonic time, over all that is waited for in this block: for other threads, other processes,
    and once more where something is tried again. Patient transactions don't mind it."""
    token = _END.set(end)
    try:
        yield
    finally:
        _END.reset(token)


def _may_wait(patient: bool) -> float:
    """Seconds that a transaction may wait for its turn."""
    if patient:
        return PATIENT_MS / 1000
    end = _END.get()
    if end is None:
        return QUICK_MS / 1000
    return max(end - time.monotonic(), _LEAST_WAIT)


class DatabaseBusy(Exception):
    """The database could not take the change in time; nothing was changed."""


class OtherCameBetween(DatabaseBusy):
    """Another transaction waited for this one while this one waited for it, and this one was undone."""


class DatabaseAway(DatabaseBusy):
    """The database cannot be reached, or takes no change (`CannotWrite`); nothing was changed. It was logged where it was noticed."""


class CannotWrite(DatabaseAway):
    """The database takes no change at all: its disk is full, or it is read-only. Nothing was changed; reading works."""


class Database:
    """A governance database behind an SQLAlchemy URL. Building one connects to nothing."""

    def __init__(self, url: str | URL, *, most_connections: int = 30) -> None:
        """A third of `most_connections` is opened for a rush alone and closed again after it."""
        kept = max(1, most_connections * 2 // 3)
        self._pool = {"pool_size": kept, "max_overflow": most_connections - kept}
        self.url = normalise_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self._after_commit: list[Callable[[], None]] = []
        self._info: dict[str, Any] = {STEADY: SteadyClock()}
        self._host: HostLock | None = None
        self._away = Outage("cannot be reached")
        self._unwritable = Outage("cannot be written")
        self._floors: dict[str, int] | None = None
        self._probe = threading.Lock()
        self._probed: tuple[float, str | None] | None = None
        if self.is_sqlite:
            self.engine = self._sqlite_engine(read_only=False)
            self._read_engine = self._sqlite_engine(read_only=True)
        else:
            self.engine = create_engine(
                self.url,
                **self._pool,
                pool_timeout=QUICK_MS / 1000,
                pool_pre_ping=True,
                # What people write is bound as parameters; an error that is logged names the statement alone.
                hide_parameters=True,
                connect_args={
                    "connect_timeout": 5,
                    # A server that vanishes without a word is noticed after these seconds, not after two hours.
                    "keepalives_idle": 5,
                    "keepalives_interval": 5,
                    "keepalives_count": 2,
                    "tcp_user_timeout": 15_000,
                    "options": f"-c timezone=UTC -c lock_timeout={QUICK_MS} -c statement_timeout={QUICK_MS}"
                    " -c synchronous_commit=on -c idle_in_transaction_session_timeout=300000",
                },
            )
            event.listen(self.engine, "handle_error", _leave_out_the_row)
            self._read_engine = self.engine

    def _sqlite_engine(self, *, read_only: bool) -> Engine:
        engine = create_engine(
            self.url,
            **self._pool,
            pool_timeout=QUICK_MS / 1000,
            hide_parameters=True,
            connect_args={"timeout": QUICK_MS / 1000, "check_same_thread": False},
        )

        @event.listens_for(engine, "do_connect")
        def _make(_dialect: Any, _record: Any, _args: Any, _parameters: Any) -> None:
            _make_private(self.url.database)

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            # The driver begins nothing by itself: `_begin` does.
            connection.isolation_level = None
            connection.create_aggregate("money_sum", 1, MoneySum)
            cursor = connection.cursor()
            # Whoever reads waits for nobody who writes.
            cursor.execute("PRAGMA journal_mode=WAL")
            # With NORMAL the last commits of a WAL are lost with the power, and an ack means that it is written down.
            cursor.execute("PRAGMA synchronous=FULL")
            # Off in every new connection, whatever the file was made with.
            cursor.execute("PRAGMA foreign_keys=ON")
            # What is erased is overwritten: nothing of it stays in pages that are free, or in copies of them.
            cursor.execute("PRAGMA secure_delete=ON")
            if read_only:
                cursor.execute("PRAGMA query_only=ON")
            cursor.close()

        if not read_only:

            @event.listens_for(engine, "before_execute", retval=True)
            def _number(
                connection: Any, clause: Any, multiparams: Any, params: Any, _options: Any
            ) -> Any:
                if not self._floors:
                    return clause, multiparams, params
                return floors.number_rows(connection, clause, multiparams, params, self._floors)

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            if read_only:
                connection.exec_driver_sql("BEGIN")
                return
            waits_ms = getattr(self._local, "waits_ms", QUICK_MS)
            if connection.info.get("waits_ms", QUICK_MS) != waits_ms:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={waits_ms}")
                connection.info["waits_ms"] = waits_ms
            # A transaction that reads first and then writes would fail at once where another wrote in between.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

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

    def keep_erasure_key(self, key: bytes | None) -> None:
        """By which erased people are known again (`storage.people.erasure`)."""
        self._info[erasure.KEY] = key

    def in_real_time(self) -> None:
        """Governed time is real time here for good, so that no transaction has to read how far it is ahead."""
        self._info[IN_REAL_TIME] = True

    @contextmanager
    def begin(self, *, patient: bool = False) -> Iterator[Session]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Audit entries that were recorded meanwhile are chained as its last statements. Raises DatabaseBusy when a
        lock could not be had in time (1.5 s, what is left of the deadline of `waiting_until`, or two minutes for
        `patient` ones), and DatabaseAway when it cannot be reached, or CannotWrite when it takes no change.
        """
        end = time.monotonic() + _may_wait(patient)
        if self.is_sqlite and not self._write_lock.acquire(timeout=_may_wait(patient)):
            raise DatabaseBusy
        try:
            # What was waited for the other threads is not waited once more for other processes.
            left = max(end - time.monotonic(), _LEAST_WAIT)
            self._local.waits_ms = round(left * 1000)
            with self._session(self.engine) as session:
                try:
                    if self.is_sqlite:
                        session.connection()  # takes the write lock
                        self._local.waits_ms = QUICK_MS
                    elif patient:
                        self._be_patient(session)
                    elif _END.get() is not None and left < QUICK_MS / 1000:
                        self._hurry(session, end)
                    if self.is_sqlite and self._floors is None:
                        self._floors = floors.read_floors(session.connection())
                    yield session
                    session.flush()
                    ledger.append(session, session.info.pop("audit", ()))
                    session.commit()
                except (DBAPIError, PoolTimeout) as error:
                    with suppress(DBAPIError):
                        session.rollback()
                    self._raise_known(error, wrote=True)
                    raise
                except BaseException:
                    session.rollback()
                    raise
                wake = session.info.pop("wake", False)
                if session.info.pop(FLOORS_CHANGED, False):
                    self._floors = None
        finally:
            if self.is_sqlite:
                self._write_lock.release()
        self._away.over()
        self._unwritable.over()
        if wake:
            for hook in self._after_commit:
                hook()

    @contextmanager
    def reshaping(self, *, keep: bool = True) -> Iterator[Connection]:
        """One transaction in which tables may be made anew: committed at its end, or undone when `keep` is False.

        It waits two minutes for whoever else writes. SQLite alters a table by dropping it and renaming its copy, so
        foreign keys are off there meanwhile, and whoever uses this checks them before it ends. They cannot be turned
        off inside a transaction: SQLite ignores that without a word.
        """
        if self.is_sqlite and not self._write_lock.acquire(timeout=PATIENT_MS / 1000):
            raise DatabaseBusy
        try:
            self._local.waits_ms = PATIENT_MS
            with self.engine.connect() as connection:
                if not self.is_sqlite:
                    with connection.begin() as transaction:
                        connection.execute(text(f"SET LOCAL lock_timeout = {PATIENT_MS}"))
                        connection.execute(text("SET LOCAL statement_timeout = 0"))
                        yield connection
                        if not keep:
                            transaction.rollback()
                    return
                raw: Any = connection.connection.dbapi_connection
                raw.execute("PRAGMA foreign_keys=OFF")
                try:
                    with connection.begin() as transaction:
                        yield connection
                        if not keep:
                            transaction.rollback()
                finally:
                    raw.execute("PRAGMA foreign_keys=ON")
        except OperationalError as error:
            if _is_busy(error):
                raise DatabaseBusy from error
            raise
        finally:
            self._local.waits_ms = QUICK_MS
            if self.is_sqlite:
                self._write_lock.release()

    def why_not_writable(self) -> str | None:
        """Why nothing can be written, in words; None when it can be. Writes a row, at most every five seconds.

        For readiness: a database that is merely busy counts as writable. Raises DatabaseAway for a server that is away.
        """
        with self._probe:
            if self._probed and time.monotonic() - self._probed[0] < _PROBED_EVERY:
                return self._probed[1]
            why = None
            try:
                self.run(touch)
            except CannotWrite as error:
                why = _why_unwritable(error.__cause__)
            except DatabaseAway:
                raise
            except DatabaseBusy:
                pass
            self._probed = time.monotonic(), why
            return why

    def _session(self, engine: Engine) -> Session:
        return Session(engine, expire_on_commit=False, info=self._info)

    def _hurry(self, session: Session, end: float) -> None:
        session.connection()  # which may be waited for, too
        milliseconds = round(max(end - time.monotonic(), _LEAST_WAIT) * 1000)
        session.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))

    def _be_patient(self, session: Session) -> None:
        session.execute(text(f"SET LOCAL lock_timeout = {PATIENT_MS}"))
        session.execute(text("SET LOCAL statement_timeout = 0"))

    def run(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        """`begin()`, tried again, twice, where another transaction came between: serialization failures, deadlocks, and
        a row that both make, which the second run finds. `work` must only use the session.
        """
        for attempt in (1, 2):
            try:
                with self.begin(patient=patient) as session:
                    return work(session)
            except OtherCameBetween:
                pass
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _MADE_FIRST_SQLSTATE:
                    raise
            time.sleep(0.01 * attempt)
        with self.begin(patient=patient) as session:
            return work(session)

    def in_turn(self, work: Callable[[Session], T]) -> T:
        """`run()` for one step of long work, patient, followed by a pause on SQLite in which others get to write.

        Whoever waits to write there asks again and again, and in between nobody keeps a place in a queue: a writer that
        begins anew at once would leave them none.
        """
        began = time.monotonic()
        try:
            return self.run(work, patient=True)
        finally:
            if self.is_sqlite:
                took = time.monotonic() - began
                time.sleep(min(max(took, LEAST_PAUSE), MOST_PAUSE))

    @contextmanager
    def read(self, *, within: float | None = None) -> Iterator[Session]:
        """A consistent look that takes no lock and can change nothing.

        With `within`, no statement of it takes longer than so many seconds. Raises DatabaseBusy when there was no
        answer in time, and DatabaseAway when the database cannot be reached.
        """
        try:
            with self._session(self._read_engine) as session:
                if not self.is_sqlite:
                    # No option of the connection: given back it would begin as READ WRITE, also on a server that is read-only.
                    session.execute(_ONLY_READS)
                try:
                    with self._limited(session, within):
                        yield session
                    has_asked = session.in_transaction()
                finally:
                    session.rollback()
        except (DBAPIError, PoolTimeout) as error:
            self._raise_known(error, wrote=False)
            raise
        if has_asked:
            self._away.over()

    @contextmanager
    def _limited(self, session: Session, seconds: float | None) -> Iterator[None]:
        if seconds is None:
            yield
            return
        if not self.is_sqlite:
            session.execute(text(f"SET LOCAL statement_timeout = {seconds * 1000:.0f}"))
            yield
            return
        end = time.monotonic() + seconds
        connection: Any = session.connection().connection.dbapi_connection
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def _raise_known(self, error: DBAPIError | PoolTimeout, *, wrote: bool) -> None:
        """Raise DatabaseBusy or DatabaseAway for what has such a cause; return for anything else."""
        if _is_busy(error):
            raise DatabaseBusy from error
        if not isinstance(error, DBAPIError):
            return
        if getattr(error.orig, "sqlstate", None) in _BETWEEN_SQLSTATES:
            raise OtherCameBetween from error
        if is_away(error):
            self._away.struck(error)
            raise DatabaseAway from error
        if wrote and is_unwritable(error):
            self._unwritable.struck(error)
            # Readiness knows at once, without a probe of its own.
            self._probed = time.monotonic(), _why_unwritable(error)
            raise CannotWrite from error

    def close(self) -> None:
        """Give all connections back to the operating system."""
        if self._host is not None:
            self._host.release()
            self._host = None
        self.engine.dispose()
        if self._read_engine is not self.engine:
            self._read_engine.dispose()


_ROW = re.compile(r"\s*\b(DETAIL|CONTEXT):.*", re.DOTALL)


def _leave_out_the_row(context: ExceptionContext) -> None:
    """PostgreSQL quotes the row that it refuses, people's words with it: errors go to logs, rows don't."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args and isinstance(error.args[0], str):
            error.args = (_ROW.sub("", error.args[0]), *error.args[1:])


def _make_private(place: str | None) -> None:
    """Make the file for its owner alone before SQLite makes it for everybody; the files beside it take its rights."""
    if not place or place == ":memory:" or place.startswith("file:"):
        return
    with suppress(OSError):  # there already, or SQLite says what is wrong with it
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def normalise_url(url: str | URL) -> URL:
    """The URL with the driver that is used for its kind of database. Raises ArgumentError for no URL."""
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _is_busy(error: Exception) -> bool:
    if isinstance(error, PoolTimeout):
        return True
    original = getattr(error, "orig", None)
    return (
        getattr(original, "sqlstate", None) in _BUSY_SQLSTATES
        or "database is locked" in str(original)
        or str(original) == "interrupted"
    )


def _why_unwritable(error: BaseException | None) -> str:
    return f"the database cannot be written ({_words(error)})"


def _words(error: BaseException | None) -> str:
    """What the database itself said, on one line."""
    text = str(getattr(error, "orig", error)).strip()
    return text.splitlines()[0] if text else type(error).__name__
