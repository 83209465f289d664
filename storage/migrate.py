"""Bringing a database to the schema that this release speaks, and saying where it stands."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from storage.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK_KEY = 7_305_811
_MIGRATIONS = Path(__file__).parent / "migrations"


def config() -> "Config":
    """Alembic's configuration, made in code so that an installed package needs no file beside it."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS))
    return made


def head() -> str:
    """The newest revision that this release knows."""
    return max(known())


def known() -> set[str]:
    """Every revision that this release knows; a database at another one was made by a newer release.

    A migration's file is named after its revision: every command asks this, and loading Alembic takes a tenth of a second.
    """
    found = {path.name[:4] for path in _MIGRATIONS.glob("versions/[0-9]*.py")}
    if not found:
        raise RuntimeError("this release carries no migrations")
    return found


def current(database: Database) -> str | None:
    """The revision that the database stands at, or None for one that was never migrated."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        asked = connection.execute(text("SELECT version_num FROM alembic_version"))
        revision: str | None = asked.scalar()
        return revision


def upgrade(database: Database) -> None:
    """Bring the database to the head. Several replicas may start at once: one migrates, the others wait for it."""
    from alembic import command

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
