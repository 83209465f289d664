"""Copies of a SQLite database as single files: making one while it is in use, checking one, and restoring one.

This uses SQLite directly and not `storage.db`: a copy may be of any revision, and checking it must neither migrate it nor
leave a write-ahead log beside it.
"""

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from storage import ledger, migrate
from storage.base import from_microseconds

PAGES = 256
"""Pages that are copied at a time (1 MB); in between others use the database."""
WAIT_SECONDS = 10.0
"""How long a lock on the database is waited for."""

Probe = Callable[[str], None]
"""Called with the names of the places at which a test may end the process."""

_MAGIC = b"SQLite format 3\0"
_LOG, _SHARED_MEMORY = "-wal", "-shm"
_BESIDE = (_LOG, _SHARED_MEMORY, "-journal", "-host")
_KEY = "-erasure-key"


class Unusable(Exception):
    """A file can't be used as a copy, or a copy can't be written; its text is a sentence that says why."""


class InUse(Exception):
    """Some process has the database open."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy contains. `last_at` is the time of the ledger's last entry, None for an empty ledger."""

    revision: str
    people: int
    requests: int
    entries: int
    last_at: datetime | None
    size: int
    """Bytes."""


def path_beside(path: Path, suffix: str) -> Path:
    """The path of a file beside a database: its name with a suffix."""
    return path.with_name(path.name + suffix)


def is_same_file(target: Path, database: Path) -> bool:
    """Whether `target` is the database or a file that SQLite or mlgov keeps beside it, also by a link."""
    guarded = [database, *(path_beside(database, suffix) for suffix in (*_BESIDE, _KEY))]
    if target.resolve() in {path.resolve() for path in guarded}:
        return True
    return any(target.exists() and path.exists() and target.samefile(path) for path in guarded)


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, so that a new or renamed file is there after a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Write a file's contents to the disk, so that they are there after a power failure."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


# --- Making a copy


def _ignore(place: str) -> None:
    return None


def write(database: Path, target: Path, *, probe: Probe = _ignore) -> Contents:
    """Copy a database that may be in use to `target`, which is renamed there when complete; what the copy contains.

    The copy is of one moment: a read transaction is open meanwhile, which in WAL mode makes nobody wait. Raises Unusable.
    """
    try:
        with _part_of(target) as part:
            _copy(database, part, probe)
            holding = read_contents(part, called="The database")
            sync(part)
            probe("backup.before_rename")
            part.replace(target)
            sync_folder(target.absolute().parent)
    except sqlite3.Error as error:
        raise Unusable(f"The copy could not be written ({error}).") from error
    except OSError as error:
        raise Unusable(
            f"{target} cannot be written ({error.strerror or type(error).__name__})."
        ) from error
    return holding


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """The temporary file beside `target`, locked, readable by its owner alone. One left by a killed backup is reused."""
    part = target.with_name(f".{target.name}.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(f"Another backup is being written to {target}.") from None
        os.fchmod(handle, 0o600)
        os.ftruncate(handle, 0)
        try:
            yield part
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    finally:
        os.close(handle)


def _copy(database: Path, part: Path, probe: Probe) -> None:
    with (
        closing(_connect(database)) as source,
        closing(sqlite3.connect(part, isolation_level=None)) as copy,
    ):
        if source.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            source.execute("PRAGMA journal_mode=WAL")
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        # Without a transaction open in `source`, SQLite restarts the backup whenever another process writes.
        source.backup(
            copy, pages=PAGES, progress=lambda status, left, total: probe("backup.step"), sleep=0
        )
        source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_SECONDS, isolation_level=None
    )


# --- Checking a copy


def read_contents(path: Path, *, called: str | None = None) -> Contents:
    """What a copy contains, after all checks but that of the ledger. Raises Unusable.

    `called` is how the sentence names the copy; its path by default.
    """
    name = called or str(path)
    require_sqlite(path)
    try:
        with closing(_open_unchanged(path)) as connection:
            return _contents(connection, path, name)
    except sqlite3.Error as error:
        raise Unusable(f"{name} is damaged ({error}).") from None


