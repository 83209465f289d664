"""What a file or a window may say about money: one reading, or a sentence."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workflows.budgets.forms import BudgetRow, IncreaseBudget
from workflows.sources.tables import parse_amount


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ("40000", "40000"),
        ("40,000", "40000"),
        ("40,000.50", "40000.50"),
        ("40 000", "40000"),
        ("1'250'000", "1250000"),
        ("0.5", "0.5"),
        (40000, "40000"),
        (40000.5, "40000.5"),
        (Decimal("12.25"), "12.25"),
    ],
)
def test_an_amount_is_read_as_it_is_meant(given_: object, meant: str) -> None:
    assert parse_amount(given_) == Decimal(meant)


@pytest.mark.parametrize(
    "given_",
    [
        0, -5, 0.0, -0.5, True, Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), float("nan"), float("inf"),
        10**16, Decimal("0.0000001"), "0", "-1", "NaN", "inf", "", None, "forty", "40.000", "1.250.000", "40,00", "=1+1", "5 EUR",
        "1e9", "1E9", "4E+4", "1_000", "٤٠٠٠٠", "４００００", "+5", "0x10", "1e-3",
    ],
)  # fmt: skip
def test_what_is_no_amount_or_could_mean_two_is_refused(given_: object) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_amount(given_)


@given(
    st.decimals(
        min_value=Decimal("0.000001"),
        max_value=10**15,
        places=6,
        allow_nan=False,
        allow_infinity=False,
    )
)
def test_every_amount_survives_its_own_text(value: Decimal) -> None:
    assert parse_amount(f"{value:f}") == value
    assert parse_amount(f"{value:,f}") == value


def row(**more: object) -> BudgetRow:
    return BudgetRow.model_validate(
        {"project": "triage", "starts": "2026-01-01", "amount": "1000", "currency": "EUR"} | more
    )


@pytest.mark.parametrize(
    "more",
    [
        {"period": "fortnight"},
        {"period": "fixed"},
        {"period": "fixed", "ends": "2025-12-31"},
        {"period": "month", "ends": "2026-12-31"},
        {"currency": "euro"},
        {"basis": "amortised"},
        {"thresholds": "50;x"},
        {"thresholds": "0"},
        {"thresholds": "5000"},
        {"starts": "01/02/2026x"},
        {"colour": "red"},
    ],
)
def test_a_row_that_cannot_be_right_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        row(**more)


def test_a_row_is_read_as_people_write_it() -> None:
    found = row(
        period="Fiscal year",
        currency=" eur ",
        basis="Billed",
        thresholds="100; 50 ;80 %",
        owner=" ",
    )
    assert (found.period, found.currency, found.basis) == ("fiscal_year", "EUR", "billed")
    assert (found.thresholds, found.owner) == ((50, 80, 100), None)
    assert row(starts=date(2026, 1, 1)) == row()


def test_an_increase_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError):
        IncreaseBudget.model_validate(
            {"budget_id": 1, "revision": 1, "amount": 0, "scope": "period"}
        )
