"""`mlgov sync`: reading Slack now."""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.base import fail, load_policy_text, load_settings, open_database, say
from workflows.wording import counted

if TYPE_CHECKING:
    from storage.db import Database
    from workflows.policy import Policy

PATIENCE = 300.0
"""Seconds for which another process that reads is waited for."""


def sync(
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Whoever Slack no longer lists has left, however many they are."
        ),
    ] = False,
) -> None:
    """Read people, user groups and channels from Slack now, as a running mlgov does at its start and every hour."""
    from bot import installation, logs, organisation
    from bot.people import mirrored
    from bot.settings import SettingsRefused
    from workflows.people.organisation import adopt

    read = load_settings()
    logs.configure(read.mlgov_log, read.mlgov_log_format)
    try:
        slack = installation.client(read, timeout=10)
        team = installation.load_team(read, slack)
    except SettingsRefused as error:
        raise fail(str(error)) from None
    with open_database(create=True, team=team) as database:
        policy = _policy(database)
        with database.begin() as session:
            adopt(session, organisation.of(team))
        directory = mirrored.build_directory(slack, database, team, lambda: policy)
        try:
            result = directory.reader.read(PATIENCE, _wait, accept=accept)
        finally:
            directory.close()
    if result is None:
        raise fail("Another process is still reading Slack. Nothing was read here.")
    if result.entries:
        say(f"Read from Slack: {result.words}.")
    if result.left:
        have = "has" if result.left == 1 else "have"
        say(f"{counted(result.left, 'person', 'people')} whom Slack no longer lists {have} left.")
    if result.kept:
        say(
            f"Slack no longer lists {counted(result.kept, 'person', 'people')}. That's too many at once to believe it, so "
            "nobody was changed. If they have left, run `mlgov sync --accept`; administrators were told, too."
        )
    if result.failures:
        why = "; ".join(f"{kind}: {code}" for kind, code in result.failures.items())
        raise fail(
            f"Slack did not tell everything ({why}). `mlgov doctor` says what the token lacks; what was read before stays."
        )


def _wait(words: str) -> None:
    typer.echo(words, err=True)


def _policy(database: "Database") -> "Policy":
    """The policy in force; before the first start, the file's."""
    from workflows.policies import service

    with database.read() as session:
        version = service.in_force(session)
        if version is not None:
            return service.version(session, version)
    return load_policy_text().policy
