"""The commands and how their errors are told."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from bot.cli import (
    approvals,
    audit,
    backup,
    costs,
    digest,
    ending,
    figures,
    gate,
    importance,
    importing,
    maturity,
    migrating,
    models,
    organisation,
    outbox,
    people,
    policy,
    registry,
    serving,
    statements,
    syncing,
    tokens,
    webhooks,
)
from bot.cli.listing import list_whole_sentences

app = typer.Typer(
    name="mlgov",
    help="Governs an organisation's machine learning in Slack, with a governance database as its record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

serving.register(app)
app.command()(migrating.migrate)
backup.register(app)
app.command()(syncing.sync)
app.add_typer(organisation.app, name="organisation")
app.add_typer(importing.app, name="import")
app.add_typer(costs.app, name="costs")
app.add_typer(people.app, name="people")
app.add_typer(policy.app, name="policy")
app.add_typer(digest.app, name="digest")
app.add_typer(maturity.app, name="maturity")
app.add_typer(approvals.app, name="approvals")
app.command()(gate.gate)
app.add_typer(models.app, name="model")
app.add_typer(registry.app, name="registry")
app.command()(figures.fairness)
app.command()(figures.explain)
app.command()(importance.importance)
app.command()(statements.verify)
app.add_typer(statements.keys_app, name="keys")
app.add_typer(statements.app, name="statements")
app.add_typer(tokens.app, name="token")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(outbox.app, name="outbox")
app.add_typer(audit.app, name="audit")


def _say_version(asked: bool) -> None:
    if asked:
        from bot import version

        typer.echo(version.describe_version())
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
    sys.exit(ending.run_guarded(lambda: app(args=words)))


if __name__ == "__main__":
    main()
