"""Windows about budgets, and the private answers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.budgets import messages
from bot.charts.drawing import Picture
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import BudgetRef, IncreaseWindow, Place, Request, ask
from storage.enums import ApprovalState
from storage.money import exact_sum, money_text
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.increase import AmountDoubted
from workflows.budgets.records import Breakdown, BudgetDetail
from workflows.inputs import inputs_of

AMOUNT, SCOPE, REASON = "amount", "scope", "reason"
MEANT = "meant"
"""Begins the id of the block with the box to tick; the amount follows, so that no tick counts for another amount."""
MOST_SERVICES, MOST_DAYS = 15, 31
ROOM = 2800
"""Characters of a section that lines may fill."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody asked before; the window starts with it."""

    amount: str
    scope: str
    reason: str


def increase(
    detail: BudgetDetail,
    gate_words: str,
    *,
    before: Entered | None = None,
    changes: Request | None = None,
    opened_on: Place = None,
    doubted: AmountDoubted | None = None,
) -> Block:
    """The window that asks for more: from what, to what, for how long, and why.

    `changes` is the waiting request that the window changes instead; `opened_on` is the card on which the button stood
    that opened it. An amount that is `doubted` is asked again below its field, with a box to tick.
    """
    burn = detail.burn
    period = burn.period_words
    only, onwards = (
        blocks.option(f"{period} only", "period"),
        blocks.option("From now on", "onwards"),
    )
    known = before or Entered("", "period", "")
    return blocks.modal(
        "Change the request" if changes else "Request increase",
        [
            blocks.section(
                f"*{blocks.escape(detail.project, 120)}* · {period}'s budget is "
                f"*{blocks.money(burn.amount, burn.currency)}*; {messages.share_of(burn)} of it is used."
                f"{messages.later(detail)}\n{gate_words}"
            ),
            ask(
                IncreaseBudget,
                "amount",
                initial=known.amount,
                label=f"{inputs_of(IncreaseBudget)['amount'].label}, {burn.currency}",
                placeholder=f"More than {messages.exact(burn.amount)}",
            ),
            *([_meant(doubted, burn.currency)] if doubted is not None else []),
            ask(
                IncreaseBudget,
                "scope",
                blocks.radio(
                    SCOPE, [only, onwards], initial=onwards if known.scope == "onwards" else only
                ),
            ),
            blocks.input_(
                "Why",
                blocks.text_input(
                    REASON, multiline=True, initial=known.reason, min_length=3, max_length=1000
                ),
                block_id=REASON,
                hint="With other words alone nobody is asked anew; with another amount they are."
                if changes
                else "Those who decide read this first.",
            ),
        ],
        callback_id=messages.SUBMIT_CHANGE if changes else messages.SUBMIT_INCREASE,
        submit="Change" if changes else "Ask",
        metadata=IncreaseWindow(
            burn.budget_id,
            burn.revision,
            changes.approval_id if changes else None,
            opened_on,
            changes.revision if changes else None,
            burn.span.first,
        ).text,
    )


def meant_block(amount: Decimal) -> str:
    """The id of the block with the box to tick for an amount."""
    return f"{MEANT}-{money_text(amount)}"


def _meant(doubted: AmountDoubted, currency: str) -> Block:
    amount = messages.exact(doubted.amount)
    return blocks.input_(
        doubted.question,
        blocks.checkboxes(
            MEANT, [blocks.option(f"Yes, {amount} {currency}", money_text(doubted.amount))]
        ),
        block_id=meant_block(doubted.amount),
        hint="Tick this if you mean it, or write another amount above.",
        optional=True,
    )


def break_down(breakdown: Breakdown, picture: Picture | None = None) -> Block:
    """Where a round's cost came from, by service and by day, and a picture of how it grew."""
    detail, burn = breakdown.detail, breakdown.detail.burn
    name = blocks.escape(detail.project, 120)
    body = [
        blocks.section(
            f"*{name}* · {burn.period_words}: {messages.spent(burn)} ({messages.share_of(burn)})"
        ),
        blocks.context(_sentence(messages.through(burn))),
        *([picture.block()] if picture else []),
        blocks.section("*By service*\n" + (_services(breakdown) or "No cost yet.")),
        blocks.section("*By day*, newest first\n" + (_days(breakdown) or "No cost yet.")),
    ]
    if (others := messages.other_budgets(burn)) is not None:
        body.append(blocks.context(_sentence(others)))
    return blocks.modal("Break down", body, callback_id="notice", close="Close")


def _services(breakdown: Breakdown) -> str:
    burn = breakdown.detail.burn
    lines = [
        f"• {blocks.escape(service, 80)}: {messages.exact(amount)} {burn.currency} ({blocks.percent(amount, burn.spent)})"
        for service, amount in breakdown.services
    ]
    return _fitting(lines, breakdown.services, MOST_SERVICES, burn.currency, "service")


def _days(breakdown: Breakdown) -> str:
    currency = breakdown.detail.burn.currency
    lines = [
        f"{blocks.day(day)}: {messages.exact(amount)} {currency}" for day, amount in breakdown.days
    ]
    return _fitting(lines, breakdown.days, MOST_DAYS, currency, "day")


def _fitting(
    lines: list[str], amounts: Sequence[tuple[object, Decimal]], most: int, currency: str, noun: str
) -> str:
    """As many lines as a section takes; the others are counted and added up, so that all of it still adds up."""
    kept = 0
    room = ROOM
    while kept < min(most, len(lines)) and len(lines[kept]) < room:
        room -= len(lines[kept]) + 1
        kept += 1
    left_out = amounts[kept:]
    if not left_out:
        return "\n".join(lines)
    which = "earlier " if noun == "day" else "more "
    count = f"{len(left_out)} {which}{noun if len(left_out) == 1 else noun + 's'}"
    total = exact_sum(amount for _, amount in left_out)
    return "\n".join([*lines[:kept], f"{count} together: {messages.exact(total)} {currency}"])


def budget(detail: BudgetDetail) -> list[Block]:
    """One budget in a private answer: how it stands, its history, and what can be done."""
    burn = detail.burn
    facts = [messages.through(burn)]
    if (likely := messages.likely_end(detail.likely, burn)) is not None:
        facts.insert(0, likely)
    over = "Over budget: " if burn.is_over else ""
    body = [
        blocks.section(
            f"*{blocks.escape(detail.project, 120)}* · {over}{messages.share_of(burn)} of {burn.period_words}'s budget "
            f"({messages.spent(burn)})\n{_sentence(' · '.join(facts))}"
        )
    ]
    if (others := messages.other_budgets(burn)) is not None:
        body.append(blocks.context(_sentence(others)))
    history = [
        f"{blocks.money(item.amount, burn.currency)} from {blocks.day(item.valid_from)}"
        + (f" to {blocks.day(item.valid_until)}" if item.valid_until else "")
        + (f" (request #{item.approval_id})" if item.approval_id else "")
        for item in detail.revisions[-5:]
    ]
    body.append(blocks.context("Amounts: " + "; ".join(history)))
    if detail.asked is not None:
        body.append(blocks.context(messages.asked(detail.asked, burn)))
    buttons = []
    if detail.asked is None or detail.asked.state is not ApprovalState.PENDING:
        buttons.append(
            blocks.button(
                "Request increase", messages.INCREASE, BudgetRef(burn.budget_id, burn.revision).text
            )
        )
    buttons.append(blocks.button("Break down", messages.BREAK_DOWN, str(burn.budget_id)))
    body.append(blocks.actions(buttons, block_id=f"budget-{burn.budget_id}"))
    return body


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
