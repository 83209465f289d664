"""The picture of a budget's round: what was spent, day by day, against its line. Pure but for the drawing."""

from datetime import date
from decimal import Decimal
from itertools import accumulate

from bot import blocks
from bot.budgets import words
from bot.charts.spend import Spend
from bot.pictures import Picture
from storage.money import exact_sum
from workflows.budgets.records import Breakdown

TOLD = 6
"""Days that the alt text names; more are hard to listen to."""


def spend(breakdown: Breakdown) -> Picture | None:
    """Spend added up over the round; None before there is any."""
    burn = breakdown.detail.burn
    span = burn.span
    days = sorted(day for day in breakdown.days if span.first <= day[0] <= span.last)
    if not days:
        return None
    sums = accumulate((amount for _, amount in days), lambda a, b: exact_sum([a, b]))
    totals = tuple(zip((day for day, _ in days), sums, strict=True))
    chart = Spend(span.first, span.last, burn.amount, burn.currency, totals)
    project = breakdown.detail.project
    crossed = next((day for day, total in totals if total > burn.amount), None)
    if burn.is_over and crossed is not None:
        title = f"{project} passed {burn.period_words}'s budget on {blocks.day(crossed)}"
    else:
        title = f"{project} used {words.share(burn)} of {burn.period_words}'s budget by {blocks.day(totals[-1][0])}"
    items = "; ".join(
        f"{blocks.day(day)} {blocks.money(total, burn.currency)}" for day, total in _some(totals)
    )
    budget = blocks.money(burn.amount, burn.currency)
    return Picture(chart, title, f"Spend added up by day, against a budget of {budget}: {items}.")


def _some(totals: tuple[tuple[date, Decimal], ...]) -> list[tuple[date, Decimal]]:
    """Days evenly apart, the last one always among them."""
    step = -(-len(totals) // TOLD)
    return list(totals[::-1][::step][::-1])
