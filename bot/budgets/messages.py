"""How notices about budgets are shown. Pure."""

from datetime import date
from decimal import Decimal
from itertools import accumulate
from typing import Any

from sqlalchemy.orm import Session

from bot.charts.drawing import Picture, Spend
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import BudgetRef
from storage.enums import ApprovalState
from storage.money import exact_sum
from workflows import wording
from workflows.budgets import service
from workflows.budgets.notices import ChannelNotClosed, LoadRefused, ThresholdCrossed
from workflows.budgets.records import AlertCard, Asked, Breakdown, BudgetDetail, Burn
from workflows.budgets.rules import Likely

# --- Budgets in words
#
# the phrases that cards, answers and windows share. Pure.

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


def share_of(burn: Burn) -> str:
    """`80 %` of the amount."""
    return blocks.percent(burn.spent, burn.amount)


def later(detail: BudgetDetail) -> str:
    """Months after the open round that have another amount: what is added from now on is added there too."""
    if not detail.later:
        return ""
    first = detail.later[0]
    amount = blocks.money(first.amount, detail.burn.currency)
    return f" From {blocks.day(first.first)} on it's {amount}: what you add from now on is added there too."


def likely_end(forecast: Likely | None, burn: Burn) -> str | None:
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


def other_budgets(burn: Burn) -> str | None:
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


# --- The picture of a budget's round
#
# what was spent, day by day, against its line. Pure but for the drawing.

TOLD = 6
"""Days that the alt text names; more are hard to listen to."""


def spend(breakdown: Breakdown) -> Picture | None:
    """Spend added up over the round; None before there is any."""
    burn = breakdown.detail.burn
    span = burn.span
    days = sorted(day for day in breakdown.days if span.first <= day[0] <= span.last)
    if not days:
        return None
    sums = accumulate((amount for _, amount in days), lambda a, b: exact_sum([a, b]))
    totals = tuple(zip((day for day, _ in days), sums, strict=True))
    chart = Spend(span.first, span.last, burn.amount, burn.currency, totals)
    project = breakdown.detail.project
    crossed = next((day for day, total in totals if total > burn.amount), None)
    if burn.is_over and crossed is not None:
        title = f"{project} passed {burn.period_words}'s budget on {blocks.day(crossed)}"
    else:
        title = f"{project} used {share_of(burn)} of {burn.period_words}'s budget by {blocks.day(totals[-1][0])}"
    items = "; ".join(
        f"{blocks.day(day)} {blocks.money(total, burn.currency)}" for day, total in _some(totals)
    )
    budget = blocks.money(burn.amount, burn.currency)
    return Picture(chart, title, f"Spend added up by day, against a budget of {budget}: {items}.")


