"""Giving one's place in a stage to somebody else."""

from bot import blocks, door
from bot.approvals import acting, words
from bot.replies import Done, FieldErrors, Open, Reply
from bot.requests import Click, Submission
from bot.router import Router
from workflows.approvals.forms import HandOver

SUBMIT = "approvals.hand_over"
TO, NOTE = "to", "note"
"""Blocks of the two fields."""


def register(router: Router) -> None:
    """Answer the modal."""
    router.submission(SUBMIT, hand_over)


def open_modal(click: Click) -> Reply:
    """To whom?"""
    at = acting.seen(click)
    form = HandOver(approval_id=at.approval_id, revision=at.revision, to="")
    door.require_entitled(click.deps, click.actor, form, click.card)
    card = acting.card(click, at.approval_id)
    return Open(
        blocks.modal(
            "Hand over",
            [
                blocks.section(f"*{words.asks(card)}*"),
                blocks.input_(
                    "Who decides in your place?",
                    blocks.person_picker(TO, placeholder="Somebody who may decide"),
                    block_id=TO,
                    hint=f"Somebody whom {card.round.name} asks too, or whom the policy allows.",
                ),
                blocks.input_(
                    "What should they know?",
                    blocks.text_input(NOTE, multiline=True, max_length=1000),
                    block_id=NOTE,
                    optional=True,
                    hint="Everyone who is asked reads it.",
                ),
            ],
            callback_id=SUBMIT,
            submit="Hand over",
            metadata=acting.remember(card, click),
        )
    )


def hand_over(submission: Submission) -> Reply:
    """Somebody was chosen."""
    at = acting.of_window(submission)
    to = acting.words_of(submission, TO)
    if not to:
        return FieldErrors({TO: "Choose somebody."})
    form = HandOver(
        approval_id=at.approval_id,
        revision=at.revision,
        to=to,
        note=acting.words_of(submission, NOTE),
    )
    door.act(submission.deps, submission.actor, form, at.clicked)
    return Done()
