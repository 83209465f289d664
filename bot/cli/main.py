"""The commands and how their errors are told."""

import os
import sys

import typer

from bot.cli import (
    approvals,
    audit,
    costs,
    digest,
    figures,
    gate,
    importance,
    importing,
    maturity,
    models,
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

app = typer.Typer(
    name="mlgov",
    help="Governs an organisation's machine learning in Slack, with a governance database as its record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

serving.register(app)
app.command()(syncing.sync)
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


def main() -> None:
    """Run the command; what goes wrong as expected is one sentence on standard error and exit code 1."""
    try:
        app()
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more while closing standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
