"""Amounts that are asked again: much more than there is, or less than is spent already. One rule for every way in."""

from decimal import ROUND_FLOOR, Decimal
from typing import TypedDict

from workflows.budgets.phrases import plain
from workflows.budgets.records import Burn
from workflows.errors import InvalidInput

MUCH = 3
"""So many times the present amount, or more, is asked again."""


class AmountDoubted(InvalidInput):
    """An amount that may be a slip of a key: it counts once whoever entered it says that it's meant.

    `question` is a sentence or two that end with `Is that right?`; `amount` is what was entered.
    """

    def __init__(self, question: str, amount: Decimal) -> None:
        super().__init__(
            f"{question} If so, say that you mean it; if not, write another amount.", field="amount"
        )
        self.question = question
        self.amount = amount


class Round(TypedDict):
    """What an amount is compared with: see `question`."""

    present: Decimal | None
    spent: Decimal
    currency: str
    period: str


def of_round(burn: Burn) -> Round:
    """The open round of a budget as it stands."""
    return {
        "present": burn.amount,
        "spent": burn.spent,
        "currency": burn.currency,
        "period": burn.period_words,
    }


def question(
    amount: Decimal, *, present: Decimal | None, spent: Decimal, currency: str, period: str
) -> str | None:
    """What is asked about an amount, None where nothing about it is odd.

    `present` is what the round has now (None for a budget that is new), `spent` what was spent in it so far; both in
    `currency`. `period` names the round (`January`).
    """
    is_much = bool(present) and present is not None and amount >= MUCH * present
    is_spent = amount < spent
    already = f"{plain(spent)} {currency} is spent in {period} already"
    if is_much and present is not None:
        much = f"This is {_times(amount / present)} times the present {plain(present)} {currency}"
        sentence = f", and {already}" if is_spent else ""
        return f"{much}{sentence}. Is that right?"
    if is_spent:
        return f"This is less than what is spent: {already}. Is that right?"
    return None


def _times(ratio: Decimal) -> str:
    """`9`, `3.5`, `25,000`: never more than it is."""
    step = Decimal(1) if ratio >= 10 else Decimal("0.1")
    rounded = ratio.quantize(step, ROUND_FLOOR)
    is_whole = rounded == rounded.to_integral_value()
    return f"{rounded:,.0f}" if is_whole else f"{rounded:,.1f}"


def require_meant(
    amount: Decimal,
    meant: Decimal | None,
    *,
    present: Decimal | None,
    spent: Decimal,
    currency: str,
    period: str,
) -> None:
    """Raise AmountDoubted for an odd amount, unless exactly this one is `meant`."""
    asked = question(amount, present=present, spent=spent, currency=currency, period=period)
    if asked is not None and meant != amount:
        raise AmountDoubted(asked, amount)
