"""A request for more in words: what it asks, for which months, and what has changed since. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from workflows import wording
from workflows.budgets.rules import Piece


def difference_words(
    facts: dict[str, Any], difference: tuple[date, Decimal | None, Decimal | None]
) -> str:
    """`January's budget is 2,000 EUR now; it was 1,000 EUR when this was asked`."""
    day, before, after = difference
    currency = facts["currency"]
    is_first = day.isoformat() == facts["period_start"]
    which = f"{facts['period']}'s budget"
    if not is_first:
        which = f"from {wording.day(day)} on, the budget"
    was = f"{plain(before)} {currency}" if before is not None else "not set"
    stands = f"is {plain(after)} {currency} now" if after is not None else "ends"
    return f"{which[:1].upper()}{which[1:]} {stands}; it was {was} when this was asked"


def asks(period: str, scope: str, currency: str, added: Decimal, pieces: Sequence[Piece]) -> str:
    """`raise January's budget, and from then on: 1,000 → 1,200 EUR (+20 %)`; months with another amount are told too."""
    old = pieces[0].amount if pieces else Decimal(0)
    change = f"{plain(old)} → {plain(old + added)} {currency} (+{share(old, added)})"
    if len(pieces) < 2:
        since = "" if scope == "period" else ", and from then on"
        return f"raise {period}'s budget{since}: {change}"
    return f"raise {period}'s budget: {change}{later(pieces, added, currency, with_old=True)}"


def later(pieces: Sequence[Piece], added: Decimal, currency: str, *, with_old: bool = False) -> str:
    """`, and from 1 Feb on 1,000 → 1,100 EUR`: months that have another amount than the first."""
    phrases = []
    for piece in pieces[1:3]:
        amount = f"{plain(piece.amount + added)} {currency}"
        if with_old:
            amount = f"{plain(piece.amount)} → {amount}"
        phrases.append(f"from {wording.day(piece.first)} on {amount}")
    remainder = ", and later months by as much" if len(pieces) > 3 else ""
    return f", and {', '.join(phrases)}{remainder}"


def plain(amount: Decimal) -> str:
    """An amount as people read it: grouped, with decimals only where there are any."""
    if amount == amount.to_integral_value():
        return f"{amount:,.0f}"
    places = 2 if abs(amount) >= 1 else min(18, 2 - amount.adjusted())
    return f"{amount:,.{places}f}"


def share(old: Decimal, added: Decimal) -> str:
    """`20 %` of the old amount."""
    share = added * 100 / old if old else Decimal(100)
    return f"{share:,.0f} %" if share >= 1 else "less than 1 %"
