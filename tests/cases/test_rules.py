"""Worth: the formulas by examples worked by hand, and what no estimate can turn round."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import ProjectCategory
from tests.cases.conftest import CENT
from workflows.cases import rules
from workflows.cases.amounts import Flow, compress, parse_range
from workflows.cases.rules import Estimate, Material

STARTS = date(2027, 1, 1)
amounts = st.lists(
    st.decimals(min_value=0, max_value=10**7, places=2, allow_nan=False), min_size=1, max_size=36
)
rates = st.decimals(min_value=0, max_value=1, places=3, allow_nan=False)
shares = st.decimals(min_value=0, max_value=1, places=2, allow_nan=False)


def flat(amount: int, months: int) -> Flow:
    return compress([Decimal(amount)] * months)


def test_the_example_of_the_documentation() -> None:
    # docs/cases.md: 1,000 out in month 1, 200 in from month 2 to 12, at 10 % a year.
    benefits = compress([Decimal(0)] + [Decimal(200)] * 11)
    worth = rules.value(benefits, compress([Decimal(1000)]), Decimal("0.10"))
    # 200 × Σ 1.1^(-m/12), m = 2…12, is 2,081.68; 1,000 × 1.1^(-1/12) is 992.09.
    assert worth.benefits_now.quantize(CENT) == Decimal("2081.68")
    assert worth.costs_now.quantize(CENT) == Decimal("992.09")
    assert worth.npv.quantize(CENT) == Decimal("1089.59")
    assert worth.multiple == Decimal("2.2")
    assert worth.roi == Decimal("1.2")
    assert worth.payback == 6


@given(amounts, rates)
def test_a_present_value_is_what_numpy_financial_says(values: list[Decimal], rate: Decimal) -> None:
    # numpy_financial.npv(monthly, [0, *values]), whose first value falls on the day itself.
    monthly = (1.0 + float(rate)) ** (1 / 12) - 1
    expected = sum(
        float(value) / (1 + monthly) ** (month + 1) for month, value in enumerate(values)
    )
    assert float(rules.discount(compress(values), rate)) == pytest.approx(
        expected, rel=1e-9, abs=1e-6
    )


def test_numpy_financial_itself_agrees() -> None:
    import numpy_financial as financial

    values = [100.0, 250.0, 0.0, 75.5]
    monthly = 1.08 ** (1 / 12) - 1
    expected = financial.npv(monthly, [0.0, *values])
    flow = compress(Decimal(str(value)) for value in values)
    assert float(rules.discount(flow, Decimal("0.08"))) == pytest.approx(expected)


@given(amounts, amounts, rates, st.integers(0, 35), st.integers(1, 10**6), shares, shares)
def test_more_benefit_never_lowers_a_rank(
    benefits: list[Decimal],
    costs: list[Decimal],
    rate: Decimal,
    month: int,
    more: int,
    confidence: Decimal,
    feasibility: Decimal,
) -> None:
    raised = list(benefits)
    raised[month % len(raised)] += more
    before = rules.value(compress(benefits), compress(costs), rate)
    after = rules.value(compress(raised), compress(costs), rate)
    assert rules.adjust_for_risk(after, confidence, feasibility) >= rules.adjust_for_risk(
        before, confidence, feasibility
    )
    assert after.npv > before.npv


@given(amounts, amounts)
def test_payback_is_when_what_was_paid_has_come_back(
    benefits: list[Decimal], costs: list[Decimal]
) -> None:
    month = rules.find_payback(compress(benefits), compress(costs))
    length = max(len(benefits), len(costs))

    def balance(until: int) -> Decimal:
        return sum(benefits[:until], Decimal(0)) - sum(costs[:until], Decimal(0))

    if month is None:
        assert balance(length) < 0
    else:
        assert all(balance(later) >= 0 for later in range(max(month, 1), length + 1))
        assert month == 0 or month == 1 or balance(month - 1) < 0


def test_time_saved_is_uses_by_minutes_by_acceptance_by_what_an_hour_costs() -> None:
    uses = parse_range("8,000", 2, STARTS)
    minutes, share, rate = (rules.repeat((Decimal(each),) * 3, 2) for each in ("3", "0.6", "45"))
    saved = rules.value_time_saved(uses, minutes, share, rate, 2)
    assert saved.likely == ((2, Decimal("10800.00")),)


@pytest.mark.parametrize(
    ("benefit", "category", "way"),
    [
        (2, ProjectCategory.OPTIMIZATION, None),
        (6, ProjectCategory.OPTIMIZATION, None),
        (7, ProjectCategory.OPTIMIZATION, "above"),
        (3, ProjectCategory.DECISION, "below"),
        (4, ProjectCategory.DECISION, None),
        (4, ProjectCategory.INNOVATION, "below"),
    ],
)
def test_an_estimate_far_off_its_category_is_questioned(
    benefit: int, category: ProjectCategory, way: str | None
) -> None:
    worth = rules.value(flat(benefit, 1), flat(1, 1), Decimal(0))
    question = rules.question_estimate(worth, category)
    assert (question is None) == (way is None)
    if way is not None:
        assert question is not None
        assert f"far {way}" in question


def test_nothing_is_questioned_without_costs() -> None:
    worth = rules.value(flat(1, 1), (), Decimal(0))
    assert worth.multiple is None
    assert worth.profitability is None
    assert rules.question_estimate(worth, ProjectCategory.DECISION) is None


BEFORE = Estimate(
    Decimal(1000), Decimal(100), "EUR", date(2028, 12, 1), ProjectCategory.DECISION, 2
)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, 0),
        ({"costs": Decimal("109.99")}, 0),
        ({"costs": Decimal(110)}, 1),
        ({"costs": Decimal(10)}, 0),
        ({"benefits": Decimal("800.01")}, 0),
        ({"benefits": Decimal(800)}, 1),
        ({"benefits": Decimal(5000)}, 0),
        ({"ends": date(2029, 2, 1)}, 0),
        ({"ends": date(2029, 3, 1)}, 1),
        ({"ends": date(2027, 3, 1)}, 0),
        ({"category": ProjectCategory.INNOVATION}, 1),
        ({"tier": 1}, 1),
        ({"currency": "USD", "costs": Decimal(500)}, 1),
        ({"costs": Decimal(200), "benefits": Decimal(1), "tier": None}, 3),
    ],
)
def test_what_makes_a_change_material(changes: dict[str, object], reasons: int) -> None:
    after = Estimate(**{**{name: getattr(BEFORE, name) for name in BEFORE.__slots__}, **changes})
    assert len(rules.list_material(BEFORE, after, Material())) == reasons


def test_projects_are_alike_by_words_that_few_have() -> None:
    others = {
        1: "Ticket routing for support tickets",
        2: "Forecast of demand in shops",
        3: "Routing of delivery vans",
        4: "Demand planning",
    }
    assert rules.rank_alike("Route support tickets to the right team", others)[0] == 1
    assert rules.rank_alike("Shop demand forecast", others)[:1] == [2]
    assert rules.rank_alike("Something else entirely", others) == []


def test_months_are_counted_over_years() -> None:
    assert rules.shift_month(date(2026, 11, 1), 3) == date(2027, 2, 1)
    assert rules.shift_month(date(2026, 1, 31), -1) == date(2025, 12, 1)
