"""`mlgov run`, `demo`, `manifest` and `doctor`."""

from datetime import datetime
from typing import Annotated

import typer

from bot.cli.base import fail, list_unknown_settings, load_settings, say

DEMO_OPENS = "2026-01-26T08:50Z"


def register(app: typer.Typer) -> None:
    """Add these commands to the top of `mlgov`."""
    app.command()(run)
    app.command()(demo)
    app.command()(manifest)
    app.command()(doctor)


def run(
    http: Annotated[
        bool, typer.Option("--http", help="Take Slack's requests over HTTP instead of Socket Mode.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8766,
    no_migrate: Annotated[
        bool,
        typer.Option(
            "--no-migrate",
            help="Do not upgrade the database; start only when `mlgov migrate --check` is content.",
        ),
    ] = False,
    hold: Annotated[
        bool,
        typer.Option(
            "--hold",
            help="Send nothing until `mlgov outbox release`; a restored copy does so by itself.",
        ),
    ] = False,
) -> None:
    """Run mlgov against Slack: over Socket Mode when SLACK_APP_TOKEN is set, else with --http at /slack/events."""
    from bot import serving
    from bot.settings import SettingsRefused
    from workflows.errors import GovernanceError

    read = load_settings()
    if not http and read.slack_app_token is None:
        raise fail(
            "SLACK_APP_TOKEN is not set, so Socket Mode is not possible. Set it (xapp-…), or run with --http and set "
            "SLACK_SIGNING_SECRET."
        )
    if http and read.slack_signing_secret is None:
        raise fail(
            "SLACK_SIGNING_SECRET is not set, so no request over HTTP could be trusted. It is on your app's page."
        )
    try:
        serving.run(
            read,
            http=http,
            host=host,
            port=port,
            migrates=not no_migrate,
            hold=hold,
            announce=say,
            notes=list_unknown_settings(),
        )
    except SettingsRefused as error:
        raise fail(str(error)) from None
    except GovernanceError as error:
        raise fail(error.sentence) from None


def demo(
    port: Annotated[
        int, typer.Option(help="Port of the page; 0 takes a free one.", min=0, max=65535)
    ] = 8765,
    at: Annotated[str, typer.Option(help="When the story opens, with its zone.")] = DEMO_OPENS,
    database: Annotated[
        str | None,
        typer.Option(help="A database for the demo alone; a fresh SQLite file by default."),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="A workspace with nobody governed yet.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open a local stand-in for Slack with mlgov in it, and a story to walk through."""
    from bot.demo import command
    from bot.settings import SettingsRefused
    from bot.web import server
    from workflows.errors import GovernanceError

    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise fail(
            f"--at {at}: write a date and time with its zone, like {DEMO_OPENS}.", 2
        ) from None
    if moment.tzinfo is None:
        raise fail(f"--at {at}: say the zone too, like {DEMO_OPENS}.", 2)
    try:
        command.run(
            port=port, at=moment, url=database, empty=empty, browser=not no_browser, announce=say
        )
    except SettingsRefused as error:
        raise fail(_of_demo(str(error))) from None
    except OSError as error:
        if error.filename is not None:
            raise
        raise fail(server.explain_failure(error, "127.0.0.1", port)) from None
    except GovernanceError as error:
        raise fail(_of_demo(error.sentence)) from None


def _of_demo(sentence: str) -> str:
    """The demo's database is named by an option; the rest it sets itself."""
    return sentence.replace("MLGOV_DATABASE_URL", "--database")


def manifest(
    http: Annotated[
        str | None,
        typer.Option("--http", help="The public https URL at which `mlgov run --http` is reached."),
    ] = None,
) -> None:
    """Print the Slack app's manifest, for Socket Mode or for HTTP."""
    from bot import installed as made

    try:
        say(made.render_text(http).rstrip())
    except ValueError as error:
        raise fail(str(error), 2) from None


def doctor() -> None:
    """Check all that `mlgov run` will ask for, a line each, with how to mend what is wrong.

    `warning` is something to know about; only `failed` makes the exit code 1.
    """
    import os

    from bot import doctor as checks
    from bot import settings as module

    sound = True
    try:
        report = checks.run(module.read(os.environ), os.environ)
    except module.SettingsRefused as error:
        report = checks.check_refused(error)
    for check in report:
        say(check.line)
        sound = sound and check.ok
    if not sound:
        raise typer.Exit(1)
