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
# The index of its write-ahead log lives in shared memory, which two machines don't share: on a
# network drive they would corrupt the file. Every process that opens the file holds a shared
# lock on a file beside it for as long as it runs. A process that finds no other writes its
# host's name there; one that finds others must be on the same host.


class AnotherHost(Exception):
    """Processes on another machine, `host`, have this SQLite file open."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


def this_host() -> str:
    """The name of this machine; "unnamed" where it has none."""
    return platform.node() or "unnamed"


class HostLock:
    """Holds the lock file of `database` until `release()`. Raises AnotherHost when another machine holds it."""

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
        # Changing one kind of lock into the other isn't atomic: another process may have written its name in between,
        # so the name is read only while the shared lock is held.
        fcntl.flock(self._file, fcntl.LOCK_SH)
        held_by = os.pread(self._file, 1000, 0).decode("utf-8", "replace")
        if held_by != this_host():
            raise AnotherHost(held_by)

    def release(self) -> None:
        """Give the lock up; again changes nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


# --- Noticing that the database is away: one line in the log a minute, and one when it is back

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two log lines about one outage, however many transactions fail."""

_CONNECTION_STATES = ("08", "57P", "53300")
"""PostgreSQL's SQLSTATEs that begin so (its manual, appendix A): 08 connection exceptions, 57P shut down or starting up,
53300 too many connections."""
_UNWRITABLE_STATES = {"25006", "53100"}
"""SQLSTATEs read_only_sql_transaction, as on a standby, and disk_full."""
_SQLITE_AWAY = {10, 11, 14, 26}
"""SQLite's primary result codes IOERR, CORRUPT, CANTOPEN, NOTADB (sqlite.org/rescode.html)."""
_SQLITE_UNWRITABLE = {8, 13}
"""SQLite's READONLY and FULL."""


def is_away(error: DBAPIError) -> bool:
    """Whether the database can't be reached at all, rather than this statement having failed."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (
            code & 0xFF in _SQLITE_AWAY
        )  # the low byte of an extended result code is the primary one
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # Errors of libpq about the connection itself carry no SQLSTATE.
        return isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
    return str(state).startswith(_CONNECTION_STATES)


def is_unwritable(error: DBAPIError) -> bool:
    """Whether the database can be read but not written: a full disk, a read-only file or server."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_UNWRITABLE
    return getattr(error.orig, "sqlstate", None) in _UNWRITABLE_STATES


