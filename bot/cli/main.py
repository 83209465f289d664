"""The commands and how their errors are told."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from bot.approvals import cli
from bot.audit import cli as audit_cli
from bot.budgets import cli as budget_cli
from bot.cli import base, database, importing
from bot.cli.base import fail, list_unknown_settings, load_settings, say
from bot.delivery import cli as delivery_cli
from bot.digests import cli as digest_cli
from bot.evidence import cli as evidence_cli
from bot.inventory import cli as inventory_cli
from bot.maturity import cli as maturity_cli
from bot.people import cli as people_cli
from bot.policies import cli as policies_cli
from bot.registry import cli as registry_cli
from bot.releases import cli as release_cli
from bot.statements import cli as statement_cli
from bot.tokens import cli as token_cli
from bot.webhooks import cli as webhook_cli

# --- `mlgov run`, `demo`, `manifest` and `doctor`

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


# --- The commands and how their errors are told

# --- How a group lists its commands
#
# the first sentence of each as a whole, where Click would cut it.

_LONGER_THAN_ANY = 10_000


class WholeSentences(TyperGroup):
    """A group whose `--help` cuts nothing off."""

    def format_commands(self, ctx, formatter) -> None:  # type: ignore[no-untyped-def]
        """List the commands, each with its first sentence; a long one goes on in the next line."""
        rows = [
            (name, command.get_short_help_str(_LONGER_THAN_ANY))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def list_whole_sentences(app: typer.Typer) -> None:
    """Let this group, and those below it, list their commands like that."""
    app.info.cls = WholeSentences
    for group in app.registered_groups:
        if group.typer_instance is not None:
            list_whole_sentences(group.typer_instance)


# --- The commands and how their errors are told

app = typer.Typer(
    name="mlgov",
    help="Governs an organisation's machine learning in Slack, with a governance database as its record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

register(app)
app.command()(database.migrate)
database.register(app)
app.command()(people_cli.sync)
app.add_typer(database.app, name="organisation")
app.add_typer(importing.app, name="import")
app.add_typer(budget_cli.app, name="costs")
app.add_typer(people_cli.app, name="people")
app.add_typer(policies_cli.app, name="policy")
app.add_typer(digest_cli.app, name="digest")
app.add_typer(maturity_cli.app, name="maturity")
app.add_typer(cli.app, name="approvals")
app.command()(release_cli.gate)
app.add_typer(inventory_cli.app, name="model")
app.add_typer(registry_cli.app, name="registry")
app.command()(evidence_cli.fairness)
app.command()(evidence_cli.explain)
app.command()(evidence_cli.importance)
app.command()(statement_cli.verify)
app.add_typer(statement_cli.keys_app, name="keys")
app.add_typer(statement_cli.app, name="statements")
app.add_typer(token_cli.app, name="token")
app.add_typer(webhook_cli.app, name="webhook")
app.add_typer(delivery_cli.app, name="outbox")
app.add_typer(audit_cli.app, name="audit")


def _say_version(asked: bool) -> None:
    if asked:
        from bot import installed

        typer.echo(installed.describe_version())
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Say which mlgov this is, and exit.",
            callback=_say_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Governs an organisation's machine learning in Slack, with a governance database as its record."""


list_whole_sentences(app)


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run a command, by default the one that was typed; what goes wrong is one sentence on standard error."""
    sys.exit(base.run_guarded(lambda: app(args=words)))


if __name__ == "__main__":
    main()
