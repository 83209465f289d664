"""How a request is shown: in its channel, to those who are asked, and to whoever asked. Pure."""

from bot import blocks
from bot.blocks import Block
from bot.rendering import Rendered, Scene
from storage.enums import ApprovalState, Verdict
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalReceipt,
    ApprovalStory,
)
from workflows.approvals.records import Card, Line, Round, Someone

APPROVE, REJECT, DETAILS, WITHDRAW = (
    "approvals.approve",
    "approvals.reject",
    "approvals.details",
    "approvals.withdraw",
)

_STATE_WORDS = {
    ApprovalState.PENDING: "Waiting",
    ApprovalState.APPROVED: ":white_check_mark: Approved",
    ApprovalState.REJECTED: ":no_entry: Rejected",
    ApprovalState.EXPIRED: ":hourglass: Expired",
    ApprovalState.WITHDRAWN: ":leftwards_arrow_with_hook: Withdrawn",
}


def value(card: Card) -> str:
    """What a button carries: the request, and the revision that it showed."""
    return f"{card.id}:{card.revision}"


def someone(person: Someone) -> str:
    """A person as Slack shows them."""
    return blocks.mention(person.slack_id, person.name)


def asks(card: Card) -> str:
    """`Ticket triage asks to raise January's budget: 40,000 → 52,000 EUR (+30 %)`."""
    return f"{blocks.escape(card.words.project, 100)} asks to {blocks.escape(card.words.asks, 250)}"


def progress(card: Card) -> str:
    """`step 2 of 2, Finance: 1 of 2 approved`."""
    round_ = card.round
    step = (
        f"step {card.stage + 1} of {len(card.rounds)}, " if len(card.rounds) > 1 else ""
    )
    return f"{step}{blocks.escape(round_.name, 60)}: {round_.approved} of {round_.quorum} approved"


def silence(card: Card) -> str:
    """What happens if nobody decides."""
    return f"If nobody decides by {blocks.when(card.expires_at)} this expires and {blocks.escape(card.words.stays, 150)}."


def _notification(card: Card) -> str:
    until = blocks.instant(card.expires_at)
    return (
        f"{blocks.plain(card.words.project, 100)} asks to {blocks.plain(card.words.asks, 250)} · "
        f"{card.round.approved} of {card.round.quorum} approved · decide by {until}"
    )


def _reason(card: Card) -> str:
    said = blocks.quote(card.reason, 500) if card.reason else "No reason is kept."
    return (
        f"{said} — asked by {someone(card.requester)}, {blocks.when(card.created_at)}"
    )


def _rounds(card: Card) -> str:
    """What has been decided, and who is asked now."""
    told = [
        _passed(card, round_) for round_ in card.rounds if round_.position < card.stage
    ]
    now = card.round
    who = ", ".join(blocks.escape(name, 60) for name in now.asked[:4])
    more = f" and {len(now.asked) - 4} more" if len(now.asked) > 4 else ""
    told.append(f"{progress(card)} · asked: {who}{more}" if who else progress(card))
    return " · ".join(told)


def _passed(card: Card, round_: Round) -> str:
    by = [line for line in card.approvers if line.position == round_.position]
    names = " and ".join(someone(line.person) for line in by) or "nobody"
    at = f" {blocks.when(by[-1].at)}" if by else ""
    return f"{blocks.escape(round_.name, 60)} approved by {names}{at}"


def buttons(card: Card) -> Block:
    """Approve, Reject, Details."""
    shown = value(card)
    return blocks.actions(
        [
            blocks.button(
                "Approve",
                APPROVE,
                shown,
                style="primary",
                hint=f"Approve request {card.id}",
            ),
            blocks.button("Reject", REJECT, shown, hint=f"Reject request {card.id}"),
            blocks.button("Details", DETAILS, shown),
        ],
        block_id=f"approval-{card.id}-{card.revision}",
    )


