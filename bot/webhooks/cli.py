"""`mlgov webhook`: systems outside that follow the ledger."""

from typing import Annotated

import typer

from bot.cli.base import act, fail, load_settings, open_database, say

app = typer.Typer(help="Let tickets and operations follow what happens.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="wh_…, as `mlgov webhook list` shows it.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where events are sent: https.")],
    event: Annotated[
        list[str],
        typer.Option(
            "--event",
            help="An action of the ledger, like approval.approved, approval.* or *; may be given more than once.",
        ),
    ],
) -> None:
    """Send events there from now on, and print the secret that proves them."""
    from workflows.webhooks import service

    root = _root()
    webhook = act(service.add, url, event)
    typer.echo(
        f"{webhook.id} follows {', '.join(webhook.events)}. Its secret (Standard Webhooks):",
        err=True,
    )
    say(service.derive_secret(root, webhook.id))


@app.command("list")
def list_() -> None:
    """List who follows what."""
    from workflows.webhooks import service

    with open_database() as database, database.read() as session:
        webhooks = service.list_webhooks(session)
    for webhook in webhooks:
        say(f"{webhook.id}  {webhook.url}  {', '.join(webhook.events)}")
    if not webhooks:
        say("Nobody follows. `mlgov webhook add` lets somebody.")


@app.command()
def secret(webhook: WebhookId) -> None:
    """Print a webhook's secret again."""
    from workflows.webhooks import service

    root = _root()
    with open_database() as database, database.read() as session:
        known = {one.id for one in service.list_webhooks(session)}
    if webhook not in known:
        raise fail(f"There is no webhook {webhook!r}. `mlgov webhook list` shows them.")
    say(service.derive_secret(root, webhook))


@app.command()
def remove(webhook: WebhookId) -> None:
    """Send nothing there any more."""
    from workflows.webhooks import service

    act(service.remove, webhook)
    say(f"{webhook} is told nothing more.")


def _root() -> str:
    key = load_settings().mlgov_webhook_key
    if key is None or len(key.get_secret_value()) < 32:
        raise fail(
            "Set MLGOV_WEBHOOK_KEY (or MLGOV_WEBHOOK_KEY_FILE), here and where mlgov runs, to at least 32 random "
            "characters: `openssl rand -hex 32` prints some."
        )
    return key.get_secret_value()
