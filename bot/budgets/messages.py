"""How notices about budgets are shown. Pure."""

from bot import blocks
from bot.blocks import Block
from bot.budgets import words
from bot.interactions import BudgetRef
from bot.rendering import Rendered, Scene
from storage.enums import ApprovalState
from workflows.budgets.notices import ChannelNotClosed, LoadRefused, ThresholdCrossed
from workflows.budgets.records import AlertCard


def alert(card: AlertCard, notice: ThresholdCrossed, scene: Scene) -> Rendered:
    """A crossed threshold: what, how much, since when, through which day, and what can be done."""
    if not scene.is_closed:
        return _outside(card)
    burn = card.burn
    name = blocks.escape(card.project, 120)
    share = words.share(burn)
    news = f"{name} has used {share} of {burn.period_words}'s budget"
    figures = words.spent(burn)
    text = f"{blocks.escape(card.project, 120)} has used {share} of {burn.period_words}'s budget ({figures}), {words.through(burn)}"
    if not card.is_open:
        crossed = f"{name} crossed {card.threshold} % of {burn.period_words}'s budget"
        return Rendered(
            f"{crossed} ({figures})",
            [blocks.section(f"*{crossed}* ({figures})"), blocks.context(_closed_words(card))],
            is_final=card.asked is None or card.asked.state is not ApprovalState.PENDING,
        )
    facts = [f"Crossed {card.threshold} % on {blocks.day(card.crossed_on, card.burn.as_of)}"]
    if (likely := words.likely(card.likely, burn)) is not None:
        facts.append(likely)
    facts.append(words.through(burn))
    lines = [" · ".join(facts)]
    if card.riser is not None:
        service, rise = card.riser
        lines.append(
            f"Most of the rise: {blocks.escape(service, 80)}, +{blocks.money(rise, burn.currency)} against the {_days(card)} before"
        )
    if (others := words.others(burn)) is not None:
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
        facts.append(words.asked(card.asked, card.burn))
    if card.acknowledged_by is not None:
        facts.append(f"acknowledged by {blocks.mention(*card.acknowledged_by)}")
    return " · ".join(facts)


def _state(card: AlertCard) -> str | None:
    phrases = []
    if card.acknowledged_by is not None:
        phrases.append(f"Acknowledged by {blocks.mention(*card.acknowledged_by)}")
    if card.asked is not None:
        phrases.append(words.asked(card.asked, card.burn))
    return " · ".join(phrases) or None


def _buttons(card: AlertCard) -> list[Block]:
    burn = card.burn
    buttons = []
    if card.acknowledged_by is None:
        buttons.append(blocks.button("Acknowledge", words.ACKNOWLEDGE, str(card.id)))
    if card.asked is None or card.asked.state is not ApprovalState.PENDING:
        buttons.append(
            blocks.button(
                "Request increase", words.INCREASE, BudgetRef(burn.budget_id, burn.revision).text
            )
        )
    buttons.append(blocks.button("Break down", words.BREAK_DOWN, str(burn.budget_id)))
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
