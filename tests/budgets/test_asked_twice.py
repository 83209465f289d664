"""Amounts that are asked again, by one rule, wherever somebody enters one."""

import importlib
import pkgutil
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType

import pytest
from pydantic import BaseModel, BeforeValidator

import bot
import workflows
from bot.budgets.api import CostRow
from bot.cases.return_api import NewReturn
from tests.budgets.asking import ask
from tests.budgets.conftest import NOW, Money, days
from workflows.budgets import increase
from workflows.budgets.forms import BudgetRow, IncreaseBudget
from workflows.budgets.increase import AmountDoubted
from workflows.cases.return_forms import ReportReturn
from workflows.cases.return_imports import ReturnCells
from workflows.sources.tables import parse_amount


@pytest.mark.parametrize(
    ("amount", "present", "spent", "expected"),
    [
        ("2999.99", "1000", "900", None),
        ("3000", "1000", "900", "This is 3 times the present 1,000 EUR."),
        ("3500", "1000", "900", "This is 3.5 times the present 1,000 EUR."),
        ("360000", "40000", "0", "This is 9 times the present 40,000 EUR."),
        ("12999", "1000", "0", "This is 12 times the present 1,000 EUR."),
        (
            "899",
            "500",
            "900",
            "This is less than what is spent: 900 EUR is spent in January already.",
        ),
        ("900", "500", "900", None),
        (
            "1500",
            "500",
            "1600",
            "This is 3 times the present 500 EUR, and 1,600 EUR is spent in January already.",
        ),
        ("1000000", None, "0", None),
        ("10", None, "11", "This is less than what is spent: 11 EUR is spent"),
    ],
)
def test_the_rule(amount: str, present: str | None, spent: str, expected: str | None) -> None:
    asked = increase.question(
        Decimal(amount),
        present=Decimal(present) if present else None,
        spent=Decimal(spent),
        currency="EUR",
        period="January",
    )
    if expected is None:
        assert asked is None
    else:
        assert asked is not None
        assert asked.startswith(expected)
        assert asked.endswith("Is that right?")


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def forms_with_amounts() -> set[type[BaseModel]]:
    """Every form of the whole program that reads an amount."""
    return {
        each
        for package in (bot, workflows)
        for module in modules(package)
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, BaseModel)
        and any(
            (name == "amount" and field.annotation is not str)
            or any(
                isinstance(part, BeforeValidator) and part.func is parse_amount
                for part in field.metadata
            )
            for name, field in each.model_fields.items()
        )
    }


def test_every_form_that_takes_an_amount_is_known_here() -> None:
    """A new way to enter an amount belongs here, with a test that an odd one is asked again."""
    asked_again = {IncreaseBudget, BudgetRow}
    cost_that_was_billed = {CostRow}
    what_came_and_somebody_else_attests = {ReportReturn, ReturnCells, NewReturn}
    assert (
        forms_with_amounts()
        == asked_again | cost_that_was_billed | what_came_and_somebody_else_attests
    )


@pytest.fixture
def spending(money: Money) -> Money:
    money.budget()
    money.costs(days(NOW.date().replace(day=1), 20, "45"))
    return money


def test_a_request_is_asked_again_until_this_amount_is_meant(spending: Money) -> None:
    for meant in (None, "4000"):
        with pytest.raises(AmountDoubted, match="5 times the present 1,000 EUR") as odd:
            ask(spending, "5000", meant=meant)
        assert (odd.value.field, odd.value.amount) == ("amount", Decimal(5000))
    assert ask(spending, "5000", meant="5,000") == 1


def test_a_row_of_a_file_is_asked_again(spending: Money) -> None:
    def row(amount: str, project: str = "triage", **more: object) -> dict[str, object]:
        given = {"starts": "2026-01-01", "amount": amount, "currency": "EUR"}
        return given | {"project": project} | more

    def bring(*rows: dict[str, object], are_meant: bool = False) -> list[tuple[str, str | None]]:
        return [(each.what, each.error) for each in spending.rows(*rows, are_meant=are_meant)]

    ((what, error),) = bring(row("3000"))
    assert what == "refused"
    assert error == (
        "amount: This is 3 times the present 1,000 EUR. Is that right? "
        "If so, import with --amounts-are-meant"
    )
    # A budget that is new has no present amount, but something may be spent already.
    quarter = row("500", period="quarter")
    refused, kept = bring(quarter, row("2999"))
    assert "900 EUR is spent in the quarter from January 2026" in str(refused[1])
    assert kept == ("updated", None)
    assert bring(row("2999")) == [("unchanged", None)]
    assert bring(row("899", period="month"), quarter, are_meant=True) == [
        ("updated", None),
        ("created", None),
    ]