class Outage:
    """One way in which the database may be away, `words` in the log. Safe to call from many threads.

    `clock` gives seconds, monotonic: the database's own time can't be asked.
    """

    def __init__(self, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._words = words
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told = -EVERY
        self._is_told = False
        self._failures = 0

    def struck(self, error: Exception) -> None:
        """Count a failure; log it when it is the first, or the first in a minute."""
        now = self._clock()
        with self._lock:
            self._failures += 1
            if self._since is None:
                self._since = now
            if now - self._told < EVERY:
                return  # also after a recovery: on a disk that is nearly full small changes still go through
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
        """End the outage, if there is one; log that it is over, where its beginning was logged."""
        if not self._failures:
            return
        with self._lock:
            since, failures = self._since, self._failures
            self._since, self._failures = None, 0
            was_told, self._is_told = self._is_told, False
        if since is None or not was_told:
            return  # another thread has ended it, or it was too short to be logged
        seconds = self._clock() - since
        log.warning("the database is back after %.0f seconds and %s tries", seconds, failures)


# --- Connections and transactions

T = TypeVar("T")

QUICK_MS = 1500
"""How long a transaction may wait for a lock, and a statement may take: Slack gives three seconds to answer a click."""
PATIENT_MS = 120_000
"""The same for imports and migrations, which nobody waits for in Slack."""
CLICK_WAITS = 2.0
"""Seconds that a click may wait in all, counted from its arrival: for threads, processes, locks, and a second try. One of
Slack's three is left for the network and the answer."""
_LEAST_WAIT = 0.05
"""Seconds that are waited even after the deadline, so that a lock that is free, or nearly, is still taken."""

LEAST_PAUSE, MOST_PAUSE = 0.02, 0.5
"""Seconds that long work rests between two steps: as long as the step took, within these bounds (`in_turn`)."""

FLOORS_CHANGED = "floors_changed"
"""Mark on a session that has raised the floors of ids (`storage.floors`), so that they are read anew."""

_ONLY_READS = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_BETWEEN_SQLSTATES = {"40001", "40P01"}
"""SQLSTATEs serialization_failure and deadlock_detected."""
_MADE_FIRST_SQLSTATE = "23505"
"""SQLSTATE unique_violation: another transaction inserted the row first, and a second run finds it."""
_BUSY_SQLSTATES = {"55P03", "57014"}
"""SQLSTATEs lock_not_available (lock_timeout) and query_canceled (statement_timeout)."""
_PROBED_EVERY = 5.0
"""Seconds for which the answer of `why_not_writable` is good."""


_END: ContextVar[float | None] = ContextVar("end", default=None)
"""The deadline of `waiting_until`, monotonic; None where there is none."""


@contextmanager
def waiting_until(end: float) -> Iterator[None]:
    """One deadline, `end` of `time.monotonic()`, for all waits in this block: for other threads, for other processes, and
    again where a transaction is tried again. Patient transactions ignore it."""
    token = _END.set(end)
    try:
        yield
    finally:
        _END.reset(token)


def _may_wait(patient: bool) -> float:
    """Seconds that a transaction may wait for its locks: two minutes, what is left of the deadline, or 1.5."""
    if patient:
        return PATIENT_MS / 1000
    end = _END.get()
    if end is None:
        return QUICK_MS / 1000
    return max(end - time.monotonic(), _LEAST_WAIT)


class DatabaseBusy(Exception):
    """A lock or an answer was not to be had in time; nothing was changed."""


class OtherCameBetween(DatabaseBusy):
    """PostgreSQL undid this transaction for another one's sake (deadlock, serialization); a second try may go well."""


class DatabaseAway(DatabaseBusy):
    """The database can't be reached, or takes no change (`CannotWrite`); nothing was changed. Logged already (`Outage`)."""


class CannotWrite(DatabaseAway):
    """The database can be read but takes no change: its disk is full, or it is read-only. Nothing was changed."""


class Database:
    """A governance database behind an SQLAlchemy URL. Building one connects to nothing."""

    def __init__(self, url: str | URL, *, most_connections: int = 30) -> None:
        """At most `most_connections` are open; a third of them is closed again after a rush."""
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
                # After a restart of the server, pooled connections are replaced instead of failing one by one.
                pool_pre_ping=True,
                # Parameters hold what people wrote, and errors are logged: those name the statement alone.
                hide_parameters=True,
                connect_args={
                    "connect_timeout": 5,
                    # A server that vanishes without closing its connections is noticed after 15 s idle (5 s, then two
                    # probes 5 s apart) or 15 s with data unacknowledged; by default Linux waits two hours.
                    "keepalives_idle": 5,
                    "keepalives_interval": 5,
                    "keepalives_count": 2,
                    "tcp_user_timeout": 15_000,
                    # Times are read in UTC. Limits for clicks are the default, and SET LOCAL widens them for patient
                    # transactions. An ack means that the change is on disk, so commits wait for the disk even where the
                    # server's own setting says otherwise. A transaction that is left open holds up others for 5 minutes
                    # at most.
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
            # The driver begins no transactions by itself: `_begin` does, with the kind of lock that is needed.
            connection.isolation_level = None
            connection.create_aggregate("money_sum", 1, MoneySum)
            cursor = connection.cursor()
            # With the default, a rollback journal, readers and the writer wait for each other.
            cursor.execute("PRAGMA journal_mode=WAL")
            # NORMAL may lose the last commits of a WAL with the power; an ack means that the change is on disk, and a
            # lost `sent` would send a message twice.
            cursor.execute("PRAGMA synchronous=FULL")
            # SQLite has them off in every new connection, whatever the file was made with.
            cursor.execute("PRAGMA foreign_keys=ON")
            # Erased data is overwritten with zeros, and doesn't stay in free pages, from where it would get into copies.
            cursor.execute("PRAGMA secure_delete=ON")
            if read_only:
                # `read()` can change nothing, as with READ ONLY on PostgreSQL.
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
            # A plain BEGIN takes the write lock only at the first write, which fails at once, without waiting, when
            # another process has written since the first read.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each commit of a session marked `wake`: there is something to send. It must return at once
        and not raise."""
        self._after_commit.append(hook)

    def hold_host(self) -> None:
        """Keep other machines from opening this SQLite file until `close()`. Raises AnotherHost when one has it open."""
        file = self.url.database
        if not self.is_sqlite or not file or self._host is not None:
            return
        with suppress(OSError):  # SQLite itself says what is wrong with the place
            self._host = HostLock(Path(file).absolute())

    def keep_erasure_key(self, key: bytes | None) -> None:
        """Let sessions recognise erased people by this key (`storage.people.erasure`); None: there is none."""
        self._info[erasure.KEY] = key

    def in_real_time(self) -> None:
        """Take the clock for governed time from now on, so that no transaction reads the offset: only demos and tests
        have one."""
        self._info[IN_REAL_TIME] = True

    @contextmanager
    def begin(self, *, patient: bool = False) -> Iterator[Session]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Audit entries that were recorded meanwhile are chained as its last statements. Raises DatabaseBusy when a
        lock could not be had in time (1.5 s, what is left of the deadline of `waiting_until`, or two minutes for
        `patient` ones), DatabaseAway when it can't be reached, and CannotWrite when it takes no change.
        """
        end = time.monotonic() + _may_wait(patient)
        if self.is_sqlite and not self._write_lock.acquire(timeout=_may_wait(patient)):
            raise DatabaseBusy
        try:
            # One limit for both waits: for the other threads above, and for other processes in BEGIN IMMEDIATE.
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
        """One transaction in which tables may be rebuilt: committed at its end, or undone when `keep` is False.

        It waits up to two minutes for other writers. Alembic alters a table of SQLite by dropping it and renaming its
        copy, so foreign keys are off there meanwhile (before BEGIN: inside a transaction SQLite ignores the pragma), and
        the caller checks them before the end. Raises DatabaseBusy.
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

        For readiness: a database that is merely busy counts as writable. Raises DatabaseAway when it can't be reached.
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
        session.connection()  # waits for a free connection, which the deadline covers too
        milliseconds = round(max(end - time.monotonic(), _LEAST_WAIT) * 1000)
        session.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))

    def _be_patient(self, session: Session) -> None:
        session.execute(text(f"SET LOCAL lock_timeout = {PATIENT_MS}"))
        session.execute(text("SET LOCAL statement_timeout = 0"))

    def run(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        """`begin()` around `work`, tried up to three times where another transaction came between: serialization failures,
        deadlocks, and unique rows that both insert, which the second run finds. `work` must have no effect but through
        the session, since it may run more than once.
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

        SQLite keeps no queue of writers: those that wait ask again from time to time, and a writer that begins its next
        step at once would always be first.
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
        """A read-only transaction: one consistent snapshot, without locks.

        `within` limits each statement to so many seconds. Raises DatabaseBusy when there was no answer in time, and
        DatabaseAway when the database can't be reached.
        """
        try:
            with self._session(self._read_engine) as session:
                if not self.is_sqlite:
                    # For this transaction alone. As an option of the connection it would be reset when that is given back,
                    # to READ WRITE even on a server that is read-only.
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
        # SQLite has no statement_timeout: this is called every 10,000 of its instructions, and True interrupts.
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def _raise_known(self, error: DBAPIError | PoolTimeout, *, wrote: bool) -> None:
        """Raise the DatabaseBusy that an error stands for; return where it stands for none."""
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
            # Readiness answers from this at once, instead of by its next probe.
            self._probed = time.monotonic(), _why_unwritable(error)
            raise CannotWrite from error

    def close(self) -> None:
        """Close all connections, and let other machines open the file."""
        if self._host is not None:
            self._host.release()
            self._host = None
        self.engine.dispose()
        if self._read_engine is not self.engine:
            self._read_engine.dispose()


_ROW = re.compile(r"\s*\b(DETAIL|CONTEXT):.*", re.DOTALL)


def _leave_out_the_row(context: ExceptionContext) -> None:
    """Cut DETAIL and CONTEXT from an error before it is logged: PostgreSQL quotes there the row that it refuses."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args and isinstance(error.args[0], str):
            error.args = (_ROW.sub("", error.args[0]), *error.args[1:])


def _make_private(place: str | None) -> None:
    """Make the database file readable by its owner alone, before SQLite makes it for everybody.

    SQLite gives the files beside it (`-wal`, `-shm`) the same rights.
    """
    if not place or place == ":memory:" or place.startswith("file:"):
        return
    with suppress(OSError):  # there already, or SQLite says what is wrong with it
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def normalise_url(url: str | URL) -> URL:
    """The URL with the driver that we use for its kind of database. Raises ArgumentError for what is no URL."""
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
    """The first line of the database's own message."""
    text = str(getattr(error, "orig", error)).strip()
    return text.splitlines()[0] if text else type(error).__name__
