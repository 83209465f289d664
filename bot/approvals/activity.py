"""What people did about a request beside deciding: the lines of its thread, and the messages to those it concerns."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from bot.approvals import delegation, emergency, messages, words
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import RequestCondition
from storage.enums import ApprovalState, ConditionState
from workflows.approvals import approvers, escalation, reads
from workflows.approvals.approvers import AbsenceRecord, Offer
from workflows.approvals.notices import (
    AbsenceTold,
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalEscalated,
    ApprovalNote,
    ApprovalReceipt,
    ApprovalsDue,
    ApprovalStory,
    ApprovalTold,
    ApprovalValidityEnded,
    AwayOffered,
    GlassBroken,
)
from workflows.approvals.records import Card, Condition, Reminder

Story = Callable[[Card, int], str | None]
"""From the record and the id of what happened: its line, mrkdwn; None when there is nothing to tell any more."""


def _taken_back(record: Card, item_id: int) -> str | None:
    line = next((item for item in record.taken_back if item.id == item_id), None)
    if line is None:
        return None
    who = blocks.mention(line.person.slack_id, line.person.name)
    return f"*{who} took their approval back* · {blocks.when(line.taken_back_at or line.at)} · now with {words.describe_progress(record)}"


def _question(record: Card, item_id: int) -> str | None:
    question = next((item for item in record.extras.questions if item.id == item_id), None)
    if question is None:
        return None
    who = blocks.mention(question.asker.slack_id, question.asker.name)
    asked = blocks.mention(record.requester.slack_id, record.requester.name)
    return f"*{who} asks {asked}* · {blocks.when(question.asked_at)} · the clock stands still\n{blocks.quote(question.text, 600)}"


def _answered(record: Card, item_id: int) -> str | None:
    question = next((item for item in record.extras.questions if item.id == item_id), None)
    if question is None or question.ended_at is None:
        return None
    who = blocks.mention(record.requester.slack_id, record.requester.name)
    on = f"the clock runs on, until {blocks.when(record.expires_at)}"
    return f"*{who} answered* · {blocks.when(question.ended_at)} · {on}\n{blocks.quote(question.answer or '', 600)}"


def _unasked(record: Card, item_id: int) -> str | None:
    question = next((item for item in record.extras.questions if item.id == item_id), None)
    if question is None or question.ended_at is None:
        return None
    who = blocks.mention(question.asker.slack_id, question.asker.name)
    return f"*{who} took the question back* · {blocks.when(question.ended_at)} · the clock runs on"


def _handed_over(record: Card, item_id: int) -> str | None:
    handover = next((item for item in record.extras.handovers if item.id == item_id), None)
    if handover is None:
        return None
    giver = blocks.mention(handover.giver.slack_id, handover.giver.name)
    taker = blocks.mention(handover.taker.slack_id, handover.taker.name)
    whose = (
        f"{blocks.escape(handover.principal.name, 60)}'s place "
        if handover.principal is not None
        else ""
    )
    line = f"*{giver} handed {whose}over to {taker}* · {blocks.when(handover.at)}"
    return line + (f"\n{blocks.quote(handover.note, 400)}" if handover.note else "")


def _edited(record: Card, item_id: int) -> str | None:
    edit = next((item for item in record.extras.edits if item.id == item_id), None)
    if edit is None:
        return None
    who = blocks.mention(edit.editor.slack_id, edit.editor.name)
    at = blocks.when(edit.at)
    if not edit.is_material:
        return f"*{who} reworded this* · {at} · it asks for the same, so nobody is asked anew"
    before = blocks.escape(edit.asks, 200)
    if not edit.reopened:
        return f"*{who} changed what is asked* · {at}\nBefore: {before}"
    name = blocks.escape(edit.reopened, 60)
    lost = (
        f" · {blocks.counted(edit.voided, 'decision')} no longer {'counts' if edit.voided == 1 else 'count'}"
        if edit.voided
        else ""
    )
    return f"*{who} changed what is asked* · {at}\nBefore: {before}\n{name} is asked anew{lost}."


def _moved(record: Card, item_id: int) -> str | None:
    """What a request rests on is not what it was."""
    lines = words.list_changes(record)
    if not lines:
        return None
    at = f" · {blocks.when(record.moved_at)}" if record.moved_at else ""
    now = f"\nNow with {words.describe_asked(record, record.stage)}." if record.is_pending else ""
    return f"*This changed while it waits*{at}\n" + "\n".join(lines) + now


def _subject_moved(record: Card, item_id: int) -> str | None:
    """What a request asks to change is not what it was."""
    if record.moved is None:
        return None
    asked = blocks.mention(record.requester.slack_id, record.requester.name)
    return f"*{blocks.escape(record.moved.clause, 300)}*\n{asked} is asked what to ask for now; nobody can approve it before."


def _nudged(record: Card, item_id: int) -> str | None:
    who = blocks.mention(record.requester.slack_id, record.requester.name)
    return f"*{who} reminded* {words.describe_asked(record, item_id)}"


def _find_condition(record: Card, item_id: int) -> Condition | None:
    return next((item for item in record.extras.conditions if item.id == item_id), None)


def _condition(did: str, by_setter: bool) -> Story:
    def told(record: Card, item_id: int) -> str | None:
        condition = _find_condition(record, item_id)
        if condition is None:
            return None
        by = condition.setter if by_setter else condition.owner
        who = blocks.mention(by.slack_id, by.name)
        proof = (
            f"\n{blocks.quote(condition.proof, 400)}" if condition.proof and not by_setter else ""
        )
        return f"*{who} {did}* · {blocks.quote(condition.text, 200)}{proof}"

    return told


def _lapsed(record: Card, item_id: int) -> str | None:
    return words.describe_outcome(record)


def _glass(record: Card, item_id: int) -> str | None:
    review = record.extras.review
    if review is None:
        return None
    who = blocks.mention(review.breaker.slack_id, review.breaker.name)
    return f"*{who} broke the glass* · {words.describe_glass(record)}\n{blocks.quote(review.reason, 400)}"


STORIES: dict[str, Story] = {
    "glass": _glass,
    "reviewed": _glass,
    "condition_claimed": _condition("says that the condition is met", False),
    "condition_met": _condition("confirmed that the condition is met", True),
    "condition_refused": _condition("does not see the condition met yet", True),
    "lapsed": _lapsed,
    "answered": _answered,
    "edited": _edited,
    "handed_over": _handed_over,
    "moved": _moved,
    "nudged": _nudged,
    "question": _question,
    "subject_moved": _subject_moved,
    "taken_back": _taken_back,
    "unasked": _unasked,
}


def story(record: Card, notice: ApprovalTold, scene: Scene) -> Rendered:
    """One line of the thread."""
    line = STORIES[notice.what](record, notice.item_id) or words.describe_progress(record)
    return Rendered(line, [blocks.section(line)], is_final=True)


Note = Callable[[Card, ApprovalNote, Scene], Rendered]


def _question_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """The requester is asked something; a reply under this message is the answer too."""
    question = next((item for item in record.extras.questions if item.id == notice.item_id), None)
    if question is None or not record.is_pending or not question.is_open:
        how = "You answered" if question is not None and question.answer is not None else "Settled"
        line = f"*{how}* · {words.asks(record)}"
        return Rendered(line, [blocks.section(line)], is_final=True)
    who = blocks.escape(question.asker.name, 60)
    head = f"{who} asks you before deciding: {blocks.quote(question.text, 600)}"
    return Rendered(
        head,
        [
            blocks.section(f"*{who} asks you before deciding*\n{blocks.quote(question.text, 600)}"),
            blocks.context(
                f"{words.asks(record)} · {words.describe_silence(record, to_requester=True)}"
            ),
            blocks.context("Answer with the button, or reply to this message in its thread."),
            words.buttons(
                record, [words.answer_button(record), words.details_button(record)], "question"
            ),
        ],
    )


def _subject_moved_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """The requester is asked what they want now that what they asked about has changed."""
    change = record.moved
    if not record.is_pending or change is None:
        line = f"*Settled* · {words.asks(record)}"
        if not record.is_pending:
            line = words.describe_outcome(record)
        return Rendered(
            words.describe_outcome_plainly(record) if not record.is_pending else line,
            [blocks.section(line)],
            is_final=True,
        )
    news = blocks.escape(change.clause, 300)
    parts = [
        blocks.section(
            f"*{news}*\nYou asked to {blocks.escape(record.words.asks, 200)}, {blocks.escape(record.words.project, 80)}. "
            "Nobody can approve that before you say what you want now."
        )
    ]
    if change.again:
        parts.append(
            blocks.context(
                f"{blocks.escape(change.again, 70)} asks to {blocks.escape(change.asks, 200)}; people are asked anew."
            )
        )
    parts += [
        blocks.context(words.describe_silence(record, to_requester=True)),
        words.buttons(
            record, [*words.moved_buttons(record), words.details_button(record)], "subject_moved"
        ),
    ]
    return Rendered(
        f"{news} · you asked to {blocks.escape(record.words.asks, 200)}: what do you want now?",
        parts,
    )


def _answer_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """Whoever asked reads the answer, and can decide there and then."""
    question = next((item for item in record.extras.questions if item.id == notice.item_id), None)
    who = blocks.escape(record.requester.name, 60)
    answer = blocks.quote((question.answer if question else "") or "", 600)
    head = f"{who} answered: {answer}"
    return Rendered(
        f"{head} · {words.asks(record)}",
        [
            blocks.section(f"*{who} answered*\n{answer}"),
            blocks.context(f"{words.asks(record)} · {words.describe_progress(record)}"),
            *_decide(record, "answer"),
        ],
        is_final=not record.is_pending,
    )


def _nudge_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """The card once more, because the requester asks for it."""
    reader = record.reader
    if not record.is_pending:
        return Rendered(
            words.describe_outcome_plainly(record),
            [blocks.section(words.describe_outcome(record))],
            is_final=True,
        )
    who = blocks.escape(record.requester.name, 60)
    mine = reader is not None and reader.why and reader.line is None
    head = f"{who} waits for your decision" if mine else "Nothing is needed from you any more"
    why = f" · you are asked because {blocks.escape(reader.why, 100)}" if mine and reader else ""
    return Rendered(
        f"{head}: {words.asks(record)}",
        [
            blocks.section(f"*{head}*\n{words.asks(record)}"),
            blocks.context(f"{words.describe_progress(record)}{why}"),
            blocks.context(words.describe_silence(record)),
            *_decide(record, "nudge"),
        ],
    )


def _decide(record: Card, where: str) -> list[Block]:
    reader = record.reader
    if not record.is_pending or reader is None:
        return []
    if reader.line is None and reader.why and not reader.is_requester:
        return [words.buttons(record, words.decide_buttons(record), where)]
    return [words.buttons(record, [words.details_button(record)], where)]


def _condition_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To the owner or the setter of a condition: what it is, how it stands, and the button that is theirs."""
    condition = _find_condition(record, notice.item_id)
    if condition is None or record.state is not ApprovalState.APPROVED or not condition.binds:
        line = words.describe_outcome(record)
        return Rendered(
            words.describe_outcome_plainly(record), [blocks.section(line)], is_final=True
        )
    owner = blocks.escape(condition.owner.name, 60)
    value = RequestCondition(record.id, record.revision, condition.id, condition.revision).text
    row: list[Element] = []
    if condition.state is ConditionState.MET:
        head = "A condition is met"
    elif notice.person_id == condition.setter.id and condition.state is ConditionState.CLAIMED:
        head = f"{owner} says that your condition is met"
        row = [
            blocks.button("Confirm", words.CONFIRM, value, style="primary"),
            blocks.button("Not yet…", words.UNCONFIRMED, value),
        ]
    elif notice.person_id == condition.owner.id and condition.state is ConditionState.OPEN:
        head = f"An approval depends on you until {blocks.day(condition.due)}"
        row = [blocks.button("Met…", words.CLAIM, value, style="primary")]
    else:
        head = "A condition waits"
    undone = blocks.escape(record.words.undone or record.words.stays, 200)
    risk = (
        f" · if it is not met by the end of {blocks.day(condition.due)}, the approval lapses and {undone}"
        if condition.state is not ConditionState.MET
        else ""
    )
    parts = [
        blocks.section(f"*{head}*\n{words.describe_condition(condition)}"),
        *(
            [blocks.section(f"Proof: {blocks.quote(condition.proof, 600)}")]
            if condition.proof
            else []
        ),
        blocks.context(f"{words.asks(record)} · approved{risk}"),
    ]
    row.append(words.details_button(record))
    return Rendered(
        f"{head}: {blocks.quote(condition.text, 200)} · {words.asks(record)}",
        [*parts, words.buttons(record, row, f"condition:{condition.id}:{condition.revision}")],
        is_final=record.is_settled,
    )


