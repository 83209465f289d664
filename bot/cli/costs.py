"""`mlgov costs`: exact totals of what was imported, and who delivers it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from bot.cli.base import Json, fail, load_policy_text, open_database, say
from storage.enums import CostBasis

app = typer.Typer(help="Exact totals of imported cost, and who delivers it.", no_args_is_help=True)


class By(StrEnum):
    """What totals are grouped by."""

    PROJECT = "project"
    SERVICE = "service"
    DAY = "day"


@app.command()
def summary(
    by: Annotated[By, typer.Option(help="What totals are grouped by.")] = By.PROJECT,
    basis: Annotated[
        CostBasis | None, typer.Option(help="What counts; the policy's costs.basis by default.")
    ] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
    ] = None,
    to: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print exact totals per currency; what belongs to no project is its own line."""
    from bot.cli import cost_tables
    from workflows.budgets import costs
    from workflows.budgets.forms import SummaryForm

    form = SummaryForm(
        by=by.value,
        basis=basis or load_policy_text().policy.costs.basis,
        first=from_.date() if from_ else None,
        last=to.date() if to else None,
    )
    with open_database() as database, database.read() as session:
        record = costs.summarise_costs(session, form)
    if as_json:
        say(cost_tables.as_json(record))
    else:
        cost_tables.show(record)


@app.command()
def sources(as_json: Json = False) -> None:
    """List where cost comes from, and who delivers it: a token, or the command line."""
    import json

    from bot.cli import cost_tables
    from workflows.budgets import sources as deliverers

    with open_database() as database, database.read() as session:
        records = deliverers.list_sources(session)
    if as_json:
        rows = [
            {"source": one.source, "token": one.token, "charges_through": one.charges_through}
            for one in records
        ]
        say(json.dumps(rows, default=str))
    else:
        cost_tables.show_sources(records)


@app.command()
def give(
    source: Annotated[str, typer.Argument(help="The source, as `sources` names it.")],
    token: Annotated[
        str | None, typer.Argument(help="Name of the token that delivers it from now.")
    ] = None,
    command_line: Annotated[
        bool, typer.Option("--command-line", help="Only `mlgov import costs` delivers it from now.")
    ] = False,
) -> None:
    """Hand a source over: only whoever has it can deliver and replace its months. The command line always can."""
    from workflows import clock
    from workflows.actors import OPERATOR
    from workflows.budgets import sources as deliverers
    from workflows.errors import GovernanceError

    if (token is None) is not command_line:
        raise fail("Name the token that delivers it, or give --command-line.")
    with open_database() as database:
        try:
            with database.begin(patient=True) as session:
                deliverers.give_source(session, OPERATOR, source, token, now=clock.now(session))
        except GovernanceError as error:
            raise fail(error.sentence) from None
    whose = f"the token {token}" if token else "the command line alone"
    say(f"{source} is delivered by {whose} from now.")
