"""Reminding those who have not decided, for the requester."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot import errors, freshness
from bot.approvals import clicks, conditions, delegation, emergency, windows, words
from bot.deps import Deps
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import (
    Request,
    RequestChoice,
    RequestOnRecord,
    RequestWindow,
    SeveralWindow,
    ask,
)
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from storage.enums import Verdict
from workflows.approvals import reads
from workflows.approvals.forms import (
    Answer,
    AskAgain,
    AskInformation,
    Decide,
    DropQuestion,
    Nudge,
    TakeBack,
    Withdraw,
)
from workflows.approvals.notices import ApprovalNote
from workflows.approvals.records import Card
from workflows.approvals.refusals import CardChanged
from workflows.context import SYSTEM, Actor
from workflows.errors import GovernanceError


def nudge(click: Click, request: Request) -> Reply:
    """They get the card once more."""
    sentence = clicks.act(click, request, Nudge)
    return clicks.reply_to_click(click, request.approval_id, sentence)


# --- Asking the requester something before deciding, and the answer
#
# in a modal, or as a reply to the question's message.

SUBMIT_QUESTION = "approvals.question"
SUBMIT_ANSWER = "approvals.answer_given"
QUESTION, ANSWER = "question", "answer"
"""Blocks of the two fields."""


def register_questions(router: Router) -> None:
    """Answer the buttons, the two modals, and replies to a question."""
    router.action(words.ANSWER, open_answer, Request)
    router.action(words.UNASK, unask, Request)
    router.submission(SUBMIT_QUESTION, submit_question, RequestWindow)
    router.submission(SUBMIT_ANSWER, answer_question, RequestWindow)
    router.reply(ApprovalNote.kind, replied)


def open_question(click: Click, request: Request) -> Reply:
    """What do you want to know?"""
    card = clicks.load_entitled(click, request, AskInformation, question="")
    return Open(
        blocks.modal(
            "Ask for information",
            [
                blocks.section(f"*{words.asks(card)}*"),
                ask(
                    AskInformation,
                    "question",
                    label=f"What do you want to know from {card.requester.name}?",
                ),
            ],
            callback_id=SUBMIT_QUESTION,
            submit="Ask",
            metadata=clicks.remember(card, click),
        )
    )


def submit_question(submission: Submission, request: RequestWindow) -> Reply:
    """The question was typed."""
    question = submission.text(QUESTION)
    if not question:
        return FieldErrors({QUESTION: "Say what you want to know."})
    clicks.act(submission, request, AskInformation, question=question)
    return Done()


def open_answer(click: Click, request: Request) -> Reply:
    """The question, and room for the answer."""
    card = clicks.load_entitled(click, request, Answer, answer="")
    question = card.question
    if question is None:
        # The service says why, in its own sentence.
        return Private(clicks.act(click, request, Answer, answer=""))
    return Open(
        blocks.modal(
            "Answer",
            [
                blocks.section(
                    f"*{blocks.escape(question.asker.name, 60)} asks:* {blocks.quote(question.text, 1500)}"
                ),
                ask(Answer, "answer"),
            ],
            callback_id=SUBMIT_ANSWER,
            submit="Answer",
            metadata=clicks.remember(card, click),
        )
    )


def answer_question(submission: Submission, request: RequestWindow) -> Reply:
    """The answer was typed."""
    text = submission.text(ANSWER)
    if not text:
        return FieldErrors({ANSWER: "Say in a sentence what they asked."})
    clicks.act(submission, request, Answer, answer=text)
    return Done()


def unask(click: Click, request: Request) -> Reply:
    """Whoever asked needs no answer any more."""
    sentence = clicks.act(click, request, DropQuestion)
    return clicks.reply_to_click(click, request.approval_id, sentence)


def replied(deps: Deps, actor: Actor, facts: dict[str, object], text: str) -> Reply | None:
    """A reply under the question's own message is the answer.

    A message carries no revision: what was shown is the question. While that one is open, the request is the one that
    was shown with it, since its requester, who alone could ask for something else, has to answer first.
    """
    if facts.get("what") != "question":
        return None
    approval_id = int(str(facts["approval_id"]))
    card = deps.read(SYSTEM, reads.card, approval_id)
    if card.question is None or card.question.id != facts.get("item_id"):
        raise CardChanged(
            "That question is not open any more, so nothing was answered. The message above shows how it stands."
        )
    form = Answer(
        approval_id=approval_id, revision=card.revision, answer=html.unescape(text)[:3000]
    )
    return Private(freshness.act(deps, actor, form, None))


# --- `More`
#
# one menu behind three dots, whose entries name what they do and what they were offered on.

VERBS: Mapping[str, Callable[[Click, Request], Reply]] = {
    "conditions": conditions.open_modal,
    "ask": open_question,
    "hand_over": delegation.open_handover,
    "nudge": nudge,
}


def register_menu(router: Router) -> None:
    """Answer the menu."""
    router.action(words.MORE, chosen, RequestChoice)


def chosen(click: Click, choice: RequestChoice) -> Reply:
    """Whatever the menu offered."""
    handler = VERBS.get(choice.verb)
    if handler is None:
        raise choice.refusal()
    return handler(click, choice.on)


# --- `Take back`
#
# whoever decided can undo it while the request waits.


def register_retraction(router: Router) -> None:
    """Answer the button."""
    router.action(words.TAKE_BACK, take_back, Request)


def take_back(click: Click, request: Request) -> Reply:
    """The verdict counts no more."""
    sentence = clicks.act(click, request, TakeBack)
    return clicks.reply_to_click(click, request.approval_id, sentence)


# --- Deciding several requests at once
#
# tick them, say what you decide, and read what became of each.

SUBMIT = "approvals.several_decided"
VERDICT, REASON, PICK = "verdict", "reason", "pick"
"""Blocks of the fields; each request's is `pick:id:revision`."""
MOST = 10
"""Requests in one window: as many as a person looks at before they stop reading."""