def _lapsed_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To everybody who had a part in it."""
    return Rendered(
        words.describe_outcome_plainly(record),
        [
            blocks.section(words.describe_outcome(record)),
            *(blocks.context(line) for line in words.list_conditions(record)),
            blocks.context("It can be asked for again with a new request."),
        ],
        is_final=True,
    )


def _edited_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To somebody whose verdict counts no more, because another thing is asked now."""
    edit = next((item for item in record.extras.edits if item.id == notice.item_id), None)
    if not record.is_pending or edit is None:
        return Rendered(
            words.describe_outcome_plainly(record),
            [blocks.section(words.describe_outcome(record))],
            is_final=True,
        )
    who = blocks.escape(record.requester.name, 60)
    head = f"Your decision counts no more: {who} changed what is asked"
    return Rendered(
        f"{head} · {words.asks(record)}",
        [
            blocks.section(
                f"*{head}*\nNow: {words.asks(record)}\nBefore: {blocks.escape(edit.asks, 200)}"
            ),
            blocks.context(
                f"With {words.describe_asked(record, record.stage)} now. If it comes to you again, you get a card."
            ),
            *_decide(record, "edited"),
        ],
    )


def _moved_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To who asked, and to everybody who approved something else than what this is by now (`item_id`: their verdict counts
    no more)."""
    if not record.is_pending:
        return Rendered(
            words.describe_outcome_plainly(record),
            [blocks.section(words.describe_outcome(record))],
            is_final=True,
        )
    reader = record.reader
    if notice.item_id:
        head = "Your approval counts no more: what it rests on changed"
    elif reader is not None and reader.line is not None:
        head = "What you approved changed, and your approval still counts"
    else:
        head = "What you asked for changed while it waits"
    lines = words.list_changes(record)
    row: list[Block]
    if reader is not None and reader.line is not None:
        mine = [words.take_back_button(record), words.details_button(record)]
        row = [words.buttons(record, mine, "moved")]
    else:
        row = _decide(record, "moved")
    return Rendered(
        f"{head} · {words.asks(record)}",
        [
            blocks.section("\n".join([f"*{head}*", words.asks(record), *lines])),
            blocks.context(f"With {words.describe_asked(record, record.stage)} now."),
            *row,
        ],
    )


def _review_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To those who review broken glass that is late, and to whoever broke it once it was reviewed."""
    head = f"Broken glass: {words.asks(record)}"
    return Rendered(
        f"{head} · {words.describe_glass(record)}",
        [blocks.section(f"*{head}*"), *emergency.row(record)],
        is_final=record.is_settled,
    )


