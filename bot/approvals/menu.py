"""`More`: one menu behind three dots, whose entries name what they do and what they were offered on."""

from collections.abc import Callable, Mapping

from bot.approvals import conditions, handover, information, nudge, words
from bot.interactions import Request, RequestChoice
from bot.replies import Reply
from bot.requests import Click
from bot.router import Router

VERBS: Mapping[str, Callable[[Click, Request], Reply]] = {
    "conditions": conditions.open_modal,
    "ask": information.open_question,
    "hand_over": handover.open_modal,
    "nudge": nudge.nudge,
}


def register(router: Router) -> None:
    """Answer the menu."""
    router.action(words.MORE, chosen, RequestChoice)


def chosen(click: Click, choice: RequestChoice) -> Reply:
    """Whatever the menu offered."""
    handler = VERBS.get(choice.verb)
    if handler is None:
        raise choice.refusal()
    return handler(click, choice.on)
