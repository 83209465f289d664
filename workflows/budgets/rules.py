"""Budgets as arithmetic: periods, thresholds, what is likely by the end. Values in, values out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from storage.enums import Period
from storage.money import exact_sum

FORECAST_FROM_DAY = 3
"""A period's cost is not extrapolated from less than this many days of data."""


@dataclass(frozen=True, slots=True)
class Span:
    """One round of a budget: its first and last day, both counted, in UTC."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether cost of that day counts here."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Amount:
    """One revision of a budget: what may be spent in periods that start within its validity."""

    revision: int
    amount: Decimal
    valid_from: date
    valid_until: date | None


def _months_on(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def span_on(
    period: Period, starts: date, ends: date | None, day: date, *, fiscal_month: int
) -> Span | None:
    """The round of a budget in which `day` lies, or None before it starts and after it ends.

    Months are calendar months; quarters and years follow the organisation's fiscal year, which starts with
    `fiscal_month` (1 to 12). A recurring budget that `ends` leaves the round of that day to the one that takes over.
    """
    if period is Period.FIXED:
        last = ends or starts
        return Span(starts, last) if starts <= day <= last else None
    length = {Period.MONTH: 1, Period.QUARTER: 3, Period.FISCAL_YEAR: 12}[period]
    back = (day.month - fiscal_month) % 12 % length if length > 1 else 0
    first = _months_on(day.replace(day=1), -back)
    span = Span(first, _months_on(first, length) - timedelta(days=1))
    if span.last < starts or (ends is not None and span.last > ends):
        return None
    return span


def span_words(period: Period, span: Span) -> str:
    """A round in words: `January`, `Q2 2026`, `the fiscal year from April 2026`, `1 Jan to 31 Mar 2026`."""
    if period is Period.MONTH:
        return f"{span.first:%B}"
    if period is Period.QUARTER:
        return f"the quarter from {span.first:%B %Y}"
    if period is Period.FISCAL_YEAR:
        return f"the fiscal year from {span.first:%B %Y}"
    return f"{span.first.day} {span.first:%b} to {span.last.day} {span.last:%b %Y}"


def amount_in(amounts: Iterable[Amount], span: Span) -> Amount | None:
    """The newest revision that covers a round's first day, or that starts within it."""
    covering = [
        item
        for item in amounts
        if item.valid_from <= span.last
        and (item.valid_until is None or item.valid_until >= span.first)
    ]
    return max(covering, key=lambda item: item.revision, default=None)


def crossed(
    thresholds: Sequence[int], spent: Decimal, amount: Decimal
) -> tuple[int, ...]:
    """The thresholds (per cent of the amount) that `spent` has reached, ascending."""
    return tuple(
        item
        for item in sorted(thresholds)
        if spent * 100 >= amount * item and spent > 0
    )


def crossed_on(
    days: Sequence[tuple[date, Decimal]], threshold: int, amount: Decimal
) -> date | None:
    """The first day after which the running total stayed at the threshold or above; `days` ascending."""
    total, since = Decimal(0), None
    for day, cost in days:
        total += cost
        if total * 100 < amount * threshold:
            since = None
        elif since is None:
            since = day
    return since


@dataclass(frozen=True, slots=True)
class Likely:
    """A range for a round's end, never a promise: the least and the most of three simple estimates."""

    low: Decimal
    high: Decimal


def likely(
    days: Sequence[tuple[date, Decimal]], span: Span, through: date
) -> Likely | None:
    """What the round's cost is likely to be when it ends.

    Three estimates: the run rate of the round, and what was spent plus the rest of the days at the mean and at the
    median of the last seven days with data. On steady cost these beat seasonal models, and the median notices a jump
    soonest. None with less than three days of data, and when the round is over.
    """
    known = (through - span.first).days + 1
    left = (span.last - through).days
    if known < FORECAST_FROM_DAY or left <= 0:
        return None
    by_day = {day: cost for day, cost in days if span.holds(day)}
    spent = exact_sum(by_day.values())
    last = [
        by_day.get(through - timedelta(days=back), Decimal(0))
        for back in range(min(7, known))
    ]
    estimates = (
        spent * (known + left) / known,
        spent + exact_sum(last) / len(last) * left,
        spent + median(last) * left,
    )
    return Likely(min(estimates), max(estimates))
