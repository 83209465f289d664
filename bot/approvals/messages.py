"""What people read about requests in channels, threads and direct messages."""

from bot import blocks
from bot.approvals import words
from bot.blocks import Block, Element
from bot.rendering import Rendered, Scene
from storage.enums import ApprovalState, Ask
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalReceipt,
    ApprovalStory,
)
from workflows.approvals.records import Card

REASON = 240
"""Characters of the reason on a card; all of it stands under Details."""

_HIDDEN = (
    "A request for approval waits for a decision. People from outside read this channel, "
    "so what it is about is shown only to those who decide and to those who asked."
)
_HIDDEN_ENDED = "A request for approval has ended. People from outside read this channel, so nothing more is said here."


def card(record: Card, notice: ApprovalCard, scene: Scene) -> Rendered:
    """The channel's one card; where outsiders read along, only that there is a request."""
    if not scene.is_closed:
        hidden = _HIDDEN if record.is_pending else _HIDDEN_ENDED
        return Rendered(
            hidden, [blocks.section(hidden)], is_final=not record.is_pending
        )
    if not record.is_pending:
        return _finished(record, in_thread=True)
    buttons = (
        [words.details_button(record)]
        if record.round.ask is Ask.DM
        else words.decide_buttons(record)
    )
    with_whom = " · ".join(
        filter(
            None,
            [
                "*Waiting for the requester*" if record.question else "",
                words.step(record).capitalize(),
                words.asked(record, record.stage),
                f"{record.round.approved} of {record.round.quorum} approved",
                words.passed(record),
            ],
        )
    )
    return Rendered(
        _news(record, scene),
        [
            *_question(record),
            blocks.context(with_whom),
            blocks.context(words.silence(record)),
            words.buttons(record, buttons),
        ],
    )


def asked(record: Card, notice: ApprovalAsked, scene: Scene) -> Rendered:
    """An approver's own card: the question while it is theirs, then how it went on."""
    if not record.is_pending:
        return _finished(record)
    reader = record.reader
    if reader is not None and reader.line is not None:
        told = f"*You {'approved' if reader.line.verdict == 'approve' else 'rejected'}* · {blocks.when(reader.line.at)}"
        return _settled(
            record,
            scene,
            f"{told} · {words.asks(record)}",
            [words.take_back_button(record), words.details_button(record)],
        )
    if record.stage > notice.position:
        return _settled(record, scene, f"*Went on* · {words.asks(record)}")
    if reader is None or not reader.why:
        now = (
            f"You handed this over to {blocks.escape(reader.handed_to, 60)}."
            if reader is not None and reader.handed_to
            else "You are not among those asked any more."
        )
        return _settled(record, scene, f"*Waiting* · {words.asks(record)}\n{now}")
    why = " · ".join(
        filter(
            None,
            [
                "*Waiting for the requester*" if record.question else "",
                f"You are asked because {blocks.escape(reader.why, 100)}",
                words.step(record),
                f"{record.round.approved} of {record.round.quorum} approved",
                words.passed(record),
            ],
        )
    )
    return Rendered(
        _news(record, scene),
        [
            *_question(record),
            blocks.context(why),
            blocks.context(words.silence(record)),
            words.buttons(record, words.decide_buttons(record)),
        ],
    )


def receipt(record: Card, notice: ApprovalReceipt, scene: Scene) -> Rendered:
    """The requester's copy: with whom it is, what follows, and the way to take it back."""
    if not record.is_pending:
        return _finished(record)
    later = [
        words.asked(record, stage.position)
        for stage in record.rounds[record.stage + 1 :]
    ]
    where = f"With {words.asked(record, record.stage)}: {record.round.approved} of {record.round.quorum} approved"
    if later:
        where += f" · then {', then '.join(later)}"
    head = f"You asked to {blocks.escape(record.words.asks, 200)}, {blocks.escape(record.words.project, 80)}"
    by = blocks.instant(record.expires_at, scene.policy.organisation.zone)
    how = (
        f"waiting for your answer to {blocks.escape(record.question.asker.name, 60)}"
        if record.question
        else f"{words.progress(record)} · decide by {by}"
    )
    return Rendered(
        f"{head} · {how}",
        [
            blocks.section(f"*{head}*\n{blocks.quote(record.reason, REASON)}"),
            *_said(record),
            blocks.context(
                " · ".join(filter(None, [where, words.passed(record)])),
            ),
            blocks.context(words.silence(record)),
            words.buttons(record, _receipt_buttons(record)),
        ],
    )


