"""Asking the requester something before deciding, and the answer: in a modal, or as a reply to the question's message."""

import html

from bot import blocks, door
from bot.approvals import acting, words
from bot.context import Deps
from bot.interactions import Request, RequestWindow, ask
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Submission
from bot.router import Router
from workflows import decisions
from workflows.actors import Actor
from workflows.approvals.forms import Answer, AskInformation, DropQuestion
from workflows.approvals.notices import ApprovalNote
from workflows.approvals.refusals import CardChanged

SUBMIT_QUESTION = "approvals.question"
SUBMIT_ANSWER = "approvals.answer_given"
QUESTION, ANSWER = "question", "answer"
"""Blocks of the two fields."""


def register(router: Router) -> None:
    """Answer the buttons, the two modals, and replies to a question."""
    router.action(words.ANSWER, open_answer, Request)
    router.action(words.UNASK, unask, Request)
    router.submission(SUBMIT_QUESTION, submit_question, RequestWindow)
    router.submission(SUBMIT_ANSWER, answer, RequestWindow)
    router.reply(ApprovalNote.kind, replied)


def open_question(click: Click, request: Request) -> Reply:
    """What do you want to know?"""
    card = acting.load_entitled(click, request, AskInformation, question="")
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
            metadata=acting.remember(card, click),
        )
    )


def submit_question(submission: Submission, request: RequestWindow) -> Reply:
    """The question was typed."""
    question = submission.text(QUESTION)
    if not question:
        return FieldErrors({QUESTION: "Say what you want to know."})
    acting.act(submission, request, AskInformation, question=question)
    return Done()


def open_answer(click: Click, request: Request) -> Reply:
    """The question, and room for the answer."""
    card = acting.load_entitled(click, request, Answer, answer="")
    question = card.question
    if question is None:
        # The service says why, in its own sentence.
        return Private(acting.act(click, request, Answer, answer=""))
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
            metadata=acting.remember(card, click),
        )
    )


def answer(submission: Submission, request: RequestWindow) -> Reply:
    """The answer was typed."""
    text = submission.text(ANSWER)
    if not text:
        return FieldErrors({ANSWER: "Say in a sentence what they asked."})
    acting.act(submission, request, Answer, answer=text)
    return Done()


def unask(click: Click, request: Request) -> Reply:
    """Whoever asked needs no answer any more."""
    sentence = acting.act(click, request, DropQuestion)
    return acting.answer(click, request.approval_id, sentence)


def replied(deps: Deps, actor: Actor, facts: dict[str, object], text: str) -> Reply | None:
    """A reply under the question's own message is the answer.

    A message carries no revision: what was shown is the question. While that one is open, the request is the one that
    was shown with it, since its requester, who alone could ask for something else, has to answer first.
    """
    if facts.get("what") != "question":
        return None
    approval_id = int(str(facts["approval_id"]))
    with deps.db.read() as session:
        card = decisions.card(session, approval_id, policy=deps.policy, now=deps.now(session))
    if card.question is None or card.question.id != facts.get("item_id"):
        raise CardChanged(
            "That question is not open any more, so nothing was answered. The message above shows how it stands."
        )
    form = Answer(
        approval_id=approval_id, revision=card.revision, answer=html.unescape(text)[:3000]
    )
    return Private(door.act(deps, actor, form, None))
