"""Seals on what a window carries about where its opener stood, so that nobody says it of themselves.

Slack keeps a window's metadata; the seal spares relying on that where it opens something.
"""

import hashlib
import hmac

from bot.context import Deps
from workflows.actors import Actor


def seal(deps: Deps, actor: Actor, place: str) -> str:
    """What proves that this person stood at a place (a channel, or `channel:ts`) when they opened a window there."""
    key = hashlib.sha256(f"mlgov:{deps.slack.token}".encode()).digest()
    message = f"{actor.id}\n{place}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]


def is_sealed(deps: Deps, actor: Actor, place: str, given: str) -> bool:
    """Whether `given` is the seal of this person and place."""
    return hmac.compare_digest(seal(deps, actor, place).encode(), given.encode())