def _stuck_note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """To whoever asked and to administrators: nobody is left to decide, and what can be done about it."""
    stage = (
        record.rounds[notice.item_id] if notice.item_id < len(record.rounds) else record.rounds[-1]
    )
    if not record.is_pending or record.stage > notice.item_id:
        line = f"*Settled* · {words.asks(record)}"
        return Rendered(line, [blocks.section(line)], is_final=True)
    name = blocks.escape(stage.name, 60)
    head = f"Too few people are left to decide: {words.asks(record)}"
    way_on = (
        f"{name} can't be passed any more, since people have left or a group has changed. An administrator can add people to "
        "the group, or change the stage in governance.yml and have it asked again."
    )
    return Rendered(
        head,
        [
            blocks.section(f"*{head}*\n{way_on}"),
            blocks.context(words.describe_silence(record)),
            words.buttons(record, [words.details_button(record)], "stuck"),
        ],
    )


NOTES: dict[str, Note] = {
    "stuck": _stuck_note,
    "review": _review_note,
    "reviewed": _review_note,
    **dict.fromkeys(
        ("condition", "soon", "claimed", "unconfirmed", "met", "refused"), _condition_note
    ),
    "lapsed": _lapsed_note,
    "answer": _answer_note,
    "edited": _edited_note,
    "moved": _moved_note,
    "nudge": _nudge_note,
    "question": _question_note,
    "subject_moved": _subject_moved_note,
}


