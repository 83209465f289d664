"""The modals of a request, the private list of what waits, and its part of App Home."""

import json
from collections.abc import Sequence
from datetime import datetime

from bot.approvals import words
from bot.slack import blocks
from bot.slack.blocks import Block
from workflows.approvals.records import Card, Line

SUBMIT_APPROVE = "approvals.approve_comment"
SUBMIT_REJECT = "approvals.reject_reason"
REASON = "reason"
"""The block of the reason's field in the modal that rejects."""
MOST_LISTED = 12
"""Requests of one kind in a private answer, which holds 50 blocks; App Home shows 20."""
MOST_CHARACTERS = 12_000
"""Of JSON, in a private answer: Slack refuses messages whose blocks hold more than about 13,200."""
MOST_FACTS = 20
MOST_LINES = 30


def reject_window(card: Card, *, metadata: str) -> Block:
    """Asks for the reason."""
    return blocks.modal(
        "Reject this request",
        [
            blocks.section(f"*{words.asks(card)}*"),
            blocks.input_(
                "Why?",
                blocks.text_input(REASON, multiline=True, min_length=3, max_length=3000),
                block_id=REASON,
                hint="The requester and everyone who was asked read this. It ends the request; they can ask again.",
            ),
        ],
        callback_id=SUBMIT_REJECT,
        submit="Reject",
        metadata=metadata,
    )


def approve_window(card: Card, *, metadata: str) -> Block:
    """Asks for the comment that the stage wants."""
    return blocks.modal(
        "Approve this request",
        [
            blocks.section(f"*{words.asks(card)}*"),
            blocks.input_(
                "Why do you approve?",
                blocks.text_input(REASON, multiline=True, min_length=3, max_length=3000),
                block_id=REASON,
                hint="This stage asks for a comment. The requester and everyone who was asked read it.",
            ),
        ],
        callback_id=SUBMIT_APPROVE,
        submit="Approve",
        metadata=metadata,
    )


def details_window(card: Card, *, now: datetime) -> Block:
    """Everything about a request: the facts, each stage, and who decided by which rule."""
    parts: list[Block] = [
        blocks.section(
            f"*{words.asks(card, 400)}*" if card.is_pending else words.describe_outcome(card)
        ),
        blocks.section(
            f"{blocks.quote(card.reason, 2500)} — asked by {blocks.escape(card.requester.name, 60)}, {blocks.when(card.created_at)}"
        ),
    ]
    to_requester = card.reader is not None and card.reader.is_requester
    if change := words.describe_moved_subject(card, to_requester=to_requester):
        parts.append(blocks.section(change))
    lines = [*words.list_remarks(card), *([] if card.is_pending else words.list_conditions(card))]
    parts += [blocks.context(line) for line in lines]
    facts = [
        f"*{blocks.escape(label, 60)}*\n{blocks.escape(text, 200)}"
        for label, text in card.words.facts[:MOST_FACTS]
    ]
    parts += [blocks.fields(facts[start : start + 10]) for start in range(0, len(facts), 10)]
    if read := words.describe_known(card):
        parts.append(blocks.context(read))
    parts.append(blocks.divider())
    for stage in card.rounds:
        parts.append(blocks.section(_stage(card, stage.position)))
    if card.dropped:
        parts.append(blocks.context(words.describe_left_out(card)))
    if len(card.lines) > MOST_LINES:
        parts.append(blocks.context(f"…and {len(card.lines) - MOST_LINES} more"))
    reader = card.reader
    if card.is_pending:
        if reader is not None and reader.why and reader.line is None:
            parts.append(blocks.context(f"You are asked because {blocks.escape(reader.why, 100)}."))
        parts.append(blocks.context(words.describe_silence(card, to_requester=to_requester)))
        if reader is not None and (mine := words.own_buttons(card)):
            parts.append(words.buttons(card, mine, "details"))
    parts.append(
        blocks.context(
            f"{words.state(card)} · policy version {card.policy_id} · as of {blocks.when(now)}"
        )
    )
    return blocks.modal(
        f"Request #{card.id}",
        parts,
        callback_id=words.DETAILS_VIEW,
        close="Close",
        metadata=str(card.id),
    )


