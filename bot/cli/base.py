"""What the commands share: settings, the database, and turning refusals into one sentence and an exit code."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from bot.context import Team
    from bot.settings import Settings
    from storage.db import Database
    from workflows.policy import PolicyText

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def say(text: str = "") -> None:
    """A line on standard output."""
    typer.echo(text)


def say_json(value: object, *, ensure_ascii: bool = False) -> None:
    """What programs read, over several lines."""
    say(json.dumps(value, indent=2, ensure_ascii=ensure_ascii))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; cells may hold rich's markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def connect_slack() -> "tuple[Settings, WebClient, Team]":
    """The settings, Slack, and where the token is of, as Slack tells."""
    from bot import installation
    from bot.settings import SettingsRefused

    read = load_settings()
    try:
        slack = installation.client(read, timeout=10)
        return read, slack, installation.load_team(read, slack)
    except SettingsRefused as error:
        raise fail(str(error)) from None


def fail(sentence: str, code: int = 1) -> "typer.Exit":
    """Say why on standard error; raise what this returns."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def load_settings(**given: object) -> "Settings":
    """The settings from the environment."""
    from bot import settings as module

    try:
        return module.read(dict(os.environ), **given)
    except module.SettingsRefused as error:
        raise fail(str(error)) from None


def list_unknown_settings() -> list[str]:
    """A sentence about each `MLGOV_` name in the environment that is no setting."""
    from bot import settings as module

    return module.unknown_names(os.environ)


@contextmanager
def open_database(
    *, create: bool = False, upgrades: bool = True, team: "Team | None" = None
) -> "Iterator[Database]":
    """The governance database at this release's schema; with `create`, made or upgraded when it is not.

    Without `upgrades` it is at whatever revision it is. With `team`, where the token is of, another organisation's
    database is refused before anything is written.
    """
    from bot import opening
    from workflows.errors import GovernanceError

    try:
        database = opening.build(load_settings())
    except GovernanceError as error:
        raise fail(error.sentence) from None
    try:
        with opening.translate_errors(database.url):
            database.hold_host()
            if team is not None:
                _require(database, team)
            _ready(database, create=create, upgrades=upgrades)
            yield database
    except GovernanceError as error:
        raise fail(error.sentence) from None
    finally:
        database.close()


def _require(database: "Database", team: "Team") -> None:
    from bot import organisation

    if not _is_missing(database):
        organisation.require(database, team)


def _is_missing(database: "Database") -> bool:
    name = database.url.database
    return database.is_sqlite and bool(name) and not Path(str(name)).exists()


def _ready(database: "Database", *, create: bool, upgrades: bool) -> None:
    """Only commands that fill a database upgrade it: whoever looks at a list must not change what replicas run on."""
    from storage import migrate

    if _is_missing(database) and not create:
        raise fail(
            f"There is no database at {database.url.database}. Set MLGOV_DATABASE_URL, or make one by `mlgov run`, `mlgov migrate` or an import."
        )
    if not upgrades:
        return
    problem = migrate.read_standing(database).problem
    if problem is not None and not create:
        raise fail(problem)
    migrate.upgrade(database)
    from bot import erasure_key

    # Whoever fills a database may tell of people.
    (erasure_key.attach if create else erasure_key.attach_known)(database, load_settings())


def load_policy_text() -> "PolicyText":
    """The policy in force in the database, by which every replica goes; before there is one, the file that MLGOV_POLICY
    names, or ./governance.yml."""
    from workflows import policy
    from workflows.errors import GovernanceError

    read = load_settings()
    place = read.mlgov_policy
    is_missing = "mlgov_policy" in read.model_fields_set and not place.exists()
    if not is_missing and (applied := _policy_in_force()) is not None:
        return applied
    try:
        return policy.load(place)
    except GovernanceError as error:
        raise fail(error.sentence) from None


def _policy_in_force() -> "PolicyText | None":
    """What `mlgov run` or `mlgov policy apply` put in force last; None where there is no database, or none in it."""
    from workflows.policies import service

    if not _has_tables():
        return None
    with open_database() as database, database.read() as session:
        version = service.in_force(session)
        return None if version is None else service.text(session, version)


def _has_tables() -> bool:
    from bot import opening
    from storage import migrate
    from workflows.errors import GovernanceError

    try:
        database = opening.build(load_settings())
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return False
        try:
            with opening.translate_errors(database.url):
                return migrate.read_revision(database) is not None
        finally:
            database.close()
    except GovernanceError as error:
        raise fail(error.sentence) from None


def find_org_key(database: "Database") -> str:
    """The organisation this database governs: as `mlgov run` learned it from Slack, or as the tokens tell now."""
    from storage import runtime

    with database.read() as session:
        known = runtime.facts(session).get("org_key")
    if known:
        return str(known)
    token = load_settings().slack_bot_token
    if token is None:
        raise fail(
            "This database has not met its Slack workspace yet: set SLACK_BOT_TOKEN, or start `mlgov run` once."
        )
    from bot import installation, organisation
    from workflows.people.organisation import adopt

    team = installation.load_team(load_settings())
    with database.begin() as session:
        adopt(session, organisation.of(team))
    return team.org_key


def is_terminal() -> bool:
    """Whether a person watches: progress bars and colours go to terminals alone."""
    return sys.stderr.isatty()
