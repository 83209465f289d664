"""What a listener answers the person who acted, carried out by the router once the change is committed."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.charts.drawing import Picture
from bot.deps import Deps
from bot.slack import blocks
from workflows.approvals.submission import Leg, Route
from workflows.context import Actor
from workflows.wording import counted


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to say: the card follows by itself; a modal closes."""


@dataclass(frozen=True, slots=True)
class Private:
    """Words that only the person who acted sees, where they were: under the message, or in the modal."""

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    pictures: tuple[Picture, ...] = ()
    """What the image blocks show. The words are said at once, the pictures below them when they were uploaded."""
    replaces: bool = False
    """Stand in the place of the private message that was clicked, as the next page of a list does."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open a modal; on top of the one that is open when the person acted in one."""

    view: dict[str, Any]
    pictures: tuple[Picture, ...] = ()
    """What its image blocks show; what Slack has not yet is said in words until it was uploaded."""


@dataclass(frozen=True, slots=True)
class Show:
    """Put this view in place of the modal in which the person acted."""

    view: dict[str, Any]
    pictures: tuple[Picture, ...] = ()
    """As for Open."""


@dataclass(frozen=True, slots=True)
class FieldErrors:
    """Keep the modal open with a sentence under each field: block_id → sentence."""

    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class Send:
    """A file for the person who acted, which comes to their direct conversation with mlgov.

    `make` gives its bytes, outside every transaction and in the background; what it refuses with a GovernanceError is
    said there instead. `words` stand above the file (mrkdwn).
    """

    name: str
    make: Callable[[], bytes]
    words: str


Answered = Done | Private | Open | Show | FieldErrors
"""What Slack is told at once."""
Reply = Answered | Send


# --- Seals on what a window carries about where its opener stood, so that nobody says it of
#     themselves
#
# Slack keeps a window's metadata; the seal spares relying on that where it opens something.


def seal(deps: Deps, actor: Actor, place: str) -> str:
    """What proves that this person stood at a place (a channel, or `channel:ts`) when they opened a window there."""
    key = hashlib.sha256(f"mlgov:{deps.slack.token}".encode()).digest()
    message = f"{actor.id}\n{place}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]


def is_sealed(deps: Deps, actor: Actor, place: str, given: str) -> bool:
    """Whether `given` is the seal of this person and place."""
    return hmac.compare_digest(seal(deps, actor, place).encode(), given.encode())


# --- The way a request would take, told in the window before it is sent
#
# who is asked, in which order, how many.

_NAMES = 3


def describe_route(route: Route) -> str:
    """`Decided by: Budget owner (Ana Ruiz), then if …, Finance (2 of 4 people)`, for mrkdwn."""
    sentence = f"Decided by: {', then '.join(_leg(leg) for leg in route.legs)}."
    people = counted(route.notified, "person", "people")
    sentence += f"\nAt most {people} {'gets' if route.notified == 1 else 'get'} a message, one stage after the other."
    if route.passes_when:
        sentence += f"\nPasses by rule, without asking anybody, if `{blocks.escape(route.passes_when, 150)}`."
    return sentence


def _leg(leg: Leg) -> str:
    names = [blocks.escape(name, 60) for name in leg.people]
    if not names:
        who = "nobody"
    elif leg.needs > 1:
        who = f"{leg.needs} of {counted(len(names), 'person', 'people')}"
    elif len(names) <= _NAMES:
        who = " or ".join(names)
    else:
        who = f"one of {counted(len(names), 'person', 'people')}"
    only = f"if `{blocks.escape(leg.when, 120)}`, " if leg.when else ""
    return f"{only}{blocks.escape(leg.name, 60)} ({who})"
