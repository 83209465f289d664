"""What people read about requests in channels, threads and direct messages."""

from bot.approvals import windows, words
from bot.delivery.rendering import Rendered, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from storage.enums import ApprovalState, Ask
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalEscalated,
    ApprovalReceipt,
    ApprovalsDue,
    ApprovalStory,
    ApprovalValidityEnded,
)
from workflows.approvals.records import Card, Reminder

# --- What is left of earlier messages once an approval has lapsed
#
# one message tells it, and these get shorter.


def describe_earlier(record: Card, person_id: str) -> Rendered | None:
    """A message from before the lapse, to somebody who gets one of its own about that; None for everything else."""
    hears = {record.requester.id, *(line.person.id for line in record.lines)}
    for each in record.conditions:
        hears |= {each.owner.id, each.setter.id}
    if record.state is not ApprovalState.LAPSED or person_id not in hears:
        return None
    what = words.asks(record)
    return Rendered(
        f"{words.state(record).split()[-1]}: {what}",
        [blocks.section(f"*{words.state(record)}* · {what}")],
        is_final=True,
    )


# --- What people read about requests in channels, threads and direct messages

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
        return Rendered(hidden, [blocks.section(hidden)], is_final=record.is_settled)
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
                "*Waiting for the requester*" if words.waits_for_requester(record) else "",
                words.describe_step(record).capitalize(),
                words.describe_asked(record, record.stage),
                words.describe_tally(record.round),
                words.describe_passed(record),
            ],
        )
    )
    return Rendered(
        _news(record, scene),
        [
            *_question(record),
            blocks.context(with_whom),
            blocks.context(words.describe_silence(record)),
            words.buttons(record, buttons),
        ],
    )


def asked(record: Card, notice: ApprovalAsked, scene: Scene) -> Rendered:
    """An approver's own card: the question while it is theirs, then how it went on."""
    if not record.is_pending:
        return describe_earlier(record, notice.person_id) or _finished(record)
    reader = record.reader
    if reader is not None and reader.line is not None:
        line = f"*You {'approved' if reader.line.verdict == 'approve' else 'rejected'}* · {blocks.when(reader.line.at)}"
        return _settled(
            record,
            scene,
            f"{line} · {words.asks(record)}",
            [words.take_back_button(record), words.details_button(record)],
        )
    if reader is not None and reader.is_part_done:
        return _settled(record, scene, f"*Your part is done* · {words.asks(record)}")
    if record.stage > notice.position:
        return _settled(record, scene, f"*Went on* · {words.asks(record)}")
    if record.stage < notice.position:
        first = blocks.escape(record.round.name, 60)
        head = f"*Waiting* · {words.asks(record)}\nIt goes back to {first} first. You'll be asked again when it's your turn."
        return _settled(record, scene, head)
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
                "*Waiting for the requester*" if words.waits_for_requester(record) else "",
                f"You are asked because {blocks.escape(reader.why, 100)}",
                words.describe_step(record),
                words.describe_tally(record.round),
                words.describe_passed(record),
            ],
        )
    )
    return Rendered(
        _news(record, scene),
        [
            *_question(record),
            blocks.context(why),
            blocks.context(words.describe_silence(record)),
            words.buttons(record, words.decide_buttons(record)),
        ],
    )


def receipt(record: Card, notice: ApprovalReceipt, scene: Scene) -> Rendered:
    """The requester's copy: with whom it is, what follows, and the way to take it back."""
    if record.state is ApprovalState.WITHDRAWN:
        return _finished(record)
    if not record.is_pending:
        # The news of the end is a message of its own; here it is enough that nothing waits any more.
        what = f"You asked to {blocks.escape(record.words.asks, 200)}, {blocks.escape(record.words.project, 80)}"
        return Rendered(
            f"{words.state(record).split()[-1]}: {what}",
            [blocks.section(f"*{words.state(record)}* · {what}")],
            is_final=record.is_settled,
        )
    later = [
        words.describe_asked(record, stage.position) for stage in record.rounds[record.stage + 1 :]
    ]
    where = (
        f"With {words.describe_asked(record, record.stage)}: {words.describe_tally(record.round)}"
    )
    if later:
        where += f" · then {', then '.join(later)}"
    head = f"You asked to {blocks.escape(record.words.asks, 200)}, {blocks.escape(record.words.project, 80)}"
    by = blocks.instant(record.expires_at, scene.policy.organisation.zone)
    how = f"{words.describe_progress(record)} · decide by {by}"
    if record.question:
        how = f"waiting for your answer to {blocks.escape(record.question.asker.name, 60)}"
    elif record.moved is not None:
        how = f"waiting for you: {blocks.escape(record.moved.clause, 200)}"
    return Rendered(
        f"{head} · {how}",
        [
            blocks.section(f"*{head}*\n{blocks.quote(record.reason, REASON)}"),
            *_moved(record, to_requester=True),
            *_said(record),
            blocks.context(
                " · ".join(
                    filter(
                        None,
                        [where, words.describe_passed(record), words.describe_left_out(record)],
                    )
                )
            ),
            blocks.context(words.describe_silence(record, to_requester=True)),
            words.buttons(record, _receipt_buttons(record)),
        ],
    )


