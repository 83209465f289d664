"""How cost totals and cost imports are told on a terminal and to programs."""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.base import Json, fail, load_policy_text, open_database, say
from storage.enums import CostBasis
from storage.money import money_text

if TYPE_CHECKING:
    # Only for the reader of types: loading them loads the database, and every command would wait for it.
    from workflows.budgets.costs import SourceRecord
    from workflows.budgets.records import CostReport, CostSummary, Crossing

UNALLOCATED = "(unallocated)"


def costs_as_json(summary: "CostSummary") -> str:
    """Totals for programs; amounts are exact decimal strings."""
    return json.dumps(
        {
            "by": summary.by,
            "basis": summary.basis.value,
            "data_through": summary.data_through.isoformat() if summary.data_through else None,
            "lines": [
                {"label": line.label, "currency": line.currency, "amount": money_text(line.amount)}
                for line in summary.lines
            ],
            "totals": {currency: money_text(amount) for currency, amount in summary.totals},
        },
        indent=2,
    )


def show(summary: "CostSummary") -> None:
    """Totals for people, to the last digit."""
    if not summary.lines:
        Console().print("No cost yet. `mlgov import costs FILE` brings some in.")
        return
    table = Table(summary.by, "currency", f"{summary.basis} cost")
    table.columns[2].justify = "right"
    for line in summary.lines:
        table.add_row(_plain(line.label or UNALLOCATED), line.currency, money_text(line.amount))
    table.add_section()
    for currency, amount in summary.totals:
        table.add_row("total", currency, money_text(amount))
    console = Console()
    console.print(table)
    if summary.data_through:
        console.print(f"Data through {summary.data_through}.", highlight=False)


def show_sources(sources: "Sequence[SourceRecord]") -> None:
    """Where cost comes from, for people."""
    if not sources:
        Console().print("No cost yet. `mlgov import costs FILE` brings some in.")
        return
    table = Table("source", "delivered by", "data through")
    for source in sources:
        whose = f"token {source.token}" if source.token else "the command line"
        table.add_row(_plain(source.source), _plain(whose), str(source.charges_through or ""))
    Console().print(table)


def _plain(text: str) -> str:
    """Foreign text on a terminal: no control characters, no markup."""
    return "".join(char if char.isprintable() else "�" for char in text).replace("[", "\\[")


def report_lines(report: "CostReport") -> list[str]:
    """What a cost import did, line by line."""
    would = "would be " if report.is_dry_run else ""
    lines = []
    for period in report.periods:
        billed = ", ".join(f"{money_text(amount)} {currency}" for currency, amount in period.billed)
        what = period.what if period.what == "unchanged" else f"{would}{period.what}"
        lines.append(
            f"{period.source}, {period.billing_period:%Y-%m}: {what}, {period.rows:,} rows, {billed} billed"
        )
    lines += [f"note: {remark}" for remark in report.remarks]
    lines += [f"bad row: {row}" for row in report.bad_rows[:20]]
    if report.bad_row_count > 20:
        lines.append(f"…and {report.bad_row_count - 20:,} bad rows more")
    lines += [f"REFUSED: {why}" for why in report.refused]
    if report.unallocated:
        owed = ", ".join(
            f"{money_text(amount)} {currency}" for currency, amount in report.unallocated
        )
        lines.append(
            f"{owed} belong to no project: see `mlgov costs summary`, and add a rule, a tag or an account."
        )
    if report.charges_through:
        lines.append(f"Data through {report.charges_through}.")
    return lines + crossing_lines(report.crossings)


def crossing_lines(crossings: "tuple[Crossing, ...] | list[Crossing]") -> list[str]:
    """Which budgets crossed a threshold: told in Slack, or over already and told only here."""
    already = [crossing for crossing in crossings if not crossing.told]
    alerted = [crossing for crossing in crossings if crossing.told]
    lines = [f"alert: {_crossing(crossing)}" for crossing in alerted]
    if already:
        lines.append(
            f"{len(already)} budgets were over a threshold when this first came in; nobody in Slack was told:"
        )
        lines += [f"  {_crossing(crossing)}" for crossing in already]
    return lines


def _crossing(crossing: "Crossing") -> str:
    burn = crossing.burn
    return (
        f"{crossing.project_key}: {crossing.threshold} % of {burn.period_words}'s budget crossed, "
        f"{money_text(burn.spent)} of {money_text(burn.amount)} {burn.currency} {burn.basis} cost"
    )


# --- `mlgov costs`
#
# exact totals of what was imported, and who delivers it.

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
    pass
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
        say(costs_as_json(record))
    else:
        show(record)


@app.command()
def sources(as_json: Json = False) -> None:
    """List where cost comes from, and who delivers it: a token, or the command line."""
    import json

    pass
    from workflows.budgets import costs as deliverers

    with open_database() as database, database.read() as session:
        records = deliverers.list_sources(session)
    if as_json:
        rows = [
            {"source": one.source, "token": one.token, "charges_through": one.charges_through}
            for one in records
        ]
        say(json.dumps(rows, default=str))
    else:
        show_sources(records)


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
    from workflows import operations
    from workflows.budgets import costs as deliverers
    from workflows.errors import GovernanceError

    if (token is None) is not command_line:
        raise fail("Name the token that delivers it, or give --command-line.")
    with open_database() as database:
        try:
            with database.begin(patient=True) as session:
                deliverers.give_source(operations.load_context(session), source, token)
        except GovernanceError as error:
            raise fail(error.sentence) from None
    whose = f"the token {token}" if token else "the command line alone"
    say(f"{source} is delivered by {whose} from now.")
