"""What a listener gets: a signed request from Slack, parsed, with the person who acted as an Actor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from bot.interactions import WINDOW_UNREADABLE, WrongFields, block_of, faults_of, number
from bot.pictures import Picture
from bot.replies import Open, Show
from workflows.actors import Actor
from workflows.errors import InvalidInput
from workflows.inputs import inputs_of

if TYPE_CHECKING:
    from bot.context import Deps


E = TypeVar("E", bound=StrEnum)
M = TypeVar("M", bound=BaseModel)


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

    @property
    def in_modal(self) -> bool:
        """Whether it was in a modal."""
        return self.view is not None and self.view.get("type") == "modal"

    @property
    def is_private(self) -> bool:
        """Whether it was under a message that only whoever clicked sees, which cannot be edited."""
        return bool((self.payload.get("container") or {}).get("is_ephemeral"))

    @property
    def metadata(self) -> str:
        """What the view carries in which it was."""
        return str((self.view or {}).get("private_metadata") or "")

    def window(self, view: dict[str, Any], pictures: tuple[Picture, ...] = ()) -> Open | Show:
        """A modal; in place of the one in which it was, since Slack stacks no more than three."""
        return Show(view, pictures) if self.in_modal else Open(view, pictures)


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
    """What somebody typed into a menu whose options are looked up. `metadata` is that of the modal that holds it."""

    deps: "Deps"
    actor: Actor
    query: str
    metadata: str


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

    def text(self, block: str) -> str:
        """What was typed or picked there."""
        return str(self.values.get(block) or "").strip()

    def listed(self, block: str) -> tuple[str, ...]:
        """What was typed there, apart at its commas."""
        return tuple(part.strip() for part in self.text(block).split(",") if part.strip())

    def day(self, block: str) -> date | None:
        """The day that was picked there. Raises InvalidInput for what is none."""
        text = self.text(block)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None

    def choice(self, block: str, kind: type[E], default: E | None = None) -> E:
        """The option that was chosen there. Raises InvalidInput for one that the window never offered."""
        value = self.values.get(block)
        if value is None and default is not None:
            return default
        try:
            return kind(str(value))
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None

    def form(
        self, kind: type[M], known: Mapping[str, Any], wrong: Mapping[str, str] | None = None
    ) -> M:
        """A form, filled in with what was entered and what is `known` besides. An empty field has its default.

        Raises WrongFields with everything that is wrong, and what is known to be `wrong` besides.
        """
        faults = dict(wrong or {})
        try:
            filled = kind.model_validate({**self._entered(kind), **known})
        except ValidationError as error:
            faults = faults_of(error, self.view) | faults
        if faults:
            raise WrongFields(faults)
        return filled

    def _entered(self, kind: type[BaseModel]) -> dict[str, Any]:
        """What was entered for the fields of a form that are asked for; nothing else can be entered."""
        found = {}
        for field in inputs_of(kind):
            value = self.values.get(block_of(field))
            value = value.strip() if isinstance(value, str) else value
            if value not in (None, "", []):
                found[field] = value
        return found

    def number(self, block: str, default: int) -> int:
        """The number that was chosen there. Raises InvalidInput for what is none."""
        try:
            return number(str(self.values.get(block) or default))
        except ValueError:
            raise InvalidInput(WINDOW_UNREADABLE) from None