def _receipt_buttons(record: Card) -> list[Element]:
    first, *rest = words.requester_buttons(record)
    details = words.details_button(record)
    if words.waits_for_requester(record):
        return [first, *rest, details] if record.moved else [first, details, *rest]
    return [details, first, *rest]


def ended(record: Card, notice: ApprovalEnded, scene: Scene) -> Rendered:
    """News for the requester: how it ended, by whom and why."""
    if (short := describe_earlier(record, record.requester.id)) is not None:
        return short
    parts = [
        blocks.section(words.describe_outcome(record)),
        *(blocks.context(line) for line in words.list_conditions(record)),
    ]
    parts += [
        blocks.context(f"{words.describe_verdict(line)}: {blocks.quote(line.reason, 600)}")
        for line in record.lines
        if line.reason
    ][-10:]
    if record.by_rule:
        parts.append(blocks.context("The policy lets this pass without asking anybody."))
    if words.can_ask_again(record):
        parts.append(
            words.buttons(
                record, [words.again_button(record), words.details_button(record)], "ended"
            )
        )
    elif record.state in (ApprovalState.REJECTED, ApprovalState.EXPIRED):
        parts.append(blocks.context("You can ask again with a new request."))
    return Rendered(
        f"Your request: {words.describe_outcome_plainly(record)}", parts, is_final=record.is_settled
    )


def story(record: Card, notice: ApprovalStory, scene: Scene) -> Rendered:
    """One line of the thread: who decided, when and why, and where it is now."""
    line = next(
        (item for item in (*record.lines, *record.taken_back) if item.id == notice.decision_id),
        None,
    )
    if line is None:
        return Rendered(
            words.describe_outcome_plainly(record),
            [blocks.section(words.describe_outcome(record))],
            is_final=True,
        )
    stage = record.rounds[line.position]
    given = sum(item.position == line.position and item.id <= line.id for item in record.approvers)
    is_passed = record.stage > line.position or record.state is ApprovalState.APPROVED
    # None counts any more where the last one was taken back before this was drawn.
    last = max((item.id for item in record.lines if item.position == line.position), default=None)
    is_last = is_passed and line.id == last
    name = blocks.escape(stage.name, 60)
    # A mention and not a name: two people can have one name, and anybody can change theirs.
    who = blocks.mention(line.person.slack_id, line.person.name)
    did = f"{who} {'approved' if line.verdict == 'approve' else 'rejected'} this"
    if line.instead_of:
        did += f" for {blocks.escape(line.instead_of, 60)}, who is away"
    head = f"*{did}* · {name}"
    if line.verdict == "approve":
        head += f", {given} of {stage.quorum}" if not stage.parts else ""
    lines = [f"{head} · {blocks.when(line.at)}"]
    if line.reason:
        lines.append(blocks.quote(line.reason, 600))
    if line.verdict == "reject":
        lines.append(f"Rejected: {blocks.escape(record.words.stays, 200)}.")
    elif is_last and line.position + 1 < len(record.rounds):
        lines.append(f"Now with {words.describe_asked(record, line.position + 1)}.")
    elif is_last:
        lines.append(f"Approved: {blocks.escape(record.words.done, 200)}.")
    text = f"{did} ({name}, {given} of {stage.quorum})"
    if line.verdict == "reject":
        text = f"{did}: {blocks.escape(line.reason, 150)}"
    return Rendered(text, [blocks.section("\n".join(lines))], is_final=True)


def due(record: Reminder, notice: ApprovalsDue, scene: Scene) -> Rendered:
    """One message with everything that waits for the reader; what was decided meanwhile says so."""
    waiting = [card for card in record.cards if _waits(card)]
    zone = scene.policy.organisation.zone
    if not waiting:
        text = "Nothing of this waits for you any more"
        lines = [f"*{text}*", *(_how_it_went(card) for card in record.cards[:MOST_DUE])]
        return Rendered(text, [blocks.section("\n".join(lines))], is_final=True)
    first = waiting[0]
    by = blocks.instant(first.expires_at, zone)
    text = (
        f"Still waiting for you: {words.asks(first)} · decide by {by}"
        if len(waiting) == 1
        else f"{len(waiting)} decisions still wait for you, the first until {by}"
    )
    head = "Still waiting for you" if len(waiting) == 1 else text
    parts = [blocks.section(f"*{head}*")]
    for card in waiting[:MOST_DUE]:
        parts += windows.waiting_row(card, "due")
    if len(waiting) > MOST_DUE:
        parts.append(
            blocks.context(f"…and {len(waiting) - MOST_DUE} more under `/mlgov approvals`")
        )
    gone = [card for card in record.cards if not _waits(card)]
    if gone:
        parts.append(blocks.section("\n".join(_how_it_went(card) for card in gone[:MOST_DUE])))
    parts.append(
        blocks.context(
            f"You will be reminded again {blocks.when(record.next_at)}, unless you decide before."
            if record.next_at is not None
            else "This is the last reminder."
        )
    )
    return Rendered(text, parts)


