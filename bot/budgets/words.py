"""Budgets in words: the phrases that cards, answers and windows share. Pure."""

from decimal import Decimal

from bot import blocks
from storage.enums import ApprovalState
from workflows import wording
from workflows.budgets.records import Asked, BudgetDetail, Burn
from workflows.budgets.rules import Likely

ACKNOWLEDGE = "budgets.acknowledge"
INCREASE = "budgets.increase"
BREAK_DOWN = "budgets.break_down"
SUBMIT_INCREASE = "budgets.ask"
SUBMIT_CHANGE = "budgets.change"


def exact(amount: Decimal) -> str:
    """An amount to its last digit, thousands separated: `1,234.567`."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spent(burn: Burn) -> str:
    """`32,110 of 40,000 EUR effective cost`."""
    return blocks.spent(burn.spent, burn.amount, burn.currency, burn.basis)


def through(burn: Burn) -> str:
    """`data through Sun 25 Jan`."""
    return wording.through(burn.data_through, burn.as_of)


def share(burn: Burn) -> str:
    """`80 %` of the amount."""
    return blocks.percent(burn.spent, burn.amount)


def later(detail: BudgetDetail) -> str:
    """Months after the open round that have another amount: what is added from now on is added there too."""
    if not detail.later:
        return ""
    first = detail.later[0]
    amount = blocks.money(first.amount, detail.burn.currency)
    return f" From {blocks.day(first.first)} on it's {amount}: what you add from now on is added there too."


def likely(forecast: Likely | None, burn: Burn) -> str | None:
    """`likely 46,000–49,000 EUR by the end of January`."""
    if forecast is None:
        return None
    low, high = (
        blocks.money(forecast.low, burn.currency),
        blocks.money(forecast.high, burn.currency),
    )
    low = low.removesuffix(f" {burn.currency}")
    figures = high if low == high.removesuffix(f" {burn.currency}") else f"{low}–{high}"
    return f"likely {figures} by {blocks.day(burn.span.last)}"


def others(burn: Burn) -> str | None:
    """Cost in other currencies, beside the budget and never compared with it."""
    if not burn.others:
        return None
    amounts = ", ".join(blocks.money(amount, currency) for currency, amount in burn.others)
    return f"also {amounts}, which this budget does not count"


_STATES = {
    ApprovalState.PENDING: "Waiting: {who} asked for {new}; request #{id}",
    ApprovalState.APPROVED: "Approved: raised to {new}; request #{id}",
    ApprovalState.REJECTED: "Rejected: {who}'s request for {new}; request #{id}",
    ApprovalState.EXPIRED: "Expired: {who}'s request for {new} was not decided in time; request #{id}",
    ApprovalState.WITHDRAWN: "Withdrawn: {who} took back the request for {new}; request #{id}",
    ApprovalState.LAPSED: "Lapsed: {new} was approved on a condition that wasn't met; request #{id}",
}


def asked(request: Asked, burn: Burn) -> str:
    """How the newest request for more stands."""
    who = blocks.mention(request.requester_slack_id, request.requester)
    return _STATES[request.state].format(
        who=who, new=blocks.money(request.new, burn.currency), id=request.approval_id
    )
