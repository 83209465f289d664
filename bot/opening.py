"""Opening the governance database, and saying in words why it cannot be used and what to do about it."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slack_sdk import WebClient
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot import anchor
from bot.deps import Team
from bot.people.lookup import SlackReads, SlackSilent
from bot.settings import Settings, explain_another_host
from storage import backup, migrate
from storage.db import AnotherHost, Database, DatabaseAway, DatabaseBusy
from storage.enums import HoldReason
from workflows import clock, operations
from workflows.audit import heads
from workflows.audit.service import Kept
from workflows.context import SYSTEM
from workflows.delivery import holding
from workflows.delivery.records import HoldRecord
from workflows.errors import GovernanceError, InvalidInput
from workflows.people import erasure, organisation
from workflows.people.organisation import Installed, Known, Plan

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


# --- A running replica's look at what newer releases do to its database

schema_log = logging.getLogger(__name__)

EVERY = 30.0
"""Seconds between two looks."""


class SchemaWatch:
    """Called with each tick: says once in the log that a newer release took the database out of this one's reach."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = time.monotonic() + EVERY
        self._told: str | None = None

    def __call__(self) -> None:
        """Look, when it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        problem = migrate.read_standing(self._database).problem
        if problem is not None and problem != self._told:
            schema_log.error("%s This replica is not ready until then.", problem)
        self._told = problem


# --- Telling a database what the anchor knows, before anything in it is served
#
# that it is an old copy, and who was erased.

log = logging.getLogger("mlgov")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was done: how many people were erased once more, and the hold in force."""

    erased: int
    hold: HoldRecord | None


def reconcile(database: Database, place: str | None) -> Reconciled:
    """Compare a database with the anchor at `place` before it is served; nobody else may write to it meanwhile.

    Raises GovernanceError when a restored copy would be served though the anchor, which knows who was erased after it,
    cannot be read. A database that is no copy is served then: the anchor is asked again at the next start.
    """
    with database.read() as session:
        hold = holding.find_current(session)
    if place is None:
        return Reconciled(0, hold)
    try:
        kept = anchor.read(place, may_be_missing=True)
    except GovernanceError as error:
        if hold is not None and hold.why is not HoldReason.ASKED:
            raise GovernanceError(
                f"{error.sentence} A restored copy is not served before that: people may be in it who were erased since."
            ) from None
        log.warning("%s Whether this database is an old copy is not known.", error.sentence)
        return Reconciled(0, hold)
    kept = _note_restorations(database, place, kept)
    with database.begin(patient=True) as session:
        entries = heads.read_current(session, now=clock.now(session)).seq
        if kept.known > entries:
            holding.begin(
                operations.load_context(session, SYSTEM), HoldReason.BEHIND, known_seq=kept.known
            )
    kept = _note_restorations(database, place, kept)
    erased = replay(database, kept)
    with database.read() as session:
        unnoted = operations.list_unnoted_erasures(session, kept)
        hold = holding.find_current(session)
    for noted in unnoted:
        _keep(place, noted)
    return Reconciled(erased, hold)


def mark(database: Database, *, known_seq: int) -> HoldRecord:
    """Say that the database is a copy that came back. `known_seq` is the last entry of the ledger known of elsewhere."""
    with database.begin(patient=True) as session:
        entries = heads.read_current(session, now=clock.now(session)).seq
        return holding.begin(
            operations.load_context(session), HoldReason.RESTORED, known_seq=max(known_seq, entries)
        )


def replay(database: Database, kept: Kept) -> int:
    """Erase once more whom the anchor says was erased and this database still knows; how many people that was.

    Each is a transaction of its own. A SQLite file is then written anew, so that nothing of them is left in its pages.
    """
    with database.read() as session:
        again = operations.list_still_known(session, kept.erasures)
    for noted in again:
        with database.begin(patient=True) as session:
            operations.replay(operations.load_context(session), noted)
        log.warning(
            "%s was erased once more: this database is older than their erasure", noted.person_id
        )
    if again and database.is_sqlite and database.url.database:
        fault = backup.compact(Path(database.url.database))
        if fault is not None:
            log.warning(
                "the database file could not be written anew (%s); run `VACUUM` on it", fault
            )
    return len(again)


def note(database: Database, place: str) -> None:
    """Tell the anchor of copies that were put in place, where it can be told; else the next start tells it."""
    try:
        _note_restorations(database, place, anchor.read(place, may_be_missing=True))
    except GovernanceError as error:
        log.warning("%s It is told at the next start.", error.sentence)


def _note_restorations(database: Database, place: str, kept: Kept) -> Kept:
    with database.read() as session:
        unnoted = operations.list_unnoted_restorations(session, kept)
    for noted in unnoted:
        _keep(place, noted)
    return anchor.read(place, may_be_missing=True) if unnoted else kept


def _keep(place: str, noted: anchor.Noted) -> None:
    try:
        anchor.keep(place, noted)
    except GovernanceError as error:
        log.warning("%s It is told again at the next start.", error.sentence)


# --- How it is said that nothing is sent

NEXT = "See what waits with `mlgov outbox review`, then let it go with `mlgov outbox release`."


def describe_hold(hold: HoldRecord) -> str:
    """Why nothing is sent, and since when."""
    return f"Nothing is sent: {_why(hold)}."