def _some(totals: tuple[tuple[date, Decimal], ...]) -> list[tuple[date, Decimal]]:
    """Days evenly apart, the last one always among them."""
    step = -(-len(totals) // TOLD)
    return list(totals[::-1][::step][::-1])


# --- How notices about budgets are shown
#
# Pure.


def alert(card: AlertCard, notice: ThresholdCrossed, scene: Scene) -> Rendered:
    """A crossed threshold: what, how much, since when, through which day, and what can be done."""
    if not scene.is_closed:
        return _outside(card)
    burn = card.burn
    name = blocks.escape(card.project, 120)
    share = share_of(burn)
    news = f"{name} has used {share} of {burn.period_words}'s budget"
    figures = spent(burn)
    text = f"{blocks.escape(card.project, 120)} has used {share} of {burn.period_words}'s budget ({figures}), {through(burn)}"
    if not card.is_open:
        crossed = f"{name} crossed {card.threshold} % of {burn.period_words}'s budget"
        return Rendered(
            f"{crossed} ({figures})",
            [blocks.section(f"*{crossed}* ({figures})"), blocks.context(_closed_words(card))],
            is_final=card.asked is None or card.asked.state is not ApprovalState.PENDING,
        )
    facts = [f"Crossed {card.threshold} % on {blocks.day(card.crossed_on, card.burn.as_of)}"]
    if (likely := likely_end(card.likely, burn)) is not None:
        facts.append(likely)
    facts.append(through(burn))
    lines = [" · ".join(facts)]
    if card.riser is not None:
        service, rise = card.riser
        lines.append(
            f"Most of the rise: {blocks.escape(service, 80)}, +{blocks.money(rise, burn.currency)} against the {_days(card)} before"
        )
    if (others := other_budgets(burn)) is not None:
        lines.append(others[0].upper() + others[1:])
    body = [blocks.section(f"*{news}* ({figures})\n" + "\n".join(lines))]
    if (state := _state(card)) is not None:
        body.append(blocks.context(state))
    body.append(blocks.actions(_buttons(card), block_id=f"alert-{card.id}"))
    return Rendered(text, body)


def _days(card: AlertCard) -> str:
    """How many days of the round there is data for."""
    through = card.burn.data_through or card.burn.span.first
    return blocks.counted((through - card.burn.span.first).days + 1, "day")


def _outside(card: AlertCard) -> Rendered:
    """What may be read where others than the organisation's members read along: that there is something, not what."""
    text = "A budget of this project reached a threshold. Its figures are not shown here, because people from outside read this channel."
    return Rendered(
        text, [blocks.section(text), blocks.context("Members see them by `/mlgov budget`.")]
    )


def _closed_words(card: AlertCard) -> str:
    """Why this card speaks no more."""
    facts = [f"On {blocks.day(card.crossed_on, card.burn.as_of)}"]
    if card.asked is not None and card.asked.state is ApprovalState.APPROVED:
        facts.append(asked(card.asked, card.burn))
    if card.acknowledged_by is not None:
        facts.append(f"acknowledged by {blocks.mention(*card.acknowledged_by)}")
    return " · ".join(facts)


def _state(card: AlertCard) -> str | None:
    phrases = []
    if card.acknowledged_by is not None:
        phrases.append(f"Acknowledged by {blocks.mention(*card.acknowledged_by)}")
    if card.asked is not None:
        phrases.append(asked(card.asked, card.burn))
    return " · ".join(phrases) or None


def _buttons(card: AlertCard) -> list[Block]:
    burn = card.burn
    buttons = []
    if card.acknowledged_by is None:
        buttons.append(blocks.button("Acknowledge", ACKNOWLEDGE, str(card.id)))
    if card.asked is None or card.asked.state is not ApprovalState.PENDING:
        buttons.append(
            blocks.button(
                "Request increase", INCREASE, BudgetRef(burn.budget_id, burn.revision).text
            )
        )
    buttons.append(blocks.button("Break down", BREAK_DOWN, str(burn.budget_id)))
    return buttons


def channel_not_closed(
    record: tuple[str, str | None], notice: ChannelNotClosed, scene: Scene
) -> Rendered:
    """Told once to whoever owns the budget: why the project's channel shows no figures."""
    name, channel = record
    place = f"<#{channel}>" if channel else "its channel"
    text = f"People from outside read the channel of {blocks.escape(name, 120)}, so budget figures are shown to you here instead"
    return Rendered(
        text,
        [
            blocks.section(
                f"*People from outside read {place}*, so the budget figures of {blocks.escape(name, 120)} are shown to you "
                "here instead."
            ),
            blocks.context(
                "For a channel with members only, an administrator can import the project again with another channel."
            ),
        ],
        is_final=True,
    )


def load_refused(record: LoadRefused, notice: LoadRefused, scene: Scene) -> Rendered:
    """A cost load that would have changed a bill too much; told to those whose budgets it touches."""
    text = f"A cost load was refused, and nothing changed. {notice.why}"
    return Rendered(
        blocks.escape(text, 600),
        [
            blocks.section(
                f"*A cost load was refused, and nothing changed*\n{blocks.escape(notice.why, 600)}"
            ),
            blocks.context(
                "You are told because you own a budget. Whoever runs the import can repeat it."
            ),
        ],
        is_final=True,
    )


# --- What notices about budgets look like


def _alert(session: Session, notice: ThresholdCrossed, scene: Scene) -> AlertCard | None:
    return service.load_alert_card(scene.context(session), notice.alert_id)


def _project(session: Session, notice: ChannelNotClosed, scene: Scene) -> tuple[str, str | None]:
    return service.find_project_place(session, notice.project_id)


def _itself(session: Session, notice: LoadRefused, scene: Scene) -> LoadRefused:
    return notice


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ThresholdCrossed, _alert, alert),
    Renderer(ChannelNotClosed, _project, channel_not_closed),
    Renderer(LoadRefused, _itself, load_refused),
)
