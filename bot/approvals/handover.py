"""Giving one's place in a stage to somebody else."""

from collections.abc import Sequence

from bot import blocks, door
from bot.approvals import acting, words
from bot.blocks import Block, Element
from bot.interactions import Request, RequestWindow, ask
from bot.replies import Done, FieldErrors, Open, Reply
from bot.requests import Click, Search, Submission
from bot.router import Router
from workflows.approvals.forms import HandOver
from workflows.approvals.handover import Takers
from workflows.approvals.records import Card

SUBMIT = "approvals.hand_over"
TO, NOTE = "to", "note"
"""Blocks of the two fields."""
SEARCH = "approvals.takers"
"""The menu in which more people than a menu holds are looked up."""


def register(router: Router) -> None:
    """Answer the modal, and its menu where that is looked up."""
    router.submission(SUBMIT, hand_over, RequestWindow)
    router.search(SEARCH, search)


def open_modal(click: Click, request: Request) -> Reply:
    """To whom? Only those are offered who can take the place; where nobody can, the way out is said."""
    form = acting.form(click, request, HandOver, to="")
    takers = door.takers(click.deps, click.actor, form, click.card)
    card = acting.load_card(click, request.approval_id)
    if not takers.people and not takers.others:
        return Open(_nobody(card))
    hint = f"Only people who can decide this in your place: {card.round.name} asks them too, or the policy allows it."
    return Open(
        blocks.modal(
            "Hand over",
            [
                blocks.section(f"*{words.asks(card)}*"),
                ask(HandOver, "to", _menu(takers), hint=hint),
                ask(HandOver, "note"),
            ],
            callback_id=SUBMIT,
            submit="Hand over",
            metadata=acting.remember(card, click),
        )
    )


def _menu(takers: Takers) -> Element:
    if takers.others:
        return blocks.search_select(SEARCH, placeholder="Type a name")
    return blocks.select(
        TO,
        [blocks.option(each.name, each.slack_id) for each in takers.people],
        placeholder="Somebody who can decide",
    )


def _nobody(card: Card) -> Block:
    """Where nobody can take the place: why, and what to do instead."""
    stage = blocks.escape(card.round.name, 60)
    return blocks.modal(
        "Hand over",
        [
            blocks.section(f"*{words.asks(card)}*"),
            blocks.section(
                f"Nobody can take your place here: {stage} asks nobody else who could decide this, and the policy names "
                "nobody who may take over."
            ),
            blocks.section(
                "*What you can do*\n"
                "• Decide it yourself, or ask for information first: the deadline waits for the answer.\n"
                "• Going away? `/mlgov away` names somebody who decides for you.\n"
                "• Ask an administrator. They can let somebody take over at this gate (`hand_over_to` in governance.yml), "
                "or name who decides when nobody is left (`nobody: fallback`)."
            ),
        ],
        callback_id="notice",
        close="Close",
    )


def search(asked: Search) -> Sequence[tuple[str, str]]:
    """Those who can take the place and whose names hold what was typed."""
    request = RequestWindow.read(asked.metadata)
    revision = door.shown_revision(asked.deps, asked.actor, request, request.card)
    form = HandOver(approval_id=request.approval_id, revision=revision, to="")
    takers = door.takers(asked.deps, asked.actor, form, request.card, query=asked.query)
    return [(each.slack_id, each.name) for each in takers.people]


def hand_over(submission: Submission, request: RequestWindow) -> Reply:
    """Somebody was chosen."""
    to = submission.text(TO)
    if not to:
        return FieldErrors({TO: "Choose somebody."})
    acting.act(submission, request, HandOver, to=to, note=submission.text(NOTE))
    return Done()
