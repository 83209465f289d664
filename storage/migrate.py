"""Migrating a database to the schema of this release, and whether this release runs on it.

A release runs on the revision of its newest migration, and on newer ones that its code still understands: each migration
says in `oldest_revision` which code that is. The database keeps it, because an older release doesn't have the files of a
newer one (decision 13).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text

from storage import triggers
from storage.db import Database

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script

_LOCK_KEY = 7_305_811
_MIGRATIONS = Path(__file__).parent / "migrations"

RANGES_SINCE = "0017"
"""The first revision whose databases keep `oldest_revision`."""


class UpgradeRefused(Exception):
    """The upgrade was not done, and the database is as before; `sentence` says why, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Step:
    """One migration."""

    revision: str
    words: str
    """What it is about: the first line of its file."""
    oldest: str
    """The oldest code that runs on the schema after it, named by that code's newest migration."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The revision of a database, and whether this release runs on it."""

    revision: str | None
    """None for a database without tables."""
    oldest: str | None
    """The oldest code that runs on it, named by that code's newest migration; None: only code of its own revision."""
    head: str
    """The newest revision that this release knows."""
    is_known: bool
    """Whether this release knows the database's revision; a newer release brought it there otherwise."""

    @property
    def is_newer(self) -> bool:
        """Whether a newer release has migrated it."""
        return self.revision is not None and not self.is_known

    @property
    def fits(self) -> bool:
        """Whether this release runs on it as it is."""
        if self.is_newer:
            return self.oldest is not None and self.oldest <= self.head
        return self.revision == self.head

    @property
    def problem(self) -> str | None:
        """Why this release does not run on it as it is, in one sentence; None when it does."""
        if self.fits:
            return None
        if self.revision is None:
            return "The database has no tables yet; `mlgov migrate` makes them."
        if self.is_newer:
            return (
                f"The database is at revision {self.revision}, which needs an mlgov of revision "
                f"{self.oldest or self.revision} or newer, and this one is of {self.head}; install a newer mlgov."
            )
        return (
            f"The database is at revision {self.revision}, and this mlgov needs {self.head}; "
            "`mlgov migrate` brings it there."
        )


def build_config() -> "Config":
    """Alembic's configuration, built in code so that an installed package needs no file beside it."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS))
    return settings


def newest_revision() -> str:
    """The newest revision that this release knows."""
    return max(known_revisions())


def known_revisions() -> set[str]:
    """Every revision that this release knows; a database at another one was made by a newer release.

    A migration's file is named after its revision: every command asks this, and loading Alembic takes a tenth of a second.
    """
    revisions = {path.name[:4] for path in _MIGRATIONS.glob("versions/[0-9]*.py")}
    if not revisions:
        raise RuntimeError("this release carries no migrations")
    return revisions


def read_revision(database: Database) -> str | None:
    """The database's revision; None for one that was never migrated."""
    return read_standing(database).revision


def read_standing(database: Database) -> Standing:
    """The database's revision, by a read transaction, which waits for no writer."""
    with database.read() as session:
        return _standing(session.connection())


def _standing(connection: Connection) -> Standing:
    revisions, revision, oldest = known_revisions(), None, None
    if inspect(connection).has_table("alembic_version"):
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision >= RANGES_SINCE:
        # Older releases run exactly this query on newer schemas: table and column must stay as long as they may start.
        oldest = connection.execute(
            text("SELECT oldest_revision FROM runtime WHERE id = 1")
        ).scalar()
    return Standing(revision, oldest, max(revisions), revision in revisions)


def list_steps(since: str | None) -> list[Step]:
    """The migrations that follow on `since`, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(build_config())
    ahead = [
        script for script in scripts.walk_revisions() if since is None or script.revision > since
    ]
    return [_step(script) for script in reversed(ahead)]


def _step(script: "Script") -> Step:
    words = (script.doc or "").strip().splitlines()
    return Step(
        script.revision,
        words[0].rstrip(".") if words else script.revision,
        getattr(script.module, "oldest_revision", script.revision),
    )


def upgrade(
    database: Database,
    *,
    target: str | None = None,
    keep: bool = True,
    report: Callable[[Step], None] = lambda _step: None,
) -> tuple[str | None, str]:
    """Migrate the database to `target`, or to the newest revision; the revisions before and after.

    One transaction over all steps, so that what is there is always the schema of a release, also after a kill. Of
    several replicas that start at once one migrates and the others wait. A newer database on which this release runs
    stays as it is. With `keep=False` everything is done and undone. `report` is called after each migration. Raises
    UpgradeRefused.
    """
    before = read_standing(database)
    if target is None and before.fits and before.revision is not None:
        return before.revision, before.revision
    with database.reshaping(keep=keep) as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        before = _standing(connection)
        if before.is_newer:
            if before.problem is not None:
                raise UpgradeRefused(before.problem)
            return before.revision, before.revision or ""
        _run(connection, target or "head", report)
        after = _standing(connection)
        if after.fits and (missing := _missing_triggers(connection)):
            raise UpgradeRefused(
                f"The ledger would not be append-only, because {', '.join(sorted(missing))} would be missing. "
                "Nothing was changed; please report this."
            )
        return before.revision, after.revision or ""


def _run(connection: Connection, target: str, report: Callable[[Step], None]) -> None:
    from alembic import command

    settings = build_config()
    in_force = triggers.list_names(connection)

    def applied(*, step: Any, **_rest: Any) -> None:
        script = step.up_revision
        nonlocal in_force
        in_force = _check_step(connection, script.revision, in_force)
        done = _step(script)
        if done.revision >= RANGES_SINCE:
            connection.execute(
                text("UPDATE runtime SET oldest_revision = :oldest WHERE id = 1"),
                {"oldest": done.oldest},
            )
        report(done)

    settings.attributes["connection"] = connection
    settings.attributes["applied"] = applied
    command.upgrade(settings, target)


def _check_step(connection: Connection, revision: str, before: set[str]) -> set[str]:
    """The names of the triggers after a migration. Raises UpgradeRefused for dangling references and lost triggers."""
    if loose := list_dangling(connection):
        raise UpgradeRefused(
            f"Revision {revision} would leave rows that point nowhere: {'; '.join(loose)}. Nothing was changed. "
            "If such rows were there before, repair them; otherwise please report this."
        )
    after = triggers.list_names(connection)
    if lost := before - after:
        raise UpgradeRefused(
            f"Revision {revision} would drop {', '.join(sorted(lost))}. Nothing was changed; please report this."
        )
    return after


def list_dangling(connection: Connection) -> list[str]:
    """Broken references on SQLite, where foreign keys are off during a migration, and constraints that aren't enforced on
    PostgreSQL; in words."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        counted: dict[tuple[str, str], int] = {}
        for table, _row, parent, _key in rows:
            counted[table, parent] = counted.get((table, parent), 0) + 1
        return [
            f"{number} of {table} to {parent}"
            for (table, parent), number in sorted(counted.items())
        ]
    names = connection.execute(
        text("SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1")
    )
    return [f"{name} is not enforced" for name in names.scalars()]


def _missing_triggers(connection: Connection) -> set[str]:
    return triggers.list_expected(connection.dialect.name) - triggers.list_names(connection)
