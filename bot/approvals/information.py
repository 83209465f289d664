"""Asking the requester something before deciding, and the answer: in a modal, or as a reply to the question's message."""

import html

from bot import blocks
from bot.approvals import acting, words
from bot.context import Deps
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Submission
from bot.router import Router
from workflows.actors import Actor
from workflows.approvals.forms import Answer, AskInformation, DropQuestion
from workflows.approvals.notices import ApprovalNote

SUBMIT_QUESTION = "approvals.question"
SUBMIT_ANSWER = "approvals.answer_given"
QUESTION, ANSWER = "question", "answer"
"""Blocks of the two fields."""


def register(router: Router) -> None:
    """Answer the buttons, the two modals, and replies to a question."""
    router.action(words.ANSWER, open_answer)
    router.action(words.UNASK, unask)
    router.submission(SUBMIT_QUESTION, ask)
    router.submission(SUBMIT_ANSWER, answer)
    router.reply(ApprovalNote.kind, replied)


def open_question(click: Click) -> Reply:
    """What do you want to know?"""
    card = acting.card(click, acting.id_of(click.value))
    return Open(
        blocks.modal(
            "Ask for information",
            [
                blocks.section(f"*{words.asks(card)}*"),
                blocks.input_(
                    f"What do you want to know from {card.requester.name}?",
                    blocks.text_input(
                        QUESTION, multiline=True, min_length=3, max_length=3000
                    ),
                    block_id=QUESTION,
                    hint="Everyone who is asked reads it. The request waits for the answer and its clock stands still.",
                ),
            ],
            callback_id=SUBMIT_QUESTION,
            submit="Ask",
            metadata=acting.remember(click.value, click),
        )
    )


def ask(submission: Submission) -> Reply:
    """The question was typed."""
    value, where = acting.split(submission.metadata)
    question = acting.words_of(submission, QUESTION)
    if not question:
        return FieldErrors({QUESTION: "Say what you want to know."})
    form = AskInformation(
        approval_id=acting.id_of(value),
        revision=acting.revision_of(value),
        question=question,
    )
    acting.do(submission.deps, submission.actor, form, where)
    return Done()


def open_answer(click: Click) -> Reply:
    """The question, and room for the answer."""
    card = acting.card(click, acting.id_of(click.value))
    question = card.question
    if question is None or card.reader is None or not card.reader.is_requester:
        # The service says why, in its own sentence.
        form = Answer(approval_id=card.id, answer="")
        return Private(acting.do(click.deps, click.actor, form, click.card))
    return Open(
        blocks.modal(
            "Answer",
            [
                blocks.section(
                    f"*{blocks.escape(question.asker.name, 60)} asks:* {blocks.quote(question.text, 1500)}"
                ),
                blocks.input_(
                    "Your answer",
                    blocks.text_input(
                        ANSWER, multiline=True, min_length=1, max_length=3000
                    ),
                    block_id=ANSWER,
                    hint="Everyone who is asked reads it, and the request goes on.",
                ),
            ],
            callback_id=SUBMIT_ANSWER,
            submit="Answer",
            metadata=acting.remember(click.value, click),
        )
    )


def answer(submission: Submission) -> Reply:
    """The answer was typed."""
    value, where = acting.split(submission.metadata)
    said = acting.words_of(submission, ANSWER)
    if not said:
        return FieldErrors({ANSWER: "Say in a sentence what they asked."})
    form = Answer(approval_id=acting.id_of(value), answer=said)
    acting.do(submission.deps, submission.actor, form, where)
    return Done()


def unask(click: Click) -> Reply:
    """Whoever asked needs no answer any more."""
    approval_id = acting.id_of(click.value)
    said = acting.do(
        click.deps, click.actor, DropQuestion(approval_id=approval_id), click.card
    )
    return acting.told(click, approval_id, said)


def replied(
    deps: Deps, actor: Actor, facts: dict[str, object], text: str
) -> Reply | None:
    """A reply under the question's own message is the answer."""
    if facts.get("what") != "question":
        return None
    form = Answer(
        approval_id=int(str(facts["approval_id"])), answer=html.unescape(text)[:3000]
    )
    return Private(acting.do(deps, actor, form, None))
