"""Opening the governance database, and saying in words why it cannot be used and what to do about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.settings import Settings, explain_another_host
from storage import migrate
from storage.db import Database, DatabaseAway, DatabaseBusy
from storage.host import AnotherHost
from workflows.errors import GovernanceError

_SQLITE_HEAD = b"SQLite format 3\x00"
_SERVER = (
    (
        ("password authentication failed", "no password supplied", "28P01"),
        "refuses the user or the password. Correct them in MLGOV_DATABASE_URL; in the password write %40 for @, "
        "%3A for : and %2F for /",
    ),
    (
        ("no pg_hba.conf entry", "28000"),
        "lets nobody in from here with these words. Check the user in MLGOV_DATABASE_URL, and the server's pg_hba.conf",
    ),
    (
        ("too many clients", "remaining connection slots", "53300"),
        "has no connection left. Raise its max_connections, or lower MLGOV_DATABASE_POOL",
    ),
    (
        ("starting up", "shutting down", "57P03", "57P01"),
        "is starting or stopping. Try again in a moment",
    ),
    (
        ("permission denied", "must be owner", "42501"),
        "does not let this role do what mlgov needs. Make it the owner of the database: "
        "ALTER DATABASE … OWNER TO …",
    ),
    (
        ("read-only transaction", "25006"),
        "takes no changes: it is a standby or set to read-only. Name the primary in MLGOV_DATABASE_URL",
    ),
    (
        ("disk full", "No space left", "53100"),
        "has no room left on its disk. Make room there, then try again",
    ),
    (
        ("resolve host", "Name or service not known", "translate host name"),
        "has a name that can't be resolved (DNS). Check the host in MLGOV_DATABASE_URL",
    ),
    (
        ("certificate", "SSL", "TLS"),
        "and this machine don't agree on TLS. Check sslmode and sslrootcert in MLGOV_DATABASE_URL",
    ),
    (
        ("refused", "timeout", "timed out", "unreachable", "No such file"),
        "can't be reached. Check that it runs, and the host and port in MLGOV_DATABASE_URL",
    ),
)
"""What a server says, in English or as a code, and what that means. The first that fits counts."""


class DatabaseUnusable(GovernanceError):
    """The governance database cannot be used; the sentence names it without its password, and the mend."""


def build(settings: Settings) -> Database:
    """The database that the settings name, with nothing connected yet. Raises DatabaseUnusable."""
    text = settings.mlgov_database_url.get_secret_value()
    try:
        database = Database(text, most_connections=settings.mlgov_database_pool)
    except (ArgumentError, ImportError, ValueError):
        raise DatabaseUnusable(
            "MLGOV_DATABASE_URL can't be read as a database URL; write it like sqlite:///mlgov.db or "
            "postgresql://user:password@host/mlgov."
        ) from None
    file = database.url.database or ""
    is_file = database.is_sqlite and not file.startswith("file:")
    if is_file and (wrong := find_file_fault(Path(file))):
        raise DatabaseUnusable(wrong)
    return database


def find_file_fault(path: Path) -> str:
    """Why SQLite cannot keep a database at this path, with the mend; empty when it can."""
    folder = path.absolute().parent
    if path.is_dir():
        return f"MLGOV_DATABASE_URL names a folder, {path}; name a file in it, like {path / 'mlgov.db'}."
    if not folder.is_dir():
        return f"{path}: the folder of the database isn't there. Make it (mkdir -p {folder}), or correct MLGOV_DATABASE_URL."
    if not os.access(folder, os.W_OK | os.X_OK):
        return (
            f"{folder}: this user may not write in the folder of the database, where SQLite keeps files beside it. "
            f"Give the folder to the user that runs mlgov."
        )
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_HEAD))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: the database can't be read ({error.strerror}). Give the file to the user that runs mlgov."
    if head and head != _SQLITE_HEAD:
        return f"{path} is no SQLite database. Name another file in MLGOV_DATABASE_URL."
    if not os.access(path, os.W_OK):
        return f"{path}: the database is read-only for this user. Give the file to the user that runs mlgov."
    return ""


@contextmanager
def translate_errors(url: URL) -> Iterator[None]:
    """Whatever the database at `url` cannot do inside is raised as DatabaseUnusable; mistakes of ours pass as they are."""
    try:
        yield
    except migrate.UpgradeRefused as error:
        raise DatabaseUnusable(error.sentence) from None
    except (AnotherHost, DatabaseBusy, SQLAlchemyError) as error:
        sentence = describe_error(error, url)
        if sentence is None:
            raise
        raise DatabaseUnusable(sentence) from error


def describe_error(error: BaseException, url: URL | None = None) -> str | None:
    """Why the database cannot be used, with the mend; None for an error that is no trouble of the database's."""
    if isinstance(error, AnotherHost):
        return explain_another_host(error.host)
    if isinstance(error, DatabaseBusy):
        why = error.__cause__ if isinstance(error, DatabaseAway) else None
        busy = "The database is busy. Nothing was changed; try again."
        return (describe_error(why, url) if why is not None else None) or busy
    if isinstance(error, PoolTimeout):
        return (
            "All connections to the database are in use. Try again, or raise MLGOV_DATABASE_POOL."
        )
    if not isinstance(error, DBAPIError):
        return None
    original = error.orig
    code = getattr(original, "sqlstate", None)
    if code is None and type(original).__module__.startswith("sqlite3"):
        return _sqlite_words(str(original), url)
    text = f"{code or ''} {original}"
    where = _named(url)
    for role_or_database in ("database", "role"):
        if _is_missing(text, role_or_database):
            return f"The database server {where} has no such {role_or_database}. Make it there, or correct MLGOV_DATABASE_URL."
    for signs, meaning in _SERVER:
        if any(sign in text for sign in signs):
            return f"The database server {where} {meaning}."
    if isinstance(error, OperationalError | InterfaceError):
        first = str(original).strip().partition("\n")[0][:200]
        return (
            f"The database server {where} can't be used: {first}. `mlgov doctor` looks at it again."
        )
    return None


def _is_missing(text: str, what: str) -> bool:
    return (f'{what} "' in text and "does not exist" in text) or (
        what == "database" and text.startswith("3D000")
    )


def _named(url: URL | None) -> str:
    if url is None:
        return "of MLGOV_DATABASE_URL"
    return f"{url.host or 'on this machine'}:{url.port or 5432}/{url.database or ''}"


def _sqlite_words(text: str, url: URL | None) -> str | None:
    file = url.database if url is not None else None
    place = file or "The SQLite database"
    if "is full" in text or "disk I/O error" in text:
        return f"{place}: the disk has no room left, or can't be written. Make room, then try again; nothing was changed."
    if "readonly" in text:
        return f"{place}: the database is read-only for this user. Give the file to the user that runs mlgov."
    if "locked" in text:
        return f"{place}: another program holds the database. Nothing was changed; try again when it has ended."
    if "not a database" in text or "malformed" in text:
        return f"{place} is damaged, or no SQLite database. Put a backup in its place, or name another file in MLGOV_DATABASE_URL."
    if "unable to open" in text:
        wrong = find_file_fault(Path(file)) if file else ""
        return (
            wrong
            or f"{place}: the database can't be opened. Check the folder and who may write there."
        )
    return None