def _stage(card: Card, position: int) -> str:
    stage = card.rounds[position]
    if card.by_rule:
        state = "not asked, it passed by rule"
    elif position < card.stage or card.state == "approved":
        state = "passed"
    elif position > card.stage:
        state = "not asked yet" if card.is_pending else "not asked"
    else:
        state = "asked now" if card.is_pending else words.STATES[card.state].split()[-1]
    lines = [
        f"*{position + 1}. {words.describe_asked(card, position)}* · {words.describe_tally(stage)} · {state}"
    ]
    lines += [_line(line) for line in card.lines[:MOST_LINES] if line.position == position]
    lines += [
        f"• _{words.describe_verdict(line)}_ {blocks.when(line.at)}, counts no more since {blocks.when(line.taken_back_at)}"
        for line in card.taken_back[-MOST_LINES:]
        if line.position == position and line.taken_back_at is not None
    ]
    return "\n".join(lines)


def _line(line: Line) -> str:
    rule = f"`{blocks.escape(line.rule, 80)}`"
    if line.group:
        rule += f", as a member of {blocks.escape(line.group, 60)}"
    if line.read_at is not None:
        rule += f" (read from Slack {blocks.when(line.read_at)})"
    line_ = f"• *{words.describe_verdict(line)}* · {blocks.when(line.at)} · by {rule}"
    return line_ + (f"\n{blocks.quote(line.reason, 300)}" if line.reason else "")


def waiting_row(card: Card, where: str = "list") -> list[Block]:
    """A request that waits for the reader, with its buttons; `where` names the place among a message's blocks."""
    why = card.reader.why if card.reader else ""
    return [
        blocks.section(
            f"*{words.asks(card)}*\n{blocks.quote(card.reason, 160)} — {blocks.escape(card.requester.name, 60)}"
        ),
        *([blocks.context(" · ".join(new))] if (new := words.list_changes(card)) else []),
        blocks.context(
            " · ".join(
                filter(
                    None,
                    [
                        f"You are asked because {blocks.escape(why, 100)}" if why else "",
                        words.describe_progress(card),
                        f"by {blocks.when(card.expires_at)}, else it expires and {blocks.escape(card.words.stays, 120)}",
                    ],
                )
            )
        ),
        words.buttons(card, words.decide_buttons(card), where),
    ]


def digest_row(card: Card, is_first: bool) -> list[Block]:
    """A request inside somebody's digest: with its buttons while it is theirs to decide, else how it went on.

    Only the first one of a message has a button that stands out.
    """
    reader = card.reader
    place = f"digest:{card.id}:{card.revision}"
    if card.is_pending and reader is not None and reader.why and reader.line is None:
        by = f"by {blocks.when(card.expires_at)}, else it expires and {blocks.escape(card.words.stays, 80)}"
        elements = words.decide_buttons(card)
        if not is_first:
            elements[0].pop("style", None)
        new = "".join(f"\n{line}" for line in words.list_changes(card))
        return [
            blocks.section(
                f"*{words.asks(card, 120)}*\nYou are asked because {blocks.escape(reader.why, 60)} · {by}{new}"
            ),
            words.buttons(card, elements, "digest"),
        ]
    if not card.is_pending:
        outcome = words.describe_outcome(card)
    elif reader is not None and reader.line is not None:
        did = "approved" if reader.line.verdict == "approve" else "rejected"
        outcome = f"*You {did}* · {blocks.when(reader.line.at)} · {words.asks(card)} · waiting for {words.describe_progress(card)}"
    else:
        outcome = f"*Went on* · {words.asks(card)} · waiting for {words.describe_progress(card)}"
    return [blocks.section(outcome, accessory=words.details_button(card), block_id=place)]