MOST_DUE = 10
"""Requests that one reminder lists with buttons."""


def _waits(card: Card) -> bool:
    reader = card.reader
    return card.is_pending and reader is not None and bool(reader.why) and reader.line is None


def _how_it_went(card: Card) -> str:
    if not card.is_pending:
        return f"• {words.describe_outcome(card)}"
    return f"• *Went on* · {words.asks(card)} · waiting for {words.describe_progress(card)}"


def escalated(record: Card, notice: ApprovalEscalated, scene: Scene) -> Rendered:
    """A stage waited too long: who is asked now, or, to whoever is told of it, that it waits."""
    stage = record.rounds[notice.position]
    name = blocks.escape(stage.name, 60)
    if notice.person_id:
        if not record.is_pending:
            return _finished(record)
        text = f"Waiting for too long: {words.asks(record)}"
        return Rendered(
            text,
            [
                blocks.section(
                    f"*{text}*\nWith {words.describe_asked(record, record.stage)}: {words.describe_tally(record.round)}",
                    accessory=words.details_button(record),
                ),
                blocks.context(words.describe_silence(record)),
                blocks.context(
                    "You are told because the policy names you. Nothing is asked of you."
                ),
            ],
            is_final=True,
        )
    step = stage.escalation
    done = words.describe_escalation(step) if step is not None else "others are asked"
    text = f"{name} has not decided for a while, so {done} now"
    return Rendered(text, [blocks.section(f"*{text}*")], is_final=True)


def validity_ended(record: Card, notice: ApprovalValidityEnded, scene: Scene) -> Rendered:
    """The approval holds no longer."""
    text = f"No longer approved: {words.asks(record)}"
    at = blocks.when(record.valid_until) if record.valid_until else "now"
    return Rendered(
        text,
        [
            blocks.section(f"*{text}*\nThe approval held until {at}."),
            blocks.context("Ask again with a new request if it is still needed."),
        ],
        is_final=True,
    )


def _news(record: Card, scene: Scene) -> str:
    """The notification: who, what, how much, how far, by when; it stands alone."""
    by = blocks.instant(record.expires_at, scene.policy.organisation.zone)
    if record.question is not None:
        return f"{words.asks(record)} · waiting for {blocks.escape(record.requester.name, 60)} to answer a question"
    if record.moved is not None:
        return f"{words.asks(record)} · waiting for {blocks.escape(record.requester.name, 60)}: {blocks.escape(record.moved.clause, 200)}"
    return f"{words.asks(record)} · {words.describe_progress(record)} · decide by {by}"


def _moved(record: Card, *, to_requester: bool = False) -> list[Block]:
    change = words.describe_moved_subject(record, to_requester=to_requester)
    return [blocks.section(change)] if change else []


def _said(record: Card) -> list[Block]:
    lines = words.list_remarks(record)
    return [blocks.section("\n".join(lines))] if lines else []


def _question(record: Card) -> list[Block]:
    who = blocks.escape(record.requester.name, 60)
    return [
        blocks.section(
            f"*{words.asks(record)}*\n{blocks.quote(record.reason, REASON)} — asked by {who}, {blocks.when(record.created_at)}"
        ),
        *_moved(record),
        *([blocks.context(read)] if (read := words.describe_known(record)) else []),
        *_said(record),
    ]


def _settled(
    record: Card, scene: Scene, head: str, buttons: list[Element] | None = None
) -> Rendered:
    """Nothing left to decide for this reader, though others still do."""
    text = f"{head}\nWaiting for {words.describe_asked(record, record.stage)}: {words.describe_tally(record.round)}"
    if buttons:
        return Rendered(
            _news(record, scene), [blocks.section(text), words.buttons(record, buttons, "settled")]
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
        words.describe_outcome_plainly(record),
        [
            blocks.section(words.describe_outcome(record, in_thread=in_thread)),
            *(blocks.context(line) for line in words.list_conditions(record)),
        ],
        is_final=record.is_settled,
    )
