"""`More`: one menu behind three dots, whose entries name what they do and what they were offered on."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.approvals import conditions, handover, information, nudge, words
from bot.replies import Reply
from bot.requests import Click
from bot.router import Router
from workflows.errors import InvalidInput

VERBS: Mapping[str, Callable[[Click], Reply]] = {
    "conditions": conditions.open_modal,
    "ask": information.open_question,
    "hand_over": handover.open_modal,
    "nudge": nudge.nudge,
}


def register(router: Router) -> None:
    """Answer the menu."""
    router.action(words.MORE, chosen)


def chosen(click: Click) -> Reply:
    """`verb:id:revision`."""
    verb, _, value = click.value.partition(":")
    handler = VERBS.get(verb)
    if handler is None:
        raise InvalidInput(
            "This menu is from another release of mlgov. `/mlgov approvals` lists what waits for you."
        )
    return handler(replace(click, value=value))
