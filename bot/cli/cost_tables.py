"""How cost totals and cost imports are told on a terminal and to programs."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from storage.money import money_text
from workflows.budgets.records import CostReport, CostSummary, Crossing
from workflows.budgets.sources import SourceRecord

UNALLOCATED = "(unallocated)"


def as_json(summary: CostSummary) -> str:
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


def show(summary: CostSummary) -> None:
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


def show_sources(sources: Sequence[SourceRecord]) -> None:
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


def report_lines(report: CostReport) -> list[str]:
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


def crossing_lines(crossings: tuple[Crossing, ...] | list[Crossing]) -> list[str]:
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


def _crossing(crossing: Crossing) -> str:
    burn = crossing.burn
    return (
        f"{crossing.project_key}: {crossing.threshold} % of {burn.period_words}'s budget crossed, "
        f"{money_text(burn.spent)} of {money_text(burn.amount)} {burn.currency} {burn.basis} cost"
    )