def register_several(router: Router) -> None:
    """Answer the button and the window."""
    router.action(words.SEVERAL, open_window)
    router.submission(SUBMIT, decide, SeveralWindow)


def open_window(click: Click) -> Reply:
    """Everything that waits for whoever clicked, the most urgent first."""
    waiting = [card for card in click.read(reads.list_waiting) if card.paused_at is None]
    if not waiting:
        return Private("Nothing waits for you any more.")
    tz = click.actor.tz
    return Open(_window(waiting, ZoneInfo(tz) if tz else click.deps.policy.organisation.zone))


def _window(waiting: Sequence[Card], zone: ZoneInfo) -> Block:
    more = len(waiting) - MOST
    parts = [
        blocks.input_(
            "What do you decide?",
            blocks.radio(
                VERDICT,
                [_VERDICTS[Verdict.APPROVE], _VERDICTS[Verdict.REJECT]],
                initial=_VERDICTS[Verdict.APPROVE],
            ),
            block_id=VERDICT,
        ),
        *(_pick(card, zone) for card in waiting[:MOST]),
        blocks.input_(
            "Why?",
            blocks.text_input(REASON, multiline=True, max_length=3000),
            block_id=REASON,
            hint="Needed to reject, and where a request asks for a comment. It is said for each that you ticked.",
            optional=True,
        ),
    ]
    if more > 0:
        parts.insert(-1, blocks.context(f"…and {more} more: decide these, and they move up."))
    return blocks.modal(
        "Decide several",
        parts,
        callback_id=SUBMIT,
        submit="Decide",
        close="Cancel",
        metadata=SeveralWindow(
            tuple(words.value(card) for card in waiting[:MOST] if card.round.comment)
        ).text,
    )


