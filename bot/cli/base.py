"""What the commands share: settings, the database, and turning refusals into one sentence and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.db import Database
    from workflows.policy import PolicyText

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def say(text: str = "") -> None:
    """A line on standard output."""
    typer.echo(text)


def fail(sentence: str, code: int = 1) -> "typer.Exit":
    """Say why on standard error; raise what this returns."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def settings(**given: object) -> "Settings":
    """The settings from the environment."""
    from bot import settings as module

    try:
        return module.read(dict(os.environ), **given)
    except module.SettingsRefused as error:
        raise fail(str(error)) from None


@contextmanager
def opened(*, create: bool = False) -> "Iterator[Database]":
    """The governance database at this release's schema; with `create`, made or migrated when it is not there yet."""
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from bot.settings import another_host
    from storage.db import CannotWrite, Database, DatabaseBusy
    from storage.host import AnotherHost
    from workflows.errors import GovernanceError

    url = settings().mlgov_database_url.get_secret_value()
    try:
        database = Database(url)
    except (ArgumentError, ImportError):
        raise fail(
            "MLGOV_DATABASE_URL is no database URL; write one like sqlite:///mlgov.db."
        ) from None
    try:
        database.hold_host()
        _ready(database, create=create)
        yield database
    except GovernanceError as error:
        raise fail(error.sentence) from None
    except CannotWrite:
        raise fail(
            "The database cannot be written. Nothing was changed. Make room on its disk, or let it be written to."
        ) from None
    except DatabaseBusy:
        raise fail("The database is busy. Nothing was changed; try again.") from None
    except AnotherHost as error:
        raise fail(another_host(error.host)) from None
    except SQLAlchemyError as error:
        safe = database.url.render_as_string(hide_password=True)
        raise fail(
            f"The database {safe} cannot be used ({type(error).__name__}). `mlgov doctor` tells more."
        ) from None
    finally:
        database.close()


def _ready(database: "Database", *, create: bool) -> None:
    from storage import migrate

    missing = (
        database.is_sqlite
        and database.url.database
        and not Path(database.url.database).exists()
    )
    if missing and not create:
        raise fail(
            f"There is no database at {database.url.database}. Set MLGOV_DATABASE_URL, or make one by `mlgov run` or an import."
        )
    current = migrate.current(database)
    if current == migrate.head():
        return
    if current is not None and current not in migrate.known():
        raise fail(
            f"The database is at revision {current}, which this release does not know; install a newer mlgov."
        )
    if not create and current is None:
        raise fail("The database is empty. `mlgov run` or an import makes the tables.")
    migrate.upgrade(database)


def policy_text() -> "PolicyText":
    """The policy file that MLGOV_POLICY names."""
    from workflows import policy
    from workflows.errors import GovernanceError

    try:
        return policy.load(settings().mlgov_policy)
    except GovernanceError as error:
        raise fail(error.sentence) from None


def org_key(database: "Database") -> str:
    """The organisation this database governs: as `mlgov run` learned it from Slack, or as the tokens tell now."""
    from storage import runtime

    with database.read() as session:
        known = runtime.facts(session).get("org_key")
    if known:
        return str(known)
    token = settings().slack_bot_token
    if token is None:
        raise fail(
            "This database has not met its Slack workspace yet: set SLACK_BOT_TOKEN, or start `mlgov run` once."
        )
    from bot import installation

    team = installation.who_am_i(settings())
    with database.begin() as session:
        runtime.set_facts(session, {"org_key": team.org_key, "team_id": team.team_id})
    return team.org_key


def is_terminal() -> bool:
    """Whether a person watches: progress bars and colours go to terminals alone."""
    return sys.stderr.isatty()
