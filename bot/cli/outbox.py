"""`mlgov outbox`: what waits to be sent, and what a person must decide about."""

from typing import Annotated

import typer

from bot.cli.base import Json, opened, say

app = typer.Typer(
    help="What waits to be sent to Slack, and dead letters.", no_args_is_help=True
)

RowId = Annotated[
    int, typer.Argument(help="The number that `mlgov outbox list` shows.")
]


@app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option(
            help="pending, sending, sent, dead or cancelled; all but sent by default."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List rows that are not sent yet, dead letters first."""
    import json

    from rich.console import Console
    from rich.table import Table

    from workflows.delivery import dead_letters

    with opened() as database, database.read() as session:
        rows = dead_letters.list_rows(session, state=state)
    if as_json:
        say(json.dumps([row.as_json() for row in rows], indent=2))
        return
    if not rows:
        say("Nothing waits: everything that was to be sent is sent.")
        return
    table = Table("id", "state", "what", "to", "due", "tries", "why")
    for row in rows:
        table.add_row(
            str(row.id),
            row.state,
            f"{row.op} {row.kind}",
            row.lane_key,
            f"{row.due_at:%d %b %H:%M}",
            str(row.attempts),
            row.last_error or "",
        )
    Console().print(table)


@app.command()
def show(row: RowId) -> None:
    """Everything about one row, as JSON."""
    import json

    from workflows.delivery import dead_letters

    with opened() as database, database.read() as session:
        say(json.dumps(dead_letters.show(session, row).as_json(), indent=2))


@app.command()
def retry(row: RowId) -> None:
    """Send a dead letter again. If it did arrive after all, people will see it twice: `mark-sent` says that it did."""
    _act("retry", row, "will be sent again")


@app.command("mark-sent")
def mark_sent(
    row: RowId,
    ts: Annotated[
        str | None,
        typer.Option(help="The message's ts, so that its copy can follow the record."),
    ] = None,
) -> None:
    """Say that a dead letter did arrive."""
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.delivery import dead_letters

    with opened() as database, database.begin() as session:
        dead_letters.mark_sent(session, OPERATOR, row, ts=ts, now=clock.now(session))
    say(f"Row {row} counts as sent.")


@app.command()
def cancel(row: RowId) -> None:
    """Drop a row that waits or is dead."""
    _act("cancel", row, "is cancelled")


def _act(action: str, row: int, outcome: str) -> None:
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.delivery import dead_letters

    with opened() as database, database.begin() as session:
        getattr(dead_letters, action)(session, OPERATOR, row, now=clock.now(session))
    say(f"Row {row} {outcome}.")
