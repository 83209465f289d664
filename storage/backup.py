"""Copies of a SQLite database as single files: made while it is in use, looked at, and put in its place.

This speaks to SQLite itself and not through `storage.db`: a copy may be of any revision, and looking at it must neither
migrate it nor leave a write-ahead log beside it.
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
"""Pages that are copied at a time (1 MB): in between, whoever wants the database has it."""
WAIT_SECONDS = 10.0
"""How long a lock on the database is waited for."""

Probe = Callable[[str], None]
"""Is told of places that are passed, for tests."""

_MAGIC = b"SQLite format 3\0"
_LOG, _SHARED_MEMORY = "-wal", "-shm"
_BESIDE = (_LOG, _SHARED_MEMORY, "-journal", "-host")
_KEY = "-erasure-key"


class Unusable(Exception):
    """A file cannot be used as a copy, or a copy cannot be written; the sentence says why."""


class InUse(Exception):
    """Some process has the database open."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy holds. `last_at` is the time of the ledger's last entry, None for an empty ledger."""

    revision: str
    people: int
    requests: int
    entries: int
    last_at: datetime | None
    size: int
    """Bytes."""


def path_beside(path: Path, suffix: str) -> Path:
    """A file that belongs to a database: SQLite's log, or one of ours."""
    return path.with_name(path.name + suffix)


def is_same_file(target: Path, database: Path) -> bool:
    """Whether writing to `target` would destroy the database, or what SQLite and we keep beside it."""
    guarded = [database, *(path_beside(database, suffix) for suffix in (*_BESIDE, _KEY))]
    if target.resolve() in {path.resolve() for path in guarded}:
        return True
    return any(target.exists() and path.exists() and target.samefile(path) for path in guarded)


def sync_folder(folder: Path) -> None:
    """See to it that names in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """See to it that a file's contents survive a power failure."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


# --- making a copy


def _nobody(place: str) -> None:
    return None


def write(database: Path, target: Path, *, probe: Probe = _nobody) -> Contents:
    """Copy a database that may be in use to `target`, which is complete once it is there; what the copy holds.

    All of it is of one moment: a read transaction is held meanwhile, which makes nobody wait. Raises Unusable.
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
    """The file that becomes the copy, beside it, for its owner alone. One that a killed backup left is used anew."""
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
        # With a transaction of its own the copy is never begun anew, however much others write meanwhile.
        source.backup(
            copy, pages=PAGES, progress=lambda status, left, total: probe("backup.step"), sleep=0
        )
        source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_SECONDS, isolation_level=None
    )


# --- looking at one


def read_contents(path: Path, *, called: str | None = None) -> Contents:
    """What a copy holds, after everything about it was checked but the ledger. Raises Unusable with a sentence.

    `called` is what the sentence calls it, its path by default.
    """
    name = called or str(path)
    require_sqlite(path)
    try:
        with closing(_reading(path)) as connection:
            return _contents(connection, path, name)
    except sqlite3.Error as error:
        raise Unusable(f"{name} is damaged ({error}).") from None


def require_sqlite(path: Path) -> None:
    """Raise Unusable for a file that is no whole SQLite database, by its first bytes and its length."""
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
    page = int.from_bytes(start[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(start[28:32], "big")
    if size < whole:
        raise Unusable(
            f"{path} is cut off: {size:,} of {whole:,} bytes are there. Take another copy."
        )


def _reading(path: Path) -> sqlite3.Connection:
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
    """A look at a copy that nobody writes to; it leaves nothing beside it."""
    engine = create_engine("sqlite://", creator=lambda: _reading(path))
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def find_ledger_fault(path: Path) -> str | None:
    """Where the ledger in a copy does not hold, in words; None when all of it does."""
    try:
        with open_copy(path) as session:
            broken = ledger.verify(session)
    except SQLAlchemyError as error:
        return f"it cannot be read ({type(error).__name__})"
    return broken.reason if broken is not None else None


# --- putting one in place


def stage(source: Path, database: Path) -> Path:
    """A copy of `source` beside the database, as one file, to be made ready there. Raises Unusable.

    The database's folder must be ours alone (`alone`): what a killed restore left there is removed.
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
    """Remove what was staged."""
    for path in (staged, *(path_beside(staged, suffix) for suffix in _BESIDE)):
        path.unlink(missing_ok=True)


@contextmanager
def hold_alone(database: Path) -> Iterator[None]:
    """Hold the database's place against everybody: who starts meanwhile waits. Raises InUse when somebody has it open.

    Every process of ours holds a shared lock beside the file (`storage.db`); others are found by SQLite's own.
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
    """Whether SQLite may open it: beside a file that is none of its own it removes the log, which somebody may need."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def fold_log(database: Path) -> bool:
    """Bring what stands in the log into the file; False for a file that SQLite cannot read. Raises InUse."""
    if not _is_sqlite(database):
        return False
    try:
        with closing(_connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout=500")
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
    """Write a file anew, so that nothing that was deleted is left in it or its log; why it could not be, else None."""
    try:
        with closing(_connect(database)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return "it is in use" if busy else None


def list_asides(database: Path) -> list[Path]:
    """Files beside a database that restores left there: what was there before them, and what a killed one staged."""
    folder, name = database.absolute().parent, database.name
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith((f"{name}.before-restore-", f"{name}.restoring"))
    )


def list_erased(database: Path) -> list[tuple[str, int, datetime]] | None:
    """Who was erased in a database: opaque id, the ledger's entry and its time, or the time of the erasure that it did
    once more. None when it cannot be read."""
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
    """How many entries a database's ledger has, and its organisation; None when it cannot be read."""
    if not _is_sqlite(database):
        return None
    try:
        with closing(_connect(database)) as connection:
            (seq,) = connection.execute("SELECT seq FROM audit_head").fetchone()
            (facts,) = connection.execute("SELECT facts FROM runtime").fetchone()
            return int(seq), json.loads(facts).get("org_key")
    except (sqlite3.Error, TypeError, ValueError):
        return None


def swap(staged: Path, database: Path, *, now: datetime, probe: Probe = _nobody) -> Path | None:
    """Put the staged copy in the database's place; where the database that was there stands now, if there was one.

    Killed at any instant, the place holds either of the two, whole. Call it with the place held (`alone`). Raises InUse.
    """
    sync(staged)
    aside = None
    if database.exists():
        is_sound = fold_log(database)
        aside = _free(
            path_beside(database, f".before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        )
        _keep(database, aside)
        if not is_sound and path_beside(database, _LOG).exists():
            _keep(path_beside(database, _LOG), path_beside(aside, _LOG))
        sync_folder(database.absolute().parent)
        probe("restore.kept")
    for suffix in (_LOG, _SHARED_MEMORY, "-journal"):
        # A log of the old file would be played into the new one.
        path_beside(database, suffix).unlink(missing_ok=True)
    probe("restore.before_replace")
    staged.replace(database)
    sync_folder(database.absolute().parent)
    probe("restore.after_replace")
    return aside


def _keep(path: Path, aside: Path) -> None:
    """Give a file a second name; where the file system has no such thing, copy it."""
    try:
        os.link(path, aside)
    except OSError:
        part = path_beside(aside, ".part")
        shutil.copyfile(path, part)
        with suppress(OSError):
            part.chmod(0o600)
        sync(part)
        part.replace(aside)


def _free(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path_beside(path, f"-{number}")
    return candidate