def require_sqlite(path: Path) -> None:
    """Raise Unusable for a file that isn't a complete SQLite database, by its header and its length."""
    try:
        with path.open("rb") as file:
            start = file.read(100)
        size = path.stat().st_size
    except FileNotFoundError:
        raise Unusable(f"There is no file {path}.") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror}).") from None
    if start.startswith(b"PGDMP"):
        raise Unusable(
            f"{path} is a dump of a PostgreSQL database, and MLGOV_DATABASE_URL names a SQLite one."
        )
    if not start.startswith(_MAGIC) or len(start) < 100:
        raise Unusable(f"{path} is no SQLite database, so it is no copy of mlgov's.")
    # The header (sqlite.org/fileformat2.html): page size at byte 16, where 1 means 65536, and pages at byte 28.
    page = int.from_bytes(start[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(start[28:32], "big")
    if size < whole:
        raise Unusable(
            f"{path} is cut off: {size:,} of {whole:,} bytes are there. Take another copy."
        )


def _open_unchanged(path: Path) -> sqlite3.Connection:
    """A read-only connection; `immutable` keeps SQLite from making files beside it, and from looking for a log."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def _contents(connection: sqlite3.Connection, path: Path, name: str) -> Contents:
    tables = {
        table
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if not {"alembic_version", "audit_entry", "person", "approval"} <= tables:
        raise Unusable(
            f"{name} is a SQLite database of something else: mlgov's tables are not in it."
        )
    fault = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if fault != "ok":
        words = " ".join(fault.replace("*** in database main ***", "").split())
        raise Unusable(f"{name} is damaged ({words}).")
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise Unusable(f"{name} is damaged: rows in it belong to rows that are not there.")
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (
        "none",
    )
    if revision not in migrate.known_revisions():
        raise Unusable(
            f"{name} is at revision {revision}, which this release does not know; install a newer mlgov."
        )

    def count(table: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    entries, last_at = connection.execute("SELECT count(*), max(at) FROM audit_entry").fetchone()
    return Contents(
        revision=revision,
        people=count("person"),
        requests=count("approval"),
        entries=entries,
        last_at=from_microseconds(last_at) if last_at is not None else None,
        size=path.stat().st_size,
    )


@contextmanager
def open_copy(path: Path) -> Iterator[Session]:
    """A session that reads a copy which nobody writes to; it leaves no files beside it."""
    engine = create_engine("sqlite://", creator=lambda: _open_unchanged(path))
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def find_ledger_fault(path: Path) -> str | None:
    """What is wrong with the ledger in a copy, in words; None when nothing is."""
    try:
        with open_copy(path) as session:
            broken = ledger.verify(session)
    except SQLAlchemyError as error:
        return f"it cannot be read ({type(error).__name__})"
    return broken.reason if broken is not None else None


# --- Restoring a copy


def stage(source: Path, database: Path) -> Path:
    """Copy `source`, with its log if it has one, to a single file beside the database, to be prepared there.

    Call it with the place held (`hold_alone`): what a killed restore left is removed. Raises Unusable.
    """
    staged = path_beside(database, ".restoring")
    clear(staged)
    require_sqlite(source)
    try:
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(handle)
        shutil.copyfile(source, staged)
        log = path_beside(source, _LOG)
        if log.exists():
            shutil.copyfile(log, path_beside(staged, _LOG))
        with closing(_connect(staged)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise Unusable(f"{source} is damaged ({error}). Take another copy.") from None
    except OSError as error:
        raise Unusable(
            f"{source} cannot be copied to {staged.parent} ({error.strerror})."
        ) from None
    return staged


def clear(staged: Path) -> None:
    """Remove a staged copy and the files beside it."""
    for path in (staged, *(path_beside(staged, suffix) for suffix in _BESIDE)):
        path.unlink(missing_ok=True)


@contextmanager
def hold_alone(database: Path) -> Iterator[None]:
    """Keep other mlgov processes from opening the database; one that starts meanwhile waits. Raises InUse when one has it
    open.

    Every process of mlgov holds a shared lock beside the file (`storage.db.HostLock`). Programs of others are found by
    SQLite's own locks, in `fold_log`.
    """
    handle = os.open(path_beside(database, "-host"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse from None
        yield
    finally:
        os.close(handle)


def _is_sqlite(path: Path) -> bool:
    """Whether a file has SQLite's header. SQLite must not open another: it would delete the log beside it, which may hold
    the last changes."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def fold_log(database: Path) -> bool:
    """Write the log's changes into the file; False for a file that SQLite can't read. Raises InUse."""
    if not _is_sqlite(database):
        return False
    try:
        with closing(_connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout=500")
            # Leaving WAL mode checkpoints and removes the log; it needs the file for itself.
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            if mode != "delete":
                raise InUse
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise InUse from None
        return False
    except sqlite3.DatabaseError:
        return False
    return True


def compact(database: Path) -> str | None:
    """Rewrite a database file, so that nothing deleted is left in it or its log; why that failed, None when it didn't.

    `secure_delete` alone leaves copies in pages that SQLite moved rows out of: one erased person of 180 in a trial.
    """
    try:
        with closing(_connect(database)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return "it is in use" if busy else None


def list_asides(database: Path) -> list[Path]:
    """Files that restores left beside a database: the former databases, and copies staged by a killed restore."""
    folder, name = database.absolute().parent, database.name
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith((f"{name}.before-restore-", f"{name}.restoring"))
    )


def list_erased(database: Path) -> list[tuple[str, int, datetime]] | None:
    """Erased people in a database: opaque id, number of the ledger's entry, and when they were erased (for an erasure that
    was repeated after a restore, the first time). None when it can't be read."""
    if not _is_sqlite(database):
        return None
    try:
        with closing(_connect(database)) as connection:
            rows = connection.execute(
                "SELECT subject_id, max(seq), at, body FROM audit_entry JOIN person ON person.id = subject_id "
                "WHERE action = 'person.erased' AND subject_type = 'person' AND erased_at IS NOT NULL "
                "GROUP BY subject_id"
            ).fetchall()
            return [(id_, seq, _erased_at(at, body)) for id_, seq, at, body in rows]
    except (sqlite3.Error, KeyError, ValueError):
        return None


def _erased_at(at: int, body: str) -> datetime:
    first = json.loads(body)["facts"].get("replayed")
    return datetime.fromisoformat(first) if first else from_microseconds(at)


def read_facts(database: Path) -> tuple[int, str | None] | None:
    """The number of entries in a database's ledger, and its organisation's key; None when it can't be read."""
    if not _is_sqlite(database):
        return None
    try:
        with closing(_connect(database)) as connection:
            (seq,) = connection.execute("SELECT seq FROM audit_head").fetchone()
            (facts,) = connection.execute("SELECT facts FROM runtime").fetchone()
            return int(seq), json.loads(facts).get("org_key")
    except (sqlite3.Error, TypeError, ValueError):
        return None


def swap(staged: Path, database: Path, *, now: datetime, probe: Probe = _ignore) -> Path | None:
    """Put the staged copy in the database's place; the path of the former database now, None when there was none.

    Killed at any instant, one of the two is there, complete. Call it with the place held (`hold_alone`). Raises InUse.
    """
    sync(staged)
    aside = None
    if database.exists():
        is_sound = fold_log(database)
        aside = _find_free(
            path_beside(database, f".before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        )
        _keep_aside(database, aside)
        if not is_sound and path_beside(database, _LOG).exists():
            _keep_aside(path_beside(database, _LOG), path_beside(aside, _LOG))
        sync_folder(database.absolute().parent)
        probe("restore.kept")
    for suffix in (_LOG, _SHARED_MEMORY, "-journal"):
        # SQLite would apply a log of the old file to the new one.
        path_beside(database, suffix).unlink(missing_ok=True)
    probe("restore.before_replace")
    staged.replace(database)
    sync_folder(database.absolute().parent)
    probe("restore.after_replace")
    return aside


def _keep_aside(path: Path, aside: Path) -> None:
    """Give a file a second name by a hard link, or copy it where the file system has none."""
    try:
        os.link(path, aside)
    except OSError:
        part = path_beside(aside, ".part")
        shutil.copyfile(path, part)
        with suppress(OSError):
            part.chmod(0o600)
        sync(part)
        part.replace(aside)


def _find_free(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path_beside(path, f"-{number}")
    return candidate
