"""The commands and how their errors are told."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from bot.approvals import cli
from bot.audit import cli as audit_cli
from bot.budgets import cli as budget_cli
from bot.cli import base, database, importing, serving
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

serving.register(app)
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
