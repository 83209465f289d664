"""What mlgov reads of its own record about a request, and what is not as it was when somebody asked, in words."""

from bot import blocks
from workflows.approvals.records import Card


def describe_known(card: Card) -> str:
    """`From the inventory, read Mon 26 Jan: tier 1 · EU AI Act class high`; empty where mlgov read nothing itself."""
    lines_ = []
    for source in dict.fromkeys(one["source"] for one in card.known):
        values = " · ".join(
            f"{blocks.escape(one['label'], 40)} {blocks.escape(str(one['value']), 80)}"
            for one in card.known
            if one["source"] == source
        )
        read = f", read {blocks.when(card.known_at)}" if card.known_at else ""
        lines_.append(f"From {blocks.escape(source, 40)}{read}: {values}")
    return "\n".join(lines_)


def list_changes(card: Card) -> list[str]:
    """What is not as it was when this was asked, who decides as well since, and what bars it now: a line each, mrkdwn."""
    lines_ = []
    if card.changes:
        lines_.append(f"*Since it was asked:* {blocks.escape(' · '.join(card.changes), 400)}")
    if card.added:
        decide = "decides" if len(card.added) == 1 else "decide"
        lines_.append(f"So {blocks.join_names(list(card.added))} {decide} as well.")
    if card.bars:
        lines_.append(f"*Can't be approved now:* {blocks.escape('; '.join(card.bars), 400)}")
    if card.stuck:
        lines_.append(f"*Can't go on:* {blocks.escape(card.stuck, 400)}")
    return lines_


def describe_changes(card: Card) -> str:
    """The same in one plain line, where nothing is bold; empty when nothing changed."""
    lines_ = []
    if card.changes:
        lines_.append(f"Since it was asked: {' · '.join(card.changes)}.")
    if card.bars:
        lines_.append(f"Can't be approved now: {'; '.join(card.bars)}.")
    return " ".join(lines_)


def describe_moved_subject(card: Card, *, to_requester: bool = False) -> str:
    """`*Changed since*: January's budget is 2,000 EUR now; it was 1,000 EUR when this was asked. Nobody can approve this
    before Tim says what to ask for now`; empty where what is asked about is as it was. `to_requester` for whoever asked."""
    if card.moved is None:
        return ""
    name = blocks.escape(card.requester.name, 60)
    says = "you say" if to_requester else f"{name} says"
    return (
        f"*Changed since*: {blocks.escape(card.moved.clause, 300)}. "
        f"Nobody can approve this before {says} what to ask for now."
    )


def waits_for_requester(card: Card) -> bool:
    """Whether whoever asked has to say something before anybody can approve."""
    return card.question is not None or card.moved is not None
