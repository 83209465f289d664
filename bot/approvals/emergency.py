"""Breaking the glass, and the review afterwards."""

from bot.approvals import clicks, words
from bot.delivery.rendering import Rendered, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import Request, RequestWindow, ask
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply
from bot.slack.requests import Click, Router, Submission
from workflows.approvals.forms import BreakGlass, ReviewGlass
from workflows.approvals.notices import GlassBroken
from workflows.approvals.records import Card

SUBMIT_GLASS, SUBMIT_WRONG = "approvals.glass_broken", "approvals.glass_wrong"
REASON, NOTE = "reason", "note"
"""Blocks of the two fields."""


def register(router: Router) -> None:
    """Answer the buttons and the two modals."""
    router.action(words.GLASS, open_glass, Request)
    router.action(words.RIGHT, right, Request)
    router.action(words.WRONG, open_wrong, Request)
    router.submission(SUBMIT_GLASS, broken, RequestWindow)
    router.submission(SUBMIT_WRONG, wrong, RequestWindow)


def open_glass(click: Click, request: Request) -> Reply:
    """Why can't it wait? Submitting is the confirmation."""
    card = clicks.load_entitled(click, request, BreakGlass, reason="")
    return Open(
        blocks.modal(
            "Break glass",
            [
                blocks.section(
                    f"*{words.asks(card)}*\n:warning: You approve this *at once and alone*. Everybody who governs is told now, "
                    "with your name and reason, and others review it afterwards."
                ),
                ask(BreakGlass, "reason"),
            ],
            callback_id=SUBMIT_GLASS,
            submit="Break the glass",
            close="Let it wait",
            metadata=clicks.remember(card, click),
        )
    )


def broken(submission: Submission, request: RequestWindow) -> Reply:
    """The reason was given."""
    reason = submission.text(REASON)
    if not reason:
        return FieldErrors({REASON: "Say why this can't wait."})
    return Private(clicks.act(submission, request, BreakGlass, reason=reason))


def right(click: Click, request: Request) -> Reply:
    """It was right."""
    return Private(clicks.act(click, request, ReviewGlass, is_fine=True))


def open_wrong(click: Click, request: Request) -> Reply:
    """What was not right?"""
    card = clicks.load_entitled(click, request, ReviewGlass, is_fine=False)
    return Open(
        blocks.modal(
            "Review",
            [
                blocks.section(f"*{words.asks(card)}*\n{words.describe_glass(card)}"),
                ask(ReviewGlass, "note", optional=False),
            ],
            callback_id=SUBMIT_WRONG,
            submit="Was not right",
            metadata=clicks.remember(card, click),
        )
    )


def wrong(submission: Submission, request: RequestWindow) -> Reply:
    """Said what was not right."""
    clicks.act(submission, request, ReviewGlass, is_fine=False, note=submission.text(NOTE))
    return Done()


def broadcast(record: Card, notice: GlassBroken, scene: Scene) -> Rendered:
    """To everybody who governs."""
    review = record.extras.review
    if review is None or not scene.is_closed:
        line = "Somebody approved a request alone, in an emergency. What it is about is told to those who decide."
        return Rendered(line, [blocks.section(line)], is_final=True)
    who = blocks.escape(review.breaker.name, 60)
    late = "Still to be reviewed: " if notice.times else ""
    head = f"{late}{who} broke the glass: {words.asks(record)}"
    return Rendered(
        head,
        [blocks.section(f"*{head}*\n{blocks.quote(review.reason, 600)}"), *row(record)],
        is_final=record.is_settled,
    )


def row(record: Card) -> list[Block]:
    """How it stands, and the buttons of the review while it is to come."""
    review = record.extras.review
    parts: list[Block] = [blocks.context(words.describe_glass(record))]
    if review is not None and review.note:
        parts.append(blocks.context(f"Review: {blocks.quote(review.note, 400)}"))
    buttons: list[Element] = [words.details_button(record)]
    if review is not None and review.reviewed_at is None:
        buttons = [
            blocks.button("Was right", words.RIGHT, words.value(record)),
            blocks.button("Was not right…", words.WRONG, words.value(record)),
            *buttons,
        ]
    return [*parts, words.buttons(record, buttons, "glass")]
