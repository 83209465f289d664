"""What a listener gets: a signed request from Slack, parsed, with the person who acted as an Actor."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from workflows.actors import Actor
from workflows.errors import InvalidInput

if TYPE_CHECKING:
    from bot.context import Deps


E = TypeVar("E", bound=StrEnum)

UNREADABLE = "This window is from another release of mlgov. Nothing was changed; open it again."
"""Said where a window holds what ours never held: an older one, or one that somebody made up."""


@dataclass(frozen=True, slots=True)
class Command:
    """`/mlgov …`, or the same words in a direct message. `words` are folded, without the command itself."""

    deps: "Deps"
    actor: Actor
    words: tuple[str, ...]
    channel: str
    trigger_id: str | None


@dataclass(frozen=True, slots=True)
class Click:
    """A button or menu. `value` is the button's own value or the chosen option's.

    `channel` and `ts` name the message that was clicked; `view` is set instead when it was in a modal or App Home.
    """

    deps: "Deps"
    actor: Actor
    action_id: str
    value: str
    channel: str | None
    ts: str | None
    view: dict[str, Any] | None
    trigger_id: str
    payload: dict[str, Any]

    @property
    def card(self) -> tuple[str, str] | None:
        """Channel and ts of the clicked message, for `outbox.refresh(clicked=…)`."""
        return (self.channel, self.ts) if self.channel and self.ts else None


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A message shortcut, used on a message that anybody wrote, in any conversation that its reader sees.

    `text` is that message's text (mrkdwn of a stranger, maybe empty) and `author` the Slack id of who wrote it, None
    for an app's. mlgov need not be in the conversation: it can neither read further there nor post.
    """

    deps: "Deps"
    actor: Actor
    callback_id: str
    trigger_id: str
    channel: str
    ts: str
    text: str
    author: str | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileShared:
    """A file that somebody shared with the bot in their direct conversation."""

    deps: "Deps"
    actor: Actor
    file_id: str


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody typed into a menu whose options are looked up. `view` is the modal that holds it."""

    deps: "Deps"
    actor: Actor
    query: str
    view: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted modal. `values` maps block_id to what was entered: text, an option's value, ids, or None."""

    deps: "Deps"
    actor: Actor
    view: dict[str, Any]
    metadata: str
    values: dict[str, Any]

    @property
    def key(self) -> str:
        """Names this submission; a redelivery carries the same one."""
        return f"view:{self.view['id']}"

    def choice(self, block: str, kind: type[E], default: E | None = None) -> E:
        """The option that was chosen there. Raises InvalidInput for one that the window never offered."""
        value = self.values.get(block)
        if value is None and default is not None:
            return default
        try:
            return kind(str(value))
        except ValueError:
            raise InvalidInput(UNREADABLE) from None

    def number(self, block: str, default: int) -> int:
        """The number that was chosen there. Raises InvalidInput for what is none."""
        return as_number(self.values.get(block) or default)


def as_number(text: object) -> int:
    """A number out of a window's metadata or options. Raises InvalidInput for what is none."""
    try:
        return int(str(text))
    except ValueError:
        raise InvalidInput(UNREADABLE) from None