def outcome(card: Card) -> str:
    """The one line that stays when it is over."""
    state = _STATE_WORDS[card.state]
    at = blocks.when(card.decided_at or card.expires_at)
    if card.state is ApprovalState.APPROVED:
        by = (
            " and ".join(dict.fromkeys(someone(line.person) for line in card.approvers))
            or "rule"
        )
        done = blocks.escape(card.words.done, 300)
        return f"{state} by {by} · {at} · {done}"
    stays = blocks.escape(card.words.stays, 200)
    what = f"{blocks.escape(card.words.project, 100)}: {blocks.escape(card.words.asks, 250)}"
    if card.state is ApprovalState.REJECTED and card.rejection is not None:
        why = (
            f": {blocks.quote(card.rejection.reason, 300)}"
            if card.rejection.reason
            else ""
        )
        return (
            f"{state} by {someone(card.rejection.person)} · {at}{why} · {what}; {stays}"
        )
    if card.state is ApprovalState.WITHDRAWN:
        return f"{state} by {someone(card.requester)} · {at} · {what}; {stays}"
    return f"{state} · {at} · nobody decided in time · {what}; {stays}"


def outcome_text(card: Card) -> str:
    """The same for a notification, in plain text."""
    word = {
        ApprovalState.APPROVED: "Approved",
        ApprovalState.REJECTED: "Rejected",
        ApprovalState.EXPIRED: "Expired",
        ApprovalState.WITHDRAWN: "Withdrawn",
        ApprovalState.PENDING: "Waiting",
    }[card.state]
    if card.state is ApprovalState.APPROVED:
        return f"{word}: {blocks.plain(card.words.done, 300)}"
    return f"{word}: {blocks.plain(card.words.project, 100)}, {blocks.plain(card.words.asks, 250)}; {blocks.plain(card.words.stays, 200)}"


def _outside(card: Card, *, text: str) -> Rendered:
    shown = "A request about this project " + (
        "waits for a decision." if card.is_pending else f"is {card.state.value}."
    )
    return Rendered(
        shown,
        [
            blocks.section(shown),
            blocks.context(
                "Its content is not shown here, because people from outside read this channel. "
                + text
            ),
        ],
        is_final=not card.is_pending,
    )


def channel_card(card: Card, notice: ApprovalCard, scene: Scene) -> Rendered:
    """The card in the project's channel."""
    if not scene.is_closed:
        return _outside(card, text="Those who decide were asked in a direct message.")
    if not card.is_pending:
        return _ended(card)
    return Rendered(
        _notification(card),
        [
            blocks.section(f"*{asks(card)}*\n{_reason(card)}"),
            blocks.context(_rounds(card)),
            blocks.context(silence(card)),
            buttons(card),
        ],
    )


def _ended(card: Card, note: str = "") -> Rendered:
    shown = [blocks.section(outcome(card))]
    if note:
        shown.append(blocks.context(note))
    return Rendered(outcome_text(card), shown, is_final=True)


def asked(card: Card, notice: ApprovalAsked, scene: Scene) -> Rendered:
    """The card of one approver."""
    if not card.is_pending:
        return _ended(card)
    own = card.reader.line if card.reader else None
    body = blocks.section(f"*{asks(card)}*\n{_reason(card)}")
    if own is not None:
        did = "approved" if own.verdict is Verdict.APPROVE else "rejected"
        said = f"You {did} this {blocks.when(own.at)} · now with {progress(card)}"
        return Rendered(
            f"You {did} this: {blocks.plain(card.words.project)} asks to {blocks.plain(card.words.asks, 250)}",
            [
                body,
                blocks.context(said),
                blocks.actions([blocks.button("Details", DETAILS, value(card))]),
            ],
        )
    if card.stage != notice.position:
        said = f"This stage has passed without you; nothing is needed from you. Now with {progress(card)}"
        return Rendered(
            f"Nothing is needed from you: {blocks.plain(card.words.project)} asks to {blocks.plain(card.words.asks, 250)}",
            [
                body,
                blocks.context(said),
                blocks.actions([blocks.button("Details", DETAILS, value(card))]),
            ],
        )
    why = (
        card.reader.why
        if card.reader and card.reader.why
        else "you were among those who decide"
    )
    return Rendered(
        _notification(card),
        [
            body,
            blocks.context(
                f"You are asked because {blocks.escape(why, 150)} · {_rounds(card)}"
            ),
            blocks.context(silence(card)),
            buttons(card),
        ],
    )


