"""Bringing a database to the schema that this release speaks, and saying where it stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from storage.db import Database

_LOCK_KEY = 7_305_811


def config() -> Config:
    """Alembic's configuration, made in code so that an installed package needs no file beside it."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return made


def head() -> str:
    """The newest revision that this release knows."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    if revision is None:
        raise RuntimeError("this release carries no migrations")
    return revision


def known() -> set[str]:
    """Every revision that this release knows; a database at another one was made by a newer release."""
    return {
        script.revision
        for script in ScriptDirectory.from_config(config()).walk_revisions()
    }


def current(database: Database) -> str | None:
    """The revision that the database stands at, or None for one that was never migrated."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> None:
    """Bring the database to the head. Several replicas may start at once: one migrates, the others wait for it."""
    made = config()
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL lock_timeout = 120000"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY}
            )
        made.attributes["connection"] = connection
        command.upgrade(made, "head")