def note(record: Card, notice: ApprovalNote, scene: Scene) -> Rendered:
    """A message of its own to one person."""
    short = messages.describe_earlier(record, notice.person_id)
    if short is not None and notice.what != "lapsed":
        return short
    return NOTES[notice.what](record, notice, scene)


# --- What notices about requests look like
#
# which record each one reads, and which message it becomes.


def _card(
    session: Session,
    notice: ApprovalCard | ApprovalReceipt | ApprovalEnded | ApprovalValidityEnded,
    scene: Scene,
) -> Card:
    return reads.card(scene.context(session), notice.approval_id)


def _asked(session: Session, notice: ApprovalAsked | ApprovalNote, scene: Scene) -> Card:
    return reads.card(scene.context(session), notice.approval_id, reader_id=notice.person_id)


def _story(session: Session, notice: ApprovalStory | ApprovalTold, scene: Scene) -> Card | None:
    """Nothing is told in a thread that outsiders read."""
    if not scene.is_closed:
        return None
    return reads.card(scene.context(session), notice.approval_id)


def _due(session: Session, notice: ApprovalsDue, scene: Scene) -> Reminder | None:
    return escalation.read_reminder(scene.context(session), notice.reminder_id)


def _escalated(session: Session, notice: ApprovalEscalated, scene: Scene) -> Card | None:
    if not notice.person_id and not scene.is_closed:
        return None
    return reads.card(scene.context(session), notice.approval_id)


def _absence(session: Session, notice: AbsenceTold, scene: Scene) -> AbsenceRecord | None:
    return approvers.find_absence(session, notice.absence_id)


def _offer(session: Session, notice: AwayOffered, scene: Scene) -> Offer | None:
    return approvers.find_offer(session, notice.person_id, now=scene.now)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(ApprovalCard, _card, messages.card),
    Renderer(ApprovalAsked, _asked, messages.asked),
    Renderer(ApprovalReceipt, _card, messages.receipt),
    Renderer(ApprovalEnded, _card, messages.ended),
    Renderer(ApprovalStory, _story, messages.story),
    Renderer(GlassBroken, _card, emergency.broadcast),
    Renderer(AbsenceTold, _absence, delegation.absence_note),
    Renderer(AwayOffered, _offer, delegation.away_offer),
    Renderer(ApprovalTold, _story, story),
    Renderer(ApprovalNote, _asked, note),
    Renderer(ApprovalsDue, _due, messages.due),
    Renderer(ApprovalEscalated, _escalated, messages.escalated),
    Renderer(ApprovalValidityEnded, _card, messages.validity_ended),
)