def receipt(card: Card, notice: ApprovalReceipt, scene: Scene) -> Rendered:
    """The requester's own copy."""
    if not card.is_pending:
        return _ended(card)
    text = f"You asked to {blocks.plain(card.words.asks, 250)} · {card.round.approved} of {card.round.quorum} approved"
    return Rendered(
        text,
        [
            blocks.section(
                f"*You asked to {blocks.escape(card.words.asks, 250)}* · {blocks.escape(card.words.project, 100)}"
            ),
            blocks.context(_rounds(card)),
            blocks.context(silence(card)),
            blocks.actions(
                [
                    blocks.button("Details", DETAILS, value(card)),
                    blocks.button(
                        "Withdraw",
                        WITHDRAW,
                        value(card),
                        confirm=blocks.confirm(
                            "Withdraw this request?",
                            f"Nobody can decide it then, and {card.words.stays}.",
                            yes="Withdraw",
                            danger=True,
                        ),
                    ),
                ],
                block_id=f"receipt-{card.id}",
            ),
        ],
    )


def ended(card: Card, notice: ApprovalEnded, scene: Scene) -> Rendered:
    """News for whoever asked."""
    if card.state is ApprovalState.APPROVED:
        by = " and ".join(
            dict.fromkeys(someone(line.person) for line in card.approvers)
        )
        words = f"*Your request was approved* by {by}: {blocks.escape(card.words.done, 300)}."
    elif card.state is ApprovalState.REJECTED and card.rejection is not None:
        why = (
            f": {blocks.quote(card.rejection.reason, 400)}"
            if card.rejection.reason
            else ""
        )
        words = (
            f"*Your request was rejected* by {someone(card.rejection.person)}{why}. "
            f"It asked to {blocks.escape(card.words.asks, 250)}; {blocks.escape(card.words.stays, 150)}."
        )
    else:
        words = (
            f"*Your request expired*: nobody decided in time. It asked to {blocks.escape(card.words.asks, 250)}; "
            f"{blocks.escape(card.words.stays, 150)}. You can ask again."
        )
    return Rendered(
        f"Your request: {outcome_text(card)}", [blocks.section(words)], is_final=True
    )


def story(card: Card, notice: ApprovalStory, scene: Scene) -> Rendered | None:
    """One line in the thread: who decided, when and why, or how it ended."""
    if not scene.is_closed:
        return Rendered(
            "A decision was made.",
            [blocks.section("A decision was made.")],
            is_final=True,
        )
    if notice.decision_id:
        line = next(
            (item for item in card.lines if item.id == notice.decision_id), None
        )
        if line is None:
            return None
        words = _verdict(card, line)
        return Rendered(words, [blocks.section(words)], is_final=True)
    return Rendered(outcome_text(card), [blocks.section(outcome(card))], is_final=True)


def _verdict(card: Card, line: Line) -> str:
    did = "approved" if line.verdict is Verdict.APPROVE else "rejected"
    why = f": {blocks.quote(line.reason, 500)}" if line.reason else ""
    through = f" as one of {blocks.escape(line.group, 60)}" if line.group else ""
    round_ = card.rounds[line.position]
    return f"{someone(line.person)} {did} this{through} ({blocks.escape(round_.name, 60)}) · {blocks.when(line.at)}{why}"
