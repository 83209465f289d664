"""Exact totals of what was imported."""

from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs as queries
from storage.money import exact_sum
from workflows.budgets.forms import SummaryForm
from workflows.budgets.records import CostSummary, SummaryLine


def summarise_costs(session: Session, form: SummaryForm) -> CostSummary:
    """Totals per currency, largest first (days in order); what belongs to no project is its own line, never dropped."""
    rows = queries.sum_by(session, form.by, form.basis, form.first, form.last, form.project_id)
    lines = [
        SummaryLine(None if label is None else str(label), currency, amount)
        for label, currency, amount in rows
    ]
    if form.by == "day":
        lines.sort(key=lambda line: (line.label or "", line.currency))
    else:
        lines.sort(
            key=lambda line: (line.currency, line.label is None, -line.amount, line.label or "")
        )
    totals: dict[str, list[Decimal]] = {}
    for line in lines:
        totals.setdefault(line.currency, []).append(line.amount)
    return CostSummary(
        by=form.by,
        basis=form.basis,
        lines=tuple(lines),
        totals=tuple(
            (currency, exact_sum(amounts)) for currency, amounts in sorted(totals.items())
        ),
        data_through=queries.data_through(session, form.last)
        if form.last
        else queries.latest_charge(session),
    )