def asked_row(card: Card) -> Block:
    """A request of the reader's own, on one line."""
    place = f"approval:{card.id}:{card.revision}:mine"
    if words.can_ask_again(card):
        return blocks.section(
            words.describe_outcome(card), accessory=words.again_button(card), block_id=place
        )
    if not card.is_pending:
        return blocks.section(words.describe_outcome(card))
    if card.question is not None:
        asker = blocks.escape(card.question.asker.name, 60)
        return blocks.section(
            f"*Waiting for you* · {words.asks(card)}\n{asker} asks: {blocks.quote(card.question.text, 200)}",
            accessory=words.answer_button(card),
            block_id=place,
        )
    if card.moved is not None:
        return blocks.section(
            f"*Waiting for you* · {words.asks(card)}\n{blocks.escape(card.moved.clause, 200)}. "
            "Nobody can approve it before you say what to ask for now.",
            accessory=words.details_button(card),
            block_id=place,
        )
    return blocks.section(
        f"*Waiting* · {words.asks(card)}\nWith {words.describe_asked(card, card.stage)}: "
        f"{words.describe_tally(card.round)} · answer by {blocks.when(card.expires_at)}"
        + "".join(f"\n{line}" for line in words.list_changes(card)),
        accessory=words.details_button(card),
        block_id=place,
    )


def decide_several_row(total: int) -> list[Block]:
    """The button that opens the window, where several requests wait."""
    if total < 2:
        return []
    button = blocks.button(
        "Decide several…", words.SEVERAL, "all", hint="Decide several requests at once"
    )
    return [blocks.actions([button], block_id="approvals:several")]


def nothing_waits(asked_: Sequence[Card]) -> str:
    """The useful empty state."""
    pending = [card for card in asked_ if card.is_pending]
    if not pending:
        return "Nothing waits for you, and nothing that you asked for waits for others."
    oldest = min(pending, key=lambda card: card.expires_at)
    many = "1 request of yours is" if len(pending) == 1 else f"{len(pending)} requests of yours are"
    return f"Nothing waits for you. {many} with others; the first answer is due {blocks.when(oldest.expires_at)}."


def build_answer(waiting_: Sequence[Card], asked_: Sequence[Card]) -> tuple[str, list[Block]]:
    """`/mlgov approvals`: the text and the blocks."""
    if waiting_:
        text = (
            "1 decision waits for you"
            if len(waiting_) == 1
            else f"{len(waiting_)} decisions wait for you"
        )
    else:
        text = nothing_waits(asked_)
    parts = [blocks.section(f"*{text}*" if waiting_ else text)]
    fitting = _fitting([waiting_row(card) for card in waiting_[:MOST_LISTED]], parts)
    parts += [block for entry in fitting for block in entry]
    parts += decide_several_row(len(waiting_))
    if len(waiting_) > len(fitting):
        parts.append(
            blocks.context(
                f"…and {len(waiting_) - len(fitting)} more: decide some, and they move up."
            )
        )
    if asked_:
        parts += [blocks.divider(), blocks.section("*You asked for*")]
        room = min(MOST_LISTED, blocks.MESSAGE_BLOCKS - 1 - len(parts))
        mine = _fitting([[asked_row(card)] for card in asked_[:room]], parts)
        parts += [block for entry in mine for block in entry]
        if len(asked_) > len(mine):
            parts.append(blocks.context(f"…and {len(asked_) - len(mine)} more"))
    return text, parts


def _fitting(entries: list[list[Block]], before: list[Block]) -> list[list[Block]]:
    """As many of the entries, in order, as a message with `before` in it still has room for."""
    room = MOST_CHARACTERS - len(json.dumps(before, ensure_ascii=False))
    kept = []
    for entry in entries:
        room -= len(json.dumps(entry, ensure_ascii=False))
        if room < 0:
            break
        kept.append(entry)
    return kept
