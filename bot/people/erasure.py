"""The key by which erased people are known again, which stands outside the database: given, in a file, or made there."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from bot.settings import SHORTEST_KEY, Settings
from storage import backup
from storage.db import Database
from storage.people import erasure
from storage.people.columns import EMPTIED, SWEPT
from workflows.errors import GovernanceError
from workflows.people import erasure as erased

SUFFIX = "-erasure-key"
"""After the name of a SQLite database, beside which its key is made where the settings name no other place."""
_LONGEST = 1000
"""Bytes of a key; whatever holds more is another file, whose contents would change."""


class KeyUnusable(GovernanceError):
    """The file of the key cannot be read, made or used; the sentence says which and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """The key as the settings tell, None where there is none yet; `place` is the file that holds it, or where it is made."""

    key: bytes | None
    place: Path | None


def find_place(settings: Settings, database: Path | None) -> Path | None:
    """The file of the key: where the settings say, else beside the SQLite database; None where a key has to be given."""
    if settings.mlgov_erasure_key is not None:
        return None
    if settings.mlgov_erasure_key_file is not None:
        return settings.mlgov_erasure_key_file
    return None if database is None else backup.path_beside(database, SUFFIX)


def find_file(settings: Settings, url: URL) -> Path | None:
    """The file that holds the key of the database at `url`; None where no file does."""
    named = find_place(settings, database_path(url))
    return named if named is not None and named.exists() else None


def find(settings: Settings, database: Path | None) -> Found:
    """The key that the settings give, or that stands in its file. Raises KeyUnusable for a file that holds none."""
    if settings.mlgov_erasure_key is not None:
        given = settings.mlgov_erasure_key.get_secret_value()
        return Found(given.encode(), None)
    named = find_place(settings, database)
    return Found(None if named is None else _read(named), named)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file_:
            key = file_.read(_LONGEST + 1).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(
            f"The erasure key in {path} can't be read ({error.strerror}). Give the file to the user that runs mlgov."
        ) from None
    is_text = key.isascii() and key.decode("ascii", "replace").isprintable()
    if not is_text or not SHORTEST_KEY <= len(key) <= _LONGEST:
        raise KeyUnusable(
            f"{path} holds no erasure key: it takes {SHORTEST_KEY} characters or more on one line. Put the file back from where you "
            "keep keys, or remove it where nobody was erased yet."
        )
    return key


def _make(path: Path) -> bytes:
    """A new key in a file for its owner alone; of several who make it at once all get the same. Raises KeyUnusable."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secrets.token_hex(32).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            with suppress(FileExistsError):  # somebody was quicker
                _name(part, path)
        finally:
            part.unlink(missing_ok=True)
        backup.sync_folder(path.absolute().parent)
    except OSError as error:
        raise KeyUnusable(
            f"The erasure key can't be made in {path} ({error.strerror}). Let this user write there, or set MLGOV_ERASURE_KEY."
        ) from None
    key = _read(path)
    if key is None:
        raise KeyUnusable(f"{path} went away while it was made. Try again.")
    return key


def _name(part: Path, path: Path) -> None:
    """Give a whole file its name, where nobody has it. Raises FileExistsError."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names
        if path.exists():
            raise FileExistsError from None
        part.replace(path)


def attach(database: Database, settings: Settings, *, beside: Path | None = None) -> None:
    """Give a database of this release its key, made now where it has none. `beside` is the file that it will be.

    Where no key is set and none can be made (PostgreSQL, without a place for it) there is none, and nobody can be
    erased. Raises ErasureKeyMissing where people were erased under a key that isn't here, and KeyUnusable.
    """
    with database.read() as session:
        standing = erasure.read_standing(session)
    # In this order: whoever makes the key tells the database after it.
    existing = find(settings, beside or _file(database))
    key = existing.key
    if key is None and existing.place is not None:
        if standing.people:
            raise erased.key_missing(standing.people, False)
        if standing.check is not None and not database.is_sqlite:
            # A second key would know nobody whom the other replicas erase.
            raise KeyUnusable(
                f"Another mlgov made this database's erasure key, and {existing.place} isn't there. Copy the file from that machine."
            )
        key = _make(existing.place)
    if (key is not None or standing.people) and not standing.is_of(key):
        with database.begin(patient=True) as session:
            erased.start_with(session, key)
    database.keep_erasure_key(key)


def attach_known(database: Database, settings: Settings) -> None:
    """Give a database its key where it is there; for commands that read nothing of people."""
    with suppress(GovernanceError):
        database.keep_erasure_key(find(settings, _file(database)).key)


def renew(database: Database, settings: Settings) -> tuple[bytes, Path | None]:
    """The key to go on with where the one before is lost: as it is set or stands in its file, else made now."""
    existing = find(settings, _file(database))
    key = existing.key
    if key is None:
        if existing.place is None:
            raise KeyUnusable(f"There is no other key. {erased.WANTED}")
        key = _make(existing.place)
    return key, existing.place


def _file(database: Database) -> Path | None:
    return database_path(database.url)


def database_path(url: URL) -> Path | None:
    """The file of a SQLite database; None for what is in memory or on a server."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name:
        return None
    return None if name.startswith((":memory:", "file:")) else Path(name)


# --- After an erasure
#
# nothing of it stays in the database's files, and who operates mlgov hears what stays
# elsewhere.


def list_statements() -> str:
    """What PostgreSQL has to run so that its files hold no old version of a row that named or quoted somebody.

    The statistics of a table quote some of its values.
    """
    tables = sorted({name.partition(".")[0] for name in EMPTIED | SWEPT})
    return f"VACUUM (FULL, ANALYZE) {', '.join(tables)}; VACUUM (FULL) pg_statistic; CHECKPOINT;"


def wipe(database: Database) -> list[str]:
    """Write a SQLite file anew and empty its log; what is left to do, in sentences. Call it outside any transaction.

    SQLite overwrites what is deleted (`secure_delete`), and yet leaves copies behind where it moved rows to another
    page before: only writing the file anew is sure.
    """
    if not database.is_sqlite:
        return [
            "PostgreSQL keeps old versions of rows until they are vacuumed. Run these at a quiet hour, each on its own; "
            "docs/erasure.md tells what stays in WAL archives, standbys and backups:",
            list_statements(),
        ]
    name = database.url.database
    if not name or name.startswith((":memory:", "file:")):
        return []
    path, left = Path(name), []
    fault = backup.compact(path)
    if fault is not None:
        left.append(
            f"{path} couldn't be written anew ({fault}), so pages of it, or {path.name}-wal, may still hold what was erased. "
            "Stop mlgov and run `mlgov people wipe`."
        )
    if asides := backup.list_asides(path):
        left.append(
            f"{', '.join(str(one) for one in asides)} {'is' if len(asides) == 1 else 'are'} from before and still "
            f"{'holds' if len(asides) == 1 else 'hold'} them: remove {'it' if len(asides) == 1 else 'them'}."
        )
    left.append(
        "Backups from before still hold them until you delete those; a restore erases them again where MLGOV_ANCHOR is set."
    )
    return left