def _receipt_buttons(record: Card) -> list[Element]:
    first, *rest = words.requester_buttons(record)
    details = words.details_button(record)
    if record.question is not None:
        return [first, details, *rest]
    return [details, first, *rest]


def ended(record: Card, notice: ApprovalEnded, scene: Scene) -> Rendered:
    """News for the requester: how it ended, by whom and why."""
    shown = [blocks.section(words.outcome(record))]
    shown += [
        blocks.context(f"{words.verdict(line)}: {blocks.quote(line.reason, 600)}")
        for line in record.lines
        if line.reason
    ][-10:]
    if record.state in (ApprovalState.REJECTED, ApprovalState.EXPIRED):
        shown.append(blocks.context("You can ask again with a new request."))
    return Rendered(
        f"Your request: {words.plain_outcome(record)}", shown, is_final=True
    )


def story(record: Card, notice: ApprovalStory, scene: Scene) -> Rendered:
    """One line of the thread: who decided, when and why, and where it is now."""
    line = next(
        (
            item
            for item in (*record.lines, *record.taken_back)
            if item.id == notice.decision_id
        ),
        None,
    )
    if line is None:
        return Rendered(
            words.plain_outcome(record),
            [blocks.section(words.outcome(record))],
            is_final=True,
        )
    stage = record.rounds[line.position]
    given = sum(
        item.position == line.position and item.id <= line.id
        for item in record.approvers
    )
    name = blocks.escape(stage.name, 60)
    # A mention and not a name: two people can have one name, and anybody can change theirs.
    who = blocks.mention(line.person.slack_id, line.person.name)
    did = f"{who} {'approved' if line.verdict == 'approve' else 'rejected'} this"
    head = f"*{did}* · {name}"
    if line.verdict == "approve":
        head += f", {given} of {stage.quorum}"
    told = [f"{head} · {blocks.when(line.at)}"]
    if line.reason:
        told.append(blocks.quote(line.reason, 600))
    if line.verdict == "reject":
        told.append(f"Rejected: {blocks.escape(record.words.stays, 200)}.")
    elif given >= stage.quorum and line.position + 1 < len(record.rounds):
        told.append(f"Now with {words.asked(record, line.position + 1)}.")
    elif given >= stage.quorum:
        told.append(f"Approved: {blocks.escape(record.words.done, 200)}.")
    text = f"{did} ({name}, {given} of {stage.quorum})"
    if line.verdict == "reject":
        text = f"{did}: {blocks.escape(line.reason, 150)}"
    return Rendered(text, [blocks.section("\n".join(told))], is_final=True)


def _news(record: Card, scene: Scene) -> str:
    """The notification: who, what, how much, how far, by when; it stands alone."""
    by = blocks.instant(record.expires_at, scene.policy.organisation.zone)
    if record.question is not None:
        return f"{words.asks(record)} · waiting for {blocks.escape(record.requester.name, 60)} to answer a question"
    return f"{words.asks(record)} · {words.progress(record)} · decide by {by}"


def _said(record: Card) -> list[Block]:
    told = words.said(record)
    return [blocks.section("\n".join(told))] if told else []


def _question(record: Card) -> list[Block]:
    who = blocks.escape(record.requester.name, 60)
    return [
        blocks.section(
            f"*{words.asks(record)}*\n{blocks.quote(record.reason, REASON)} — asked by {who}, {blocks.when(record.created_at)}"
        ),
        *_said(record),
    ]


def _settled(
    record: Card, scene: Scene, head: str, buttons: list[Element] | None = None
) -> Rendered:
    """Nothing left to decide for this reader, though others still do."""
    text = (
        f"{head}\nWaiting for {words.asked(record, record.stage)}: "
        f"{record.round.approved} of {record.round.quorum} approved"
    )
    if buttons:
        return Rendered(
            _news(record, scene),
            [blocks.section(text), words.buttons(record, buttons, "settled")],
        )
    return Rendered(
        _news(record, scene),
        [
            blocks.section(
                text,
                accessory=words.details_button(record),
                block_id=f"approval:{record.id}:{record.revision}:settled",
            )
        ],
    )


def _finished(record: Card, *, in_thread: bool = False) -> Rendered:
    return Rendered(
        words.plain_outcome(record),
        [blocks.section(words.outcome(record, in_thread=in_thread))],
        is_final=True,
    )
