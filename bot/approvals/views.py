"""Windows about requests, the list of what waits, and App Home's part. Pure."""

from collections.abc import Sequence
from datetime import datetime

from bot import blocks
from bot.approvals import messages
from bot.blocks import Block
from workflows.approvals.records import Card

SUBMIT_REJECT = "approvals.reject_reason"
REASON = "reason"


def reject(card: Card) -> Block:
    """The window that asks why."""
    return blocks.modal(
        "Reject",
        [
            blocks.section(
                f"*{messages.asks(card)}*\nAsked by {messages.someone(card.requester)}, who will read your reason."
            ),
            blocks.input_(
                "Why",
                blocks.text_input(
                    REASON, multiline=True, min_length=3, max_length=1000
                ),
                block_id=REASON,
                hint="Say what would have to be different.",
            ),
        ],
        callback_id=SUBMIT_REJECT,
        submit="Reject",
        metadata=messages.value(card),
    )


def details(card: Card) -> Block:
    """Everything about a request."""
    facts = "\n".join(
        f"*{blocks.escape(label, 60)}*  {blocks.escape(text, 150)}"
        for label, text in card.words.facts
    )
    shown = [
        blocks.section(f"*{messages.asks(card)}*"),
        blocks.section(
            f"{blocks.quote(card.reason, 1500) if card.reason else 'No reason is kept.'}\n"
            f"Asked by {messages.someone(card.requester)}, {blocks.when(card.created_at)}"
        ),
    ]
    if facts:
        shown.append(blocks.section(facts))
    shown.append(blocks.divider())
    for round_ in card.rounds:
        who = (
            ", ".join(blocks.escape(name, 60) for name in round_.asked[:10]) or "nobody"
        )
        lines = [
            f"*{round_.position + 1}. {blocks.escape(round_.name, 60)}*: {round_.approved} of {round_.quorum} approved · asked: {who}"
        ]
        for line in card.lines:
            if line.position == round_.position:
                why = f" {blocks.quote(line.reason, 300)}" if line.reason else ""
                through = (
                    f", as one of {blocks.escape(line.group, 60)}" if line.group else ""
                )
                lines.append(
                    f"• {messages.someone(line.person)} said {line.verdict.value}{through}, {blocks.when(line.at)}{why}"
                )
        shown.append(blocks.section("\n".join(lines)))
    shown.append(
        blocks.context(
            messages.silence(card) if card.is_pending else messages.outcome(card)
        )
    )
    shown.append(
        blocks.context(
            f"Request #{card.id} · decided under policy version {card.policy_id}"
        )
    )
    return blocks.modal("Details", shown, callback_id="approvals.shown", close="Close")


def waiting_blocks(cards: Sequence[Card]) -> list[Block]:
    """What waits for this person, each with its buttons."""
    shown: list[Block] = []
    for card in cards:
        why = (
            f"You are asked because {blocks.escape(card.reader.why, 120)} · "
            if card.reader and card.reader.why
            else ""
        )
        shown.append(
            blocks.section(
                f"*{messages.asks(card)}*\n{why}{messages.progress(card)} · by {blocks.when(card.expires_at)}"
            )
        )
        shown.append(messages.buttons(card))
    return shown


def asked_blocks(cards: Sequence[Card]) -> list[Block]:
    """What this person asked for, one line each."""
    return [blocks.section(_asked_line(card)) for card in cards]


def _asked_line(card: Card) -> str:
    if not card.is_pending:
        return messages.outcome(card)
    return f"Waiting: {messages.asks(card)} · {messages.progress(card)} · expires {blocks.when(card.expires_at)}"


def home_blocks(
    waiting: Sequence[Card], asked: Sequence[Card], *, now: datetime
) -> list[Block]:
    """App Home's first part: what waits for me, then what I asked for."""
    shown = [blocks.header("Waiting for me")]
    pending = sum(card.is_pending for card in asked)
    if waiting:
        shown += waiting_blocks(waiting)
    else:
        others = (
            f" {blocks.counted(pending, 'request')} of yours {'is' if pending == 1 else 'are'} with others."
            if pending
            else ""
        )
        shown.append(blocks.section(f"Nothing waits for you.{others}"))
    if asked:
        shown += [blocks.divider(), blocks.header("I asked for"), *asked_blocks(asked)]
    return shown