_VERDICTS: dict[Verdict, Element] = {
    Verdict.APPROVE: blocks.option("Approve what I tick", Verdict.APPROVE.value),
    Verdict.REJECT: blocks.option("Reject what I tick", Verdict.REJECT.value),
}


def _pick(card: Card, zone: ZoneInfo) -> Block:
    """What is asked in full as the label, one box to tick under it, why it is asked and until when."""
    by = f"By {blocks.instant(card.expires_at, zone)}."
    new = words.describe_changes(card)
    comment = " It asks for a comment." if card.round.comment else ""
    sure = " It asks you to be sure: ticking it says so." if card.round.confirm else ""
    return blocks.input_(
        f"{card.words.project} asks to {card.words.asks}",
        blocks.checkboxes(PICK, [blocks.option(f"Decide request #{card.id}", "yes")]),
        block_id=f"{PICK}:{words.value(card)}",
        hint=f"{by}{comment}{sure}{f' {new}' if new else ''} {card.requester.name}: “{card.reason}”",
        optional=True,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one request; `refusal` is the sentence why it was not decided."""

    value: str
    label: str
    refusal: str


def decide(submission: Submission, window: SeveralWindow) -> Reply:
    """Each that was ticked, on its own: one that does not count holds up no other."""
    verdict = submission.choice(VERDICT, Verdict, Verdict.APPROVE)
    reason = submission.text(REASON)
    fields = [
        block for block in submission.view["blocks"] if block["block_id"].startswith(f"{PICK}:")
    ]
    ticked = [one for one in fields if submission.values.get(one["block_id"])]
    lacks = {}
    if verdict is Verdict.REJECT and not reason:
        lacks[REASON] = "Say in a sentence why you reject; each requester reads it."
    asks = [block for block in ticked if _value(block) in window.commented]
    if verdict is Verdict.APPROVE and asks and not reason:
        lacks[REASON] = "Say why you approve: a request that you ticked asks for it."
    if not ticked:
        lacks[fields[0]["block_id"] if fields else REASON] = (
            "Tick at least one, or close the window."
        )
    if lacks:
        return FieldErrors(lacks)
    outcomes = [_decide_one(submission, block, verdict, reason) for block in ticked]
    if all(not one.refusal for one in outcomes) and len(outcomes) == len(fields):
        return Done()
    return Show(_result(outcomes, verdict))


def _value(block: Block) -> str:
    """`id:revision` of the request that a field is about."""
    return str(block["block_id"]).removeprefix(f"{PICK}:")


def _decide_one(submission: Submission, block: Block, verdict: Verdict, reason: str) -> _Outcome:
    value, label = _value(block), block["label"]["text"]
    try:
        clicks.act(submission, Request.read(value), Decide, verdict=verdict, reason=reason)
    except GovernanceError as refusal:
        return _Outcome(value, label, errors.add_hint(refusal))
    return _Outcome(value, label, "")


def _result(outcomes: Sequence[_Outcome], verdict: Verdict) -> Block:
    did = "approved" if verdict is Verdict.APPROVE else "rejected"
    done = [one for one in outcomes if not one.refusal]
    left = [one for one in outcomes if one.refusal]
    head = f"{blocks.counted(len(done), 'request')} {did}"
    if left:
        head += f", {len(left)} not decided" if done else ""
        head = head if done else "Nothing was decided"
    parts: list[Block] = [blocks.section(f"*{head}*")]
    if done:
        lines = [f"• {blocks.escape(one.label, 200)}" for one in done]
        parts.append(blocks.section("\n".join(lines)))
    parts += [
        blocks.section(
            f"*{blocks.escape(one.label, 200)}*\nNot decided: {blocks.escape(one.refusal, 400)}",
            accessory=blocks.button("Details", words.DETAILS, one.value),
            block_id=f"left:{one.value}",
        )
        for one in left
    ]
    return blocks.modal("Decided", parts, callback_id="notice", close="Close")


# --- Clicks on requests, the modal that rejects, and `/mlgov approvals`


def register(router: Router) -> None:
    """Answer the buttons of every card, the modal, and the word `approvals`."""
    router.action(words.APPROVE, approve, Request)
    router.action(words.APPROVE_WITH, open_approve, Request)
    router.action(words.REJECT, open_reject, Request)
    router.action(words.DETAILS, open_details, Request)
    router.action(words.WITHDRAW, withdraw, Request)
    router.action(words.KEEP, withdraw, Request)
    router.action(words.ASK_AGAIN, ask_again, RequestOnRecord)
    router.submission(windows.SUBMIT_APPROVE, approve_with, RequestWindow)
    router.submission(windows.SUBMIT_REJECT, reject, RequestWindow)
    delegation.register_absences(router)
    emergency.register(router)
    conditions.register(router)
    delegation.register_handover(router)
    register_questions(router)
    register_menu(router)
    register_retraction(router)
    register_several(router)
    router.word("approvals", "approvals", "what waits for you, and what you asked for", show)


def approve(click: Click, request: Request) -> Reply:
    """One click approves."""
    clicks.act(click, request, Decide, verdict=Verdict.APPROVE)
    return _confirm(click, request)


def open_approve(click: Click, request: Request) -> Reply:
    """A stage that wants a comment asks for it; whoever may not decide is told before they write one."""
    card = clicks.load_entitled(click, request, Decide, verdict=Verdict.APPROVE)
    return Open(windows.approve_window(card, metadata=clicks.remember(card, click)))


def approve_with(submission: Submission, request: RequestWindow) -> Reply:
    """The comment was given."""
    missing = "Say in a sentence why you approve; the requester reads it."
    return _decide_with_reason(submission, request, Verdict.APPROVE, missing)


def open_reject(click: Click, request: Request) -> Reply:
    """Rejecting asks for the reason; whoever may not decide is told before they write one."""
    card = clicks.load_entitled(click, request, Decide, verdict=Verdict.REJECT)
    return Open(windows.reject_window(card, metadata=clicks.remember(card, click)))


def reject(submission: Submission, request: RequestWindow) -> Reply:
    """The reason was given."""
    missing = "Say in a sentence why you reject it; the requester reads it."
    return _decide_with_reason(submission, request, Verdict.REJECT, missing)


def _decide_with_reason(
    submission: Submission, request: RequestWindow, verdict: Verdict, missing: str
) -> Reply:
    reason = submission.text(windows.REASON)
    if not reason:
        return FieldErrors({windows.REASON: missing})
    clicks.act(submission, request, Decide, verdict=verdict, reason=reason)
    return Done()


def withdraw(click: Click, request: Request) -> Reply:
    """The requester takes the request back."""
    clicks.act(click, request, Withdraw)
    return _confirm(click, request)


def ask_again(click: Click, request: RequestOnRecord) -> Reply:
    """The same change to what there is by now."""
    sentence = clicks.act(click, request, AskAgain, stands=request.stands or "-")
    return clicks.reply_to_click(click, request.approval_id, sentence)


def open_details(click: Click, request: Request) -> Reply:
    """Everything about a request, for who may read it."""
    return Open(clicks.details(click, request.approval_id))


def show(command: Command) -> Reply:
    """What waits for me, with its buttons, and what I asked for."""
    with command.begin_read() as ctx:
        text, answer = windows.build_answer(reads.list_waiting(ctx), reads.list_asked(ctx))
    return Private(text, answer)


def _confirm(click: Click, request: Request) -> Reply:
    """A card tells the outcome itself; a private list cannot be edited and a modal has to be shown anew."""
    if click.in_modal:
        return Show(clicks.details(click, request.approval_id))
    if not click.is_private:
        return Done()
    card = clicks.load_card(click, request.approval_id)
    if not card.is_pending:
        return Private(words.describe_outcome(card))
    return Private(
        f"You approved: {words.asks(card)} · waiting for {words.describe_progress(card)}"
    )
