"""What a listener answers the person who acted, carried out by the router once the change is committed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.charts.pictures import Picture


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
