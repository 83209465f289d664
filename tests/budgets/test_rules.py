"""Periods, thresholds and estimates as arithmetic."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import Period
from workflows.budgets import rules
from workflows.budgets.rules import Amount, Span

DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))
RECURRING = st.sampled_from([Period.MONTH, Period.QUARTER, Period.FISCAL_YEAR])
MONEY = st.decimals(min_value=-(10**6), max_value=10**6, places=6)
LONG_AGO = date(2000, 1, 1)


@pytest.mark.parametrize(
    ("period", "day", "fiscal_month", "first", "last"),
    [
        (Period.MONTH, date(2024, 2, 29), 1, date(2024, 2, 1), date(2024, 2, 29)),
        (Period.QUARTER, date(2026, 1, 31), 1, date(2026, 1, 1), date(2026, 3, 31)),
        (Period.QUARTER, date(2026, 1, 31), 2, date(2025, 11, 1), date(2026, 1, 31)),
        (Period.FISCAL_YEAR, date(2026, 3, 31), 4, date(2025, 4, 1), date(2026, 3, 31)),
        (Period.FISCAL_YEAR, date(2026, 4, 1), 4, date(2026, 4, 1), date(2027, 3, 31)),
    ],
)
def test_a_day_lies_in_the_round_of_the_calendar(
    period: Period, day: date, fiscal_month: int, first: date, last: date
) -> None:
    assert rules.span_on(period, LONG_AGO, None, day, fiscal_month=fiscal_month) == Span(
        first, last
    )


@given(period=RECURRING, day=DAYS, month=st.integers(1, 12))
def test_rounds_leave_no_gap_and_never_overlap(period: Period, day: date, month: int) -> None:
    span = rules.span_on(period, LONG_AGO, None, day, fiscal_month=month)
    assert span is not None
    assert span.holds(day)
    following = rules.span_on(
        period, LONG_AGO, None, span.last + timedelta(days=1), fiscal_month=month
    )
    assert following is not None
    assert following.first == span.last + timedelta(days=1)
    assert rules.span_on(period, LONG_AGO, None, span.first, fiscal_month=month) == span
    if period is Period.FISCAL_YEAR:
        assert (span.first.month, span.first.day) == (month, 1)


@given(first=DAYS, length=st.integers(0, 900), day=DAYS)
def test_fixed_dates_hold_exactly_their_days(first: date, length: int, day: date) -> None:
    last = first + timedelta(days=length)
    span = rules.span_on(Period.FIXED, first, last, day, fiscal_month=1)
    assert (span is not None) == (first <= day <= last)


@given(
    spent=MONEY,
    amount=st.decimals(min_value=Decimal("0.000001"), max_value=10**6, places=6),
    thresholds=st.lists(st.integers(1, 1000), min_size=1, max_size=10),
)
def test_a_threshold_is_crossed_exactly_when_its_share_is_spent(
    spent: Decimal, amount: Decimal, thresholds: list[int]
) -> None:
    found = rules.crossed(thresholds, spent, amount)
    assert list(found) == sorted(found)
    for threshold in thresholds:
        assert (threshold in found) == (spent >= amount * threshold / 100 and spent > 0)


@given(
    costs=st.lists(MONEY, min_size=1, max_size=40),
    amount=st.decimals(min_value=1, max_value=10**6, places=2),
    threshold=st.integers(1, 200),
)
def test_since_when_is_the_day_after_which_it_never_fell_back(
    costs: list[Decimal], amount: Decimal, threshold: int
) -> None:
    start = date(2026, 1, 1)
    days = [(start + timedelta(days=n), cost) for n, cost in enumerate(costs)]
    since = rules.crossed_on(days, threshold, amount)
    over = [sum(costs[: n + 1], Decimal(0)) * 100 >= amount * threshold for n in range(len(costs))]
    if not over[-1]:
        assert since is None
        return
    assert since is not None
    position = (since - start).days
    assert all(over[position:])
    assert position == 0 or not over[position - 1]


def test_the_newest_amount_that_covers_a_round_counts() -> None:
    amounts = [
        Amount(1, Decimal(40), date(2026, 1, 1), None),
        Amount(2, Decimal(52), date(2026, 1, 1), date(2026, 1, 31)),
        Amount(3, Decimal(60), date(2026, 3, 1), None),
    ]
    by_month = [
        rules.amount_in(amounts, Span(date(2026, m, 1), date(2026, m, 28))) for m in (1, 2, 3, 4)
    ]
    assert [found.amount if found else None for found in by_month] == [52, 40, 60, 60]
    assert rules.amount_in(amounts, Span(date(2025, 12, 1), date(2025, 12, 31))) is None


def test_steady_cost_is_likely_to_go_on() -> None:
    span = Span(date(2026, 1, 1), date(2026, 1, 31))
    days = [(date(2026, 1, day), Decimal(10)) for day in range(1, 21)]
    found = rules.likely(days, span, date(2026, 1, 20))
    assert found is not None
    assert (found.low, found.high) == (310, 310)


@pytest.mark.parametrize("through", [date(2026, 1, 2), date(2026, 1, 31)])
def test_nothing_is_extrapolated_from_two_days_or_after_the_end(through: date) -> None:
    span = Span(date(2026, 1, 1), date(2026, 1, 31))
    days = [(date(2026, 1, 1), Decimal(10))]
    assert rules.likely(days, span, through) is None


@given(costs=st.lists(st.decimals(min_value=0, max_value=10**6, places=6), min_size=3, max_size=30))
def test_a_range_never_lies_below_what_was_spent(costs: list[Decimal]) -> None:
    span = Span(date(2026, 1, 1), date(2026, 1, 31))
    days = [(span.first + timedelta(days=n), cost) for n, cost in enumerate(costs)]
    found = rules.likely(days, span, days[-1][0])
    assert found is not None
    spent = sum(costs, Decimal(0))
    assert spent - Decimal("0.000001") <= found.low <= found.high
