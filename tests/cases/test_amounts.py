"""Amounts by month: what people write comes to exactly that, and nothing is read two ways."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.cases.amounts import (
    Range,
    add,
    combine,
    compress,
    cut_off,
    expand,
    parse_figure,
    parse_range,
    parse_share,
    parse_shares,
    total,
)

STARTS = date(2027, 1, 1)
amounts = st.lists(
    st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False), max_size=24
)


def likely(text: str, months: int = 6) -> list[Decimal]:
    flow = list(expand(parse_range(text, months, STARTS).likely))
    return flow + [Decimal(0)] * (months - len(flow))


@given(amounts)
def test_runs_keep_every_amount(values: list[Decimal]) -> None:
    flow = compress(values)
    kept = list(expand(flow))
    assert kept == values[: len(kept)]
    assert not any(values[len(kept) :])
    assert total(flow) == sum(values)
    assert all(count > 0 for count, _ in flow)


@given(amounts, amounts, st.integers(0, 30))
def test_flows_add_and_are_cut_month_by_month(
    first: list[Decimal], second: list[Decimal], months: int
) -> None:
    summed = list(expand(add((compress(first), compress(second)))))
    for month, amount in enumerate(summed):
        assert amount == sum(each[month] for each in (first, second) if month < len(each))
    assert total(add((compress(first), compress(second)))) == sum(first) + sum(second)
    assert total(cut_off(compress(first), months)) == sum(first[:months])


@given(amounts, amounts)
def test_a_range_comes_back_from_the_record(low: list[Decimal], high: list[Decimal]) -> None:
    estimate = Range(compress(low), compress(low), compress(high))
    assert Range.of(estimate.stored()) == estimate


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("4000", ["4000"] * 6),
        ("4,000 EUR", ["4000"] * 6),
        ("€ 4 000", ["4000"] * 6),
        ("1.5k", ["1500"] * 6),
        ("2m", ["2000000"] * 6),
        ("1,000 → 6,000", ["1000", "2000", "3000", "4000", "5000", "6000"]),
        ("1000 to 6000", ["1000", "2000", "3000", "4000", "5000", "6000"]),
        ("600 -> 100", ["600", "500", "400", "300", "200", "100"]),
        ("2027-01\t100\n2027-03\t300", ["100", "0", "300", "0", "0", "0"]),
        ("Jan 2027\t100\nFeb 2027\t200", ["100", "200", "0", "0", "0", "0"]),
        ("Jan-27;100\nJun-27;200", ["100", "0", "0", "0", "0", "200"]),
        ("month 2\t50", ["0", "50", "0", "0", "0", "0"]),
        ("100\n200\n300", ["100", "200", "300", "0", "0", "0"]),
        ("Month\tAmount\n2027-02\t1,200.50", ["0", "1200.50", "0", "0", "0", "0"]),
        ("2027-02 1,200", ["0", "1200", "0", "0", "0", "0"]),
    ],
)
def test_what_people_write_by_month(text: str, meant: list[str]) -> None:
    assert likely(text) == [Decimal(each) for each in meant]


@pytest.mark.parametrize(
    ("text", "low", "most", "high"),
    [
        ("3,000 / 4,000 / 5,000", 18000, 24000, 30000),
        ("0 / 0 / 100", 0, 0, 600),
        ("1000 → 2000 / 2000 → 3000 / 3000 → 4000", 9000, 15000, 21000),
        ("2027-01\t1\t2\t3\n2027-02\t1\t2\t3", 2, 4, 6),
        ("High\tLikely\tLow\n3\t2\t1", 1, 2, 3),
        ("Month | Low | Most likely | High\n2027-06 | 5 | 6 | 7", 5, 6, 7),
    ],
)
def test_low_likely_and_high(text: str, low: int, most: int, high: int) -> None:
    estimate = parse_range(text, 6, STARTS)
    assert [total(flow) for flow in estimate.flows] == [low, most, high]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write an amount a month"),
        ("soon", "isn't an amount"),
        ("-5", "0 or more"),
        ("40.000", "could be an amount in thousands"),
        ("1 / 2", "low / likely / high"),
        ("5 / 4 / 6", "have to grow"),
        ("1 → 2 → 3", "two ends"),
        ("2027-01\t1\n2027-01\t2", "stands there twice"),
        ("2026-12\t1\n2027-01\t2", "outside the 6 months"),
        ("2027-13\t1\n2027-01\t2", "no month"),
        ("2027-01\t1\n2", "in every row or in none"),
        ("1\n2\n3\n4\n5\n6\n7", "outside the 6 months"),
        ("2027-01\t1\t2", "one amount for the month, or three"),
        ("Low\tLow\n1\t2", "same heading"),
        ("2027-01\t3\t2\t1\n2027-02\t1\t2\t3", "in month 1"),
        ("9" * 16, "at most"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("/", "[/]")):
        parse_range(text, 6, STARTS)


@given(
    st.integers(1, 120),
    st.decimals(0, 10**9, places=2, allow_nan=False),
    st.decimals(0, 10**9, places=2, allow_nan=False),
)
def test_a_line_goes_from_its_first_amount_to_its_last(
    months: int, first: Decimal, last: Decimal
) -> None:
    flow = list(expand(parse_range(f"{first:f} → {last:f}", months, STARTS).likely))
    flow += [Decimal(0)] * (months - len(flow))
    assert len(flow) == months
    assert flow[0] == first
    assert flow[-1] == (last if months > 1 else first)
    assert flow == sorted(flow, reverse=last < first)


@pytest.mark.parametrize(
    ("text", "share"),
    [("60 %", "0.6"), ("60", "0.6"), ("0.6", "0.6"), ("1", "1"), ("1 %", "0.01"), ("100", "1")],
)
def test_shares_as_people_write_them(text: str, share: str) -> None:
    assert parse_share(text) == Decimal(share)


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="no share"):
        parse_share("140 %")
    with pytest.raises(ValueError, match="have to grow"):
        parse_shares("70 % / 60 % / 80 %")
    with pytest.raises(ValueError, match="isn't an amount"):
        parse_figure("lots")


def test_a_rule_is_applied_month_by_month_and_way_by_way() -> None:
    first = parse_range("1 / 2 / 3", 3, STARTS)
    second = parse_range("10\n20\n30", 3, STARTS)
    product = combine((first, second), 3, lambda pair: pair[0] * pair[1])
    assert [list(map(int, expand(flow))) for flow in product.flows] == [
        [10, 20, 30],
        [20, 40, 60],
        [30, 60, 90],
    ]
