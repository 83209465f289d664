"""Exact amounts: how they are added and how they are written. Knows no database."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

MONEY_SCALE = 18
"""Decimals of NUMERIC(38,18)."""
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""80 digits: sums of NUMERIC(38,18) values (20 digits before the point) never round."""


def money_text(value: Decimal) -> str:
    """The one way to write an amount as text: plain digits, no exponent, no trailing zeros, no `-0`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum without rounding; Python's own `sum` keeps 28 digits, which is fewer than a column holds."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