def _why(hold: HoldRecord) -> str:
    held_at = f"{hold.held_at:%a %d %b %Y, %H:%M} UTC"
    if hold.why is HoldReason.ASKED:
        return f"mlgov was started with --hold on {held_at}"
    copy = f"{hold.copy_seq:,} entries of the ledger"
    ends = f"{hold.window.governed_from:%a %d %b %Y, %H:%M} UTC"
    lacks = f", up to {ends}"
    if hold.known_seq is not None and hold.known_seq > hold.copy_seq:
        lacks = f" of {hold.known_seq:,}: what happened since {ends} is not in it"
    if hold.why is HoldReason.BEHIND:
        return f"the database has {copy}{lacks}. It looks like an old copy"
    return f"a copy was restored on {held_at} with {copy}{lacks}"


# --- Whose the database is, against where the token is of
#
# looked at before anything is written, and moved once.

SECONDS = 10


class SlackRefuses(GovernanceError):
    """Slack does not say who is who in the Grid; nothing was moved."""


def of(team: Team) -> Installed:
    """Where a token is of."""
    return Installed(team.org_key, team.team_id, team.enterprise_id, team.name)


def find_organisation(database: Database) -> Known | None:
    """Whose a database is, at whatever revision it stands; None for one that is empty, or has met nobody."""
    if migrate.read_revision(database) is None:
        return None
    with database.read() as session:
        return organisation.find_organisation(session)


def require(database: Database, team: Team) -> None:
    """Raises OtherOrganisation for a token of another organisation than the database's. Writes nothing."""
    organisation.require(find_organisation(database), of(team))


def count_left_behind(database: Database) -> int:
    """People who still stand under the key of the workspace although the database is the Grid's."""
    with database.read() as session:
        here = organisation.find_organisation(session)
        return organisation.count_left_behind(session, here) if here is not None else 0


class Watch:
    """Called with each tick: notices that the database was moved while this process serves it as it was."""

    def __init__(self, database: Database, team: Team) -> None:
        self._database = database
        self._team = team
        self.moved = threading.Event()

    def __call__(self) -> None:
        """Look."""
        with self._database.read() as session:
            here = organisation.find_organisation(session)
        if here is not None and here.org_key != self._team.org_key:
            self.moved.set()

    @property
    def sentence(self) -> str:
        """What to do."""
        return (
            f"This database was moved to another organisation than {self._team.org_key}, for which this process was "
            "started. Start mlgov again."
        )


class Mover:
    """Asks Slack who is who in the Grid, then says what a move would do, or does it."""

    def __init__(self, database: Database, slack: WebClient, team: Team) -> None:
        self._database = database
        self._reads = SlackReads.patient(slack, timeout=SECONDS)
        self._team = team

    def plan(self) -> Plan:
        """What a move would do. Raises GovernanceError."""
        here, exchanged = self._asked()
        with self._database.read() as session:
            return organisation.plan(session, here, self._team.org_key, exchanged)

    def move(self, *, leaves: bool) -> Plan:
        """Move, in one transaction. Raises GovernanceError; nothing has changed then."""
        here, exchanged = self._asked()
        with self._database.begin(patient=True) as session:
            return organisation.move(
                operations.load_context(session), here, of(self._team), exchanged, leaves=leaves
            )

    def _asked(self) -> tuple[Known, Mapping[str, str]]:
        there = of(self._team)
        with self._database.read() as session:
            here = organisation.find_organisation(session)
            if here is None:
                raise InvalidInput(
                    "This database has met no organisation yet, so there is nothing to move. Start `mlgov run`."
                )
            if not organisation.may_move(here, there) and not (
                here.org_key == there.org_key and organisation.count_left_behind(session, here)
            ):
                organisation.require(here, there)
                raise InvalidInput(
                    f"This database governs {here.org_key} already, and nobody is left behind: there is nothing to move."
                )
            ids = organisation.list_slack_ids(session, here)
            has_erased = erasure.is_anybody_erased(session)
        team_id = organisation.find_source_key(here)
        try:
            if has_erased:
                ids = sorted({*ids, *self._listed(team_id)})
            enterprise, exchanged = self._reads.exchange(
                ids, team_id if there.is_org_wide else None
            )
        except SlackSilent as error:
            raise SlackRefuses(_why_mismatched(error.code)) from None
        if exchanged and enterprise != there.org_key:
            raise SlackRefuses(
                f"Slack exchanges the ids of {team_id} for those of {enterprise}, and SLACK_BOT_TOKEN is of {there.org_key}. "
                "Nothing was moved; set the token of the Grid that the workspace joined."
            )
        return here, exchanged

    def _listed(self, team_id: str) -> set[str]:
        """Everybody of the workspace, those who left too: some may be people who were erased here."""
        is_org_wide = of(self._team).is_org_wide
        return {
            str(user["id"])
            for page in self._reads.users(team_id if is_org_wide else None)
            for user in page
        }


def _why_mismatched(code: str) -> str:
    match code:
        case "missing_scope":
            return (
                "Slack gives the Grid's ids only with the scope `tokens.basic`. Add it on your app's page under OAuth & "
                "Permissions, install the app again, set its token, and try again; afterwards the scope can go. Nothing was "
                "moved."
            )
        case "not_enterprise_team":
            return (
                "Slack says that this workspace is not part of an Enterprise Grid (yet), so nobody has other ids. Nothing was "
                "moved; try again when Slack has finished."
            )
        case _:
            return f"Slack did not say who is who in the Grid ({code}). Nothing was moved; try again in a minute."
