"""One person's Slack client, for tests and for a page."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.channels import Channel, Ephemeral, Message
from sandbox.people import User
from sandbox.views import View

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Selected = str | list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of something a person did.

    `status` is the HTTP status the app answered with (None over Socket Mode, or when it did not
    answer). `error` is a word for what went wrong (`operation_timeout`, `dispatch_failed`, …),
    `text` what Slack's client would show the person about it. `errors` are the messages under a
    modal's fields, block_id → text. `ms` is how long the app took. `body` is its answer, parsed.
    """

    ok: bool
    status: int | None = None
    error: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    ms: float = 0.0
    body: Any = None
    text: str | None = None


class NotPossible(Exception):
    """The person's client would not let them do this (no such button, not a member, …)."""


class Seat:
    """Act and look as one person."""

    def __init__(self, sandbox: "Sandbox", user_id: str, team_id: str | None = None) -> None:
        raise NotImplementedError

    @property
    def user(self) -> User:
        """Who sits here, as they are now."""
        raise NotImplementedError

    # --- looking -------------------------------------------------------------------------------

    def channels(self) -> list[Channel]:
        """The conversations this person is in."""
        raise NotImplementedError

    def messages(self, channel_id: str) -> list[Message]:
        """What stands in a channel, oldest first, without the replies in threads."""
        raise NotImplementedError

    def replies(self, channel_id: str, ts: str) -> list[Message]:
        """The replies in a thread, oldest first, without its root."""
        raise NotImplementedError

    def ephemerals(self, channel_id: str | None = None) -> list[Ephemeral]:
        """What is "only visible to you", oldest first; in one channel or in all."""
        raise NotImplementedError

    def modals(self) -> list[View]:
        """The open modals, the visible one last."""
        raise NotImplementedError

    def home(self) -> View | None:
        """The app's Home tab as last published, or None."""
        raise NotImplementedError

    def unread(self) -> dict[str, int]:
        """Unread messages per channel, only channels that have some."""
        raise NotImplementedError

    def mark_read(self, channel_id: str) -> None:
        """Everything in the channel has been seen."""
        raise NotImplementedError

    def dm(self) -> Channel:
        """The direct conversation with the app."""
        raise NotImplementedError

    # --- doing ---------------------------------------------------------------------------------

    def say(self, channel_id: str, text: str, thread_ts: str | None = None) -> Message:
        """Write a message. Raises NotPossible when Slack's client would not send it."""
        raise NotImplementedError

    def slash(self, command: str, text: str, channel_id: str) -> Outcome:
        """Use a slash command, with or without its leading `/`."""
        raise NotImplementedError

    def click(
        self,
        *,
        channel_id: str | None = None,
        ts: str | None = None,
        ephemeral_id: str | None = None,
        view_id: str | None = None,
        action_id: str,
        block_id: str | None = None,
        value: str | None = None,
        selected: Selected | None = None,
        state: dict[str, dict[str, Any]] | None = None,
        shown: Message | None = None,
    ) -> Outcome:
        """Use an element of a message (`channel_id` + `ts`), an ephemeral message or a view.

        `block_id` is needed only when several blocks hold the same `action_id`. A button needs
        nothing more; for a select, radio button, check box, overflow or picker give `selected`
        (the option's value, an id, a date; a list where several may be chosen), for a text input
        that dispatches, `value`. `state` enters other inputs first, as in `submit`. `shown` is the
        message as a stale window still shows it. Raises NotPossible when there is no such element.
        """
        raise NotImplementedError

    def enter(self, view_id: str, values: dict[str, dict[str, Any]]) -> None:
        """Fill in inputs of an open view without submitting it; as in `submit`."""
        raise NotImplementedError

    def submit(self, view_id: str, values: dict[str, dict[str, Any]] | None = None) -> Outcome:
        """Submit a modal; the app's response_action is carried out.

        `values` are block_id → action_id → plain text, the chosen option's value(s), or Slack's
        state object; what was entered before stays. Required inputs left empty are refused by the
        client: `ok` is False, `errors` says which, and the app hears nothing.
        """
        raise NotImplementedError

    def close(self, view_id: str, clear: bool = False) -> Outcome:
        """Close a modal (`clear`: the whole stack); the app hears when it asked to."""
        raise NotImplementedError

    def open_home(self) -> Outcome:
        """Open the app's Home tab; the app hears app_home_opened."""
        raise NotImplementedError

    def open_messages(self) -> Outcome:
        """Open the app's Messages tab; the app hears app_home_opened for it."""
        raise NotImplementedError
