"""`mlgov costs`: exact totals of what was imported."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from bot.cli.base import Json, opened, policy_text, say
from storage.enums import CostBasis

app = typer.Typer(help="Exact totals of imported cost.", no_args_is_help=True)


class By(StrEnum):
    """What totals are grouped by."""

    PROJECT = "project"
    SERVICE = "service"
    DAY = "day"


@app.callback()
def group() -> None:
    """Keeps `summary` a word of its own."""


@app.command()
def summary(
    by: Annotated[By, typer.Option(help="What totals are grouped by.")] = By.PROJECT,
    basis: Annotated[
        CostBasis | None,
        typer.Option(help="What counts; the policy's costs.basis by default."),
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC."),
    ] = None,
    to: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print exact totals per currency; what belongs to no project is its own line."""
    from bot.cli import cost_tables
    from workflows.budgets import costs
    from workflows.budgets.forms import SummaryForm

    form = SummaryForm(
        by=by.value,
        basis=basis or policy_text().policy.costs.basis,
        first=from_.date() if from_ else None,
        last=to.date() if to else None,
    )
    with opened() as database, database.read() as session:
        found = costs.summary(session, form)
    if as_json:
        say(cost_tables.as_json(found))
    else:
        cost_tables.show(found)
