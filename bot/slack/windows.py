"""Seals on what a window carries about where its opener stood, so that nobody says it of themselves.

Slack keeps a window's metadata; the seal spares relying on that where it opens something.
"""

import hashlib
import hmac

from bot.deps import Deps
from bot.slack import blocks
from workflows.actors import Actor
from workflows.approvals.submission import Leg, Route
from workflows.wording import counted


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
