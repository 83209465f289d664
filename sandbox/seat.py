"""One person's Slack client, for tests and for a page."""

import re
import time
from typing import TYPE_CHECKING, Any

from sandbox import submission
from sandbox.blocks.state import (
    Block,
    Element,
    elements,
    has_state,
    initial_values,
    options_of,
    state_for,
)
from sandbox.errors import SlackError
from sandbox.installation import ResponseUrl
from sandbox.messages import EMOJI_NAME, Channel, Ephemeral, Message
from sandbox.org import User
from sandbox.outgoing import delivery
from sandbox.outgoing import events as outgoing_events
from sandbox.submission import NotPossible, Outcome, Parcel, body_of, error_of, outcome_of
from sandbox.views import StateValues, View

if TYPE_CHECKING:
    from sandbox.server import Sandbox

# --- Finding the element a person uses, and the `actions` entry that it makes


def find(blocks: list[Block], action_id: str, block_id: str | None) -> tuple[Block, Element]:
    """The element with this action_id (in this block, when several have it)."""
    matches = [
        (block, element)
        for block, element in elements(blocks)
        if element.get("action_id") == action_id and block_id in (None, block["block_id"])
    ]
    if not matches:
        there = ", ".join(str(one.get("action_id")) for _, one in elements(blocks)) or "none"
        raise NotPossible(f"there is no {action_id} to use here; there are: {there}")
    if len(matches) > 1:
        places = ", ".join(block["block_id"] for block, _ in matches)
        raise NotPossible(f"{action_id} is in several blocks ({places}): say which block_id")
    return matches[0]


def action(
    block: Block, element: Element, value: str | None, selected: str | list[str] | None
) -> dict[str, Any]:
    """The entry in `actions` for using this element."""
    kind = element["type"]
    entry: dict[str, Any] = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": f"{time.time():.6f}",
    }
    if kind in ("button", "icon_button"):
        entry["text"] = element["text"]
        for name in ("value", "style", "url"):
            if element.get(name) is not None:
                entry[name] = element[name]
        if value is not None and value != element.get("value"):
            raise NotPossible(f"the button {element['action_id']} has another value")
        return entry
    if block["type"] == "input" and not block.get("dispatch_action"):
        raise NotPossible(f"{element['action_id']} is an input that tells the app nothing")
    if kind == "overflow":
        chosen = [one for one in options_of(element) if one["value"] == (selected or value)]
        if not chosen:
            raise NotPossible(f"{element['action_id']} has no option {selected or value!r}")
        return entry | {"selected_option": chosen[0]}
    if kind == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            if element[name]["value"] == (selected or value):
                return entry | {"text": element[name]["text"], "value": element[name]["value"]}
        raise NotPossible(f"{element['action_id']} has no button {selected or value!r}")
    if not has_state(element):
        raise NotPossible(f"a {kind} cannot be used")
    if element.get("placeholder"):
        entry["placeholder"] = element["placeholder"]
    try:
        return entry | state_for(element, selected if selected is not None else value)
    except ValueError as error:
        raise NotPossible(str(error)) from None


def state_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The part of an action entry that stays in `state.values`."""
    own = ("action_id", "block_id", "action_ts", "placeholder")
    return {name: one for name, one in entry.items() if name not in own}


def entered(
    blocks: list[Block], values: dict[str, dict[str, Any]]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Entries as (block_id, action_id, state); raises NotPossible for what cannot be entered."""
    fields = {
        (block["block_id"], element["action_id"]): element
        for block, element in elements(blocks)
        if has_state(element)
    }
    inputs: list[tuple[str, str, dict[str, Any]]] = []
    for block_id, actions in values.items():
        for action_id, value in actions.items():
            element = fields.get((block_id, action_id))
            if element is None:
                there = ", ".join("/".join(key) for key in fields) or "none"
                raise NotPossible(f"there is no input {block_id}/{action_id}; there are: {there}")
            try:
                inputs.append((block_id, action_id, state_for(element, value)))
            except ValueError as error:
                raise NotPossible(str(error)) from None
    return inputs


# --- What one person's Slack client shows


class Window:
    """Look as one person. Raises NotPossible for what they do not see."""

    def __init__(self, sandbox: "Sandbox", user_id: str, team_id: str | None = None) -> None:
        self._sandbox = sandbox
        self._world = sandbox.world
        if user_id not in self._world.users:
            raise ValueError(f"there is no user {user_id}")
        self.user_id = user_id
        own = self._world.users[user_id]
        self.team_id = team_id or own.team_id
        if self.team_id not in own.team_ids:
            raise ValueError(f"{user_id} is not in the workspace {self.team_id}")

    @property
    def user(self) -> User:
        """Who sits here, as they are now."""
        return self._world.users[self.user_id]

    def channels(self) -> list[Channel]:
        """The conversations this person is in."""
        return self._world.channels_of(self.user_id)

    def messages(self, channel_id: str) -> list[Message]:
        """What stands in a channel, oldest first, without the replies in threads."""
        with self._world.lock:
            channel = self._channel(channel_id)
            return [
                one for one in channel.messages.values() if not one.is_reply or one.reply_broadcast
            ]

    def replies(self, channel_id: str, ts: str) -> list[Message]:
        """The replies in a thread, oldest first, without its root."""
        with self._world.lock:
            return self._channel(channel_id).replies(ts)

    def ephemerals(self, channel_id: str | None = None) -> list[Ephemeral]:
        """What is "only visible to you", oldest first; in one channel or in all."""
        with self._world.lock:
            return [
                one
                for one in self._world.messages.ephemerals.values()
                if one.user_id == self.user_id and channel_id in (None, one.channel_id)
            ]

    def modals(self) -> list[View]:
        """The open modals, the visible one last."""
        return self._world.views.stack(self.user_id)

    def home(self) -> View | None:
        """The app's Home tab as last published, or None."""
        return self._world.views.home(self.user_id)

    def unread(self) -> dict[str, int]:
        """Unread messages per channel, only channels that have some."""
        with self._world.lock:
            counts = {
                one.id: self._world.messages.unread(self.user_id, one.id) for one in self.channels()
            }
        return {channel_id: count for channel_id, count in counts.items() if count}

    def mark_read(self, channel_id: str) -> None:
        """Everything in the channel has been seen."""
        self._world.messages.mark_read(self.user_id, channel_id)

    def dm(self) -> Channel:
        """The direct conversation with the app."""
        return self._world.open_im(self.user_id)

    # --- within --------------------------------------------------------------------------------

    def _channel(self, channel_id: str) -> Channel:
        """A channel that this person can look into."""
        channel = self._world.channels.get(channel_id)
        if channel is None:
            raise NotPossible(f"there is no channel {channel_id}")
        user = self.user
        if self.user_id not in channel.members and (
            channel.kind != "public"
            or user.is_restricted
            or user.is_ultra_restricted
            or not set(user.team_ids) & set(channel.team_ids)
            or self._world.is_foreign(user)
        ):
            raise NotPossible(f"{user.label} does not see the channel {channel_id}")
        return channel

    def _view(self, view_id: str) -> View:
        view = self._world.views.find(view_id)
        if view is None or view.user_id != self.user_id:
            raise NotPossible(f"the view {view_id} is not open here")
        return view

    def _top(self, view_id: str) -> View:
        view = self._view(view_id)
        stack = self.modals()
        if not stack or stack[-1] is not view:
            raise NotPossible(f"the modal {view_id} is not the one on top")
        return view

    def _active(self) -> None:
        if self.user.deleted:
            raise NotPossible(f"{self.user.label} has been deactivated")


# --- What one person writes and shares
#
# messages, files, reactions, and whom they bring into a channel.

SYSTEM_SUBTYPES = frozenset(
    {"channel_join", "channel_leave", "channel_topic", "group_join", "group_topic"}
)
"""Messages that Slack itself writes; nothing can be done with them."""


class Writing(Window):
    """Write as one person. Raises NotPossible for what Slack's client would not let them do."""

    def say(self, channel_id: str, text: str, thread_ts: str | None = None) -> Message:
        """Write a message. Raises NotPossible when Slack's client would not send it."""
        with self._world.lock:
            channel = self._may_write(channel_id)
            if thread_ts is not None:
                root = channel.messages.get(thread_ts)
                if root is None or root.is_reply:
                    raise NotPossible("there is no such thread")
            return self._world.messages.post(channel_id, self.user_id, text, thread_ts=thread_ts)

    def _may_write(self, channel_id: str) -> Channel:
        channel = self._channel(channel_id)
        self._active()
        if self.user_id not in channel.members:
            raise NotPossible(f"join #{channel.name} first")
        if channel.is_archived:
            raise NotPossible(f"#{channel.name} is archived")
        manifest = self._sandbox.manifest
        if channel.kind == "im" and (not manifest.messages_tab or manifest.messages_read_only):
            raise NotPossible("Sending messages to this app has been turned off.")
        return channel

    def share(self, channel_id: str, name: str, data: bytes, text: str = "") -> Message:
        """Share a file in a conversation, with words or none; the app hears of both, the message and the file."""
        with self._world.lock:
            self._may_write(channel_id)
            file = self._world.files.add(self.user_id, name, data, channel_id)
            message = self._world.messages.post(
                channel_id, self.user_id, text, subtype="file_share", file_ids=(file.id,)
            )
            self._world.files.tell_shared(file, self.user_id, channel_id)
            return message

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Pick a file in a form: it goes to Slack at once, and to the app with the form. The entry of a `file_input`."""
        with self._world.lock:
            self._active()
            file = self._world.files.add(self.user_id, name, data)
            return self._world.files.as_json(file, self._sandbox.installation.base_url)

    def invite(self, channel_id: str, user_id: str) -> None:
        """Bring somebody, or the app by its bot user's id, into a channel that this person is in.

        The app hears `member_joined_channel` with the inviter, also of its own joining. Raises NotPossible where Slack's
        client would not: not in the channel, a direct message, archived, somebody who is there already or was deactivated,
        guests who invite.
        """
        with self._world.lock:
            channel = self._channel(channel_id)
            self._active()
            guest = self._world.users.get(user_id)
            if channel.kind not in ("public", "private"):
                raise NotPossible("nobody can be invited to a direct message")
            if self.user_id not in channel.members:
                raise NotPossible(f"join #{channel.name} first")
            if channel.is_archived:
                raise NotPossible(f"#{channel.name} is archived")
            if self.user.is_restricted or self.user.is_ultra_restricted:
                raise NotPossible("guests can't invite anybody")
            if guest is None or guest.deleted:
                raise NotPossible("there is nobody of that name to invite")
            if not set(guest.team_ids) & set(channel.team_ids):
                raise NotPossible(f"{guest.label} is in no workspace of #{channel.name}")
            if not self._world.join(channel_id, user_id, self.user_id):
                raise NotPossible(f"{guest.label} is already in #{channel.name}")
            if user_id == self._world.app.bot_user_id:
                self._tell_mention(channel)

    def _tell_mention(self, channel: Channel) -> None:
        """The app hears why it was fetched, when this person spoke to it before it was there."""
        for message in reversed(channel.messages.values()):
            if message.user_id == self.user_id:
                if self._world.mentions_app(message):
                    self._world.happen(
                        {"type": "app_mention", "message": message},
                        channel_id=channel.id,
                        team_id=channel.team_ids[0],
                    )
                return

    def react(self, channel_id: str, ts: str, name: str) -> None:
        """Put an emoji (its name, without colons) under a message. Raises NotPossible where Slack's client would not."""
        with self._world.lock:
            message = self._reacts(channel_id, ts)
            if not EMOJI_NAME.fullmatch(name):
                raise NotPossible(f"there is no emoji {name}")
            if self.user_id not in message.reactions.get(name, ()):
                self._world.messages.react(channel_id, ts, self.user_id, name)

    def unreact(self, channel_id: str, ts: str, name: str) -> None:
        """Take one's emoji away again. Raises NotPossible when it isn't there."""
        with self._world.lock:
            message = self._reacts(channel_id, ts)
            if self.user_id not in message.reactions.get(name, ()):
                raise NotPossible(f"{self.user.label} has not reacted with {name}")
            self._world.messages.unreact(channel_id, ts, self.user_id, name)

    def _reacts(self, channel_id: str, ts: str) -> Message:
        """The message to react to."""
        channel = self._channel(channel_id)
        self._active()
        if self.user_id not in channel.members:
            raise NotPossible(f"join #{channel.name} first")
        if channel.is_archived:
            raise NotPossible(f"#{channel.name} is archived")
        message = channel.messages.get(ts)
        if message is None or message.subtype in SYSTEM_SUBTYPES:
            raise NotPossible(f"there is no message {ts} to react to")
        return message


# --- One person's Slack client, for tests and for a page

__all__ = ["NotPossible", "Outcome", "Seat"]

SLACKBOT = "USLACKBOT"
NOT_INTERACTIVE = "This app is not configured to handle interactive responses."
_MENTION = re.compile(r"(?<!\S)([@#])([\w.-]+)")


class Seat(Writing):
    """Act and look as one person."""

    def slash(self, command: str, text: str, channel_id: str) -> Outcome:
        """Use a slash command, with or without its leading `/`."""
        name = "/" + command.removeprefix("/")
        if name == "/invite":
            return self._invite_by_word(channel_id, text)
        with self._world.lock:
            channel = self._channel(channel_id)
            self._active()
            known = self._sandbox.manifest.commands.get(name)
            if known is None:
                return self._slackbot(
                    channel,
                    Outcome(False, error="invalid_command"),
                    f"`{name}` is not a valid command.",
                )
            text = text.strip()
            if known.should_escape:
                text = _MENTION.sub(self._escape, text)
            form = outgoing_events.slash_command(
                self._sandbox.installation, self.user, self.team_id, channel, name, text
            )
        answer = self._sandbox.delivery.send(Parcel("slash_commands", "slash_commands", form))
        error = error_of(answer)
        if error == "operation_timeout":
            error_text = f"{name} failed because the app did not respond."
            return self._slackbot(channel, outcome_of(answer), error_text)
        if error is not None:
            error_text = f'{name} failed with the error "{error}"'
            return self._slackbot(channel, outcome_of(answer), error_text)
        body = body_of(answer)
        if body:
            refused = self._command_answer(
                channel, body if isinstance(body, dict) else {"text": str(body)}
            )
            if refused is not None:
                outcome = Outcome(False, answer.status, refused, ms=answer.ms, body=body)
                return self._slackbot(channel, outcome, f'{name} failed with the error "{refused}"')
        return outcome_of(answer)

    def _invite_by_word(self, channel_id: str, text: str) -> Outcome:
        """`/invite @somebody @else #there`: Slack's own command, which no app hears; without a channel, here."""
        channel = self._channel(channel_id)
        names = [word for word in text.split() if not word.startswith(("#", "<#"))]
        places = [word for word in text.split() if word.startswith(("#", "<#"))]
        try:
            there = self._place_by_word(places[0]) if places else channel
            for user_id in [self._user_by_word(name) for name in names or ["…"]]:
                self.invite(there.id, user_id)
        except NotPossible as error:
            refused = Outcome(False, error="not_possible")
            return self._slackbot(channel, refused, f"/invite: {error}.")
        return Outcome(True)

    def _user_by_word(self, word: str) -> str:
        """Whom `@name`, `<@U…>` or a bare name means. Raises NotPossible unless it's one person."""
        handle = word.strip("<>").removeprefix("@").partition("|")[0].casefold()
        with self._world.lock:
            meant = [
                user.id
                for user in self._world.users.values()
                if handle in (user.name.casefold(), user.id.casefold())
            ]
        if len(meant) != 1:
            raise NotPossible(f"there is nobody called {word}: write /invite @name, or several")
        return meant[0]

    def _place_by_word(self, word: str) -> Channel:
        """The channel that `#name` or `<#C…>` means. Raises NotPossible for none that this person sees."""
        channel_id = word.strip("<>").removeprefix("#").partition("|")[0]
        with self._world.lock:
            channel = self._world.channels.get(channel_id) or (
                self._world.channel_named(channel_id)
            )
        if channel is None:
            raise NotPossible(f"there is no channel {word}")
        return self._channel(channel.id)

    def shortcut(self, callback_id: str, channel_id: str, ts: str) -> Outcome:
        """Use one of the app's message shortcuts; what goes wrong is said by Slackbot, in the channel.

        Raises NotPossible for a shortcut that the manifest does not name, and for what Slack's client
        offers none on: messages that the person does not see, or that Slack itself wrote.
        """
        with self._world.lock:
            channel = self._channel(channel_id)
            self._active()
            known = self._sandbox.manifest.shortcuts.get(callback_id)
            if known is None:
                raise NotPossible(f"this app has no shortcut {callback_id}")
            message = self._world.messages.find(channel_id, ts)
            if message is None or message.subtype in SYSTEM_SUBTYPES:
                raise NotPossible(f"there is no message {ts} to use {known.name} on")
            if not self._sandbox.manifest.interactive:
                return Outcome(False, error="not_interactive", text=NOT_INTERACTIVE)
            payload = outgoing_events.message_shortcut(
                self._sandbox.installation, self.user, self.team_id, channel, message, callback_id
            )
        outcome = self._interact("message_action", payload)
        if outcome.ok:
            return outcome
        why = (
            "the app did not respond"
            if outcome.error == "operation_timeout"
            else f'of the error "{outcome.error}"'
        )
        return self._slackbot(channel, outcome, f"{known.name} failed because {why}.")

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
        selected: str | list[str] | None = None,
        state: dict[str, dict[str, Any]] | None = None,
        message: Message | None = None,
    ) -> Outcome:
        """Use an element of a message (`channel_id` + `ts`), an ephemeral message or a view.

        `block_id` is needed only when several blocks hold the same `action_id`. A button needs
        nothing more; for a select, radio button, check box, overflow or picker give `selected`
        (the option's value, an id, a date; a list where several may be chosen), for a text input
        that dispatches, `value`. `state` enters other inputs first, as in `submit`. `shown` is the
        message as a stale window still shows it. Raises NotPossible when there is no such element.
        """
        with self._world.lock:
            self._active()
            if not self._sandbox.manifest.interactive:
                return Outcome(False, error="not_interactive", text=NOT_INTERACTIVE)
            if view_id is not None:
                payload = self._view_click(view_id, action_id, block_id, value, selected, state)
            else:
                payload = self._message_click(
                    channel_id,
                    ts,
                    ephemeral_id,
                    message,
                    action_id,
                    block_id,
                    value,
                    selected,
                    state,
                )
        return self._interact("block_actions", payload)

    def options(self, view_id: str, action_id: str, query: str = "") -> list[dict[str, Any]]:
        """What the app offers in a menu of an open view for what was typed into it."""
        with self._world.lock:
            view = self._view(view_id)
            block, _ = find(view.blocks, action_id, None)
            payload = outgoing_events.view_action(
                self._sandbox.installation, self.user, self.team_id, view, {}
            )
        answer_body = self.suggested(payload, action_id, block["block_id"], query)
        return list(answer_body.get("options") or ())

    def suggested(
        self, payload: dict[str, Any], action_id: str, block_id: str, query: str
    ) -> dict[str, Any]:
        """The app's answer to a block_suggestion, made from an interaction's payload. Raises NotPossible without one."""
        for name in ("trigger_id", "response_url", "actions", "state"):
            payload.pop(name, None)
        payload |= {
            "type": "block_suggestion",
            "action_id": action_id,
            "block_id": block_id,
            "value": query,
        }
        answer = self._sandbox.delivery.send(Parcel("interactive", "block_suggestion", payload))
        answer_body = body_of(answer)
        if error_of(answer) is not None or not isinstance(answer_body, dict):
            raise NotPossible("The app did not send options. Try again.")
        return answer_body

    def enter(self, view_id: str, values: dict[str, dict[str, Any]]) -> None:
        """Fill in inputs of an open view without submitting it; as in `submit`."""
        with self._world.lock:
            view = self._view(view_id)
            for block_id, action_id, state in entered(view.blocks, values):
                self._world.views.enter(view_id, block_id, action_id, state)

    def submit(self, view_id: str, values: dict[str, dict[str, Any]] | None = None) -> Outcome:
        """Submit a modal; the app's response_action is carried out.

        `values` are block_id → action_id → plain text, the chosen option's value(s), or Slack's
        state object; what was entered before stays. Required inputs left empty are refused by the
        client: `ok` is False, `errors` says which, and the app hears nothing.
        """
        with self._world.lock:
            self._active()
            view = self._top(view_id)
            self.enter(view_id, values or {})
            if view.body.get("submit") is None:
                raise NotPossible("this modal has no submit button")
            if not self._sandbox.manifest.interactive:
                return Outcome(False, error="not_interactive", text=NOT_INTERACTIVE)
            errors = submission.complaints(view)
            if errors:
                return Outcome(False, error="incomplete", errors=errors)
            self._world.files.give(submission.files(view))
            payload = outgoing_events.view_submission(
                self._sandbox.installation, self.user, self.team_id, view
            )
        answer = self._sandbox.delivery.send(Parcel("interactive", "view_submission", payload))
        return submission.carry_out(self._sandbox.installation, view, answer)

    def close(self, view_id: str, clear: bool = False) -> Outcome:
        """Close a modal (`clear`: the whole stack); the app hears when it asked to."""
        with self._world.lock:
            view = self._top(view_id)
            if clear or view.body.get("clear_on_close"):
                gone = self._world.views.clear(self.user_id)
                clear = True
            else:
                gone = [view]
                self._world.views.close(view_id)
            installation = self._sandbox.installation
            events = [
                outgoing_events.view_closed(
                    installation, self.user, self.team_id, one, cleared=clear
                )
                for one in reversed(gone)
                if one.body.get("notify_on_close")
            ]
        outcome = Outcome(True)
        for payload in events:
            outcome = self._interact("view_closed", payload)
        return outcome

    def open_home(self) -> Outcome:
        """Open the app's Home tab; the app hears app_home_opened."""
        if not self._sandbox.manifest.home_tab:
            raise NotPossible("this app has no Home tab")
        if self._world.is_foreign(self.user):
            raise NotPossible("the app is not installed in this person's workspace")
        return self._open_tab("home")

    def open_messages(self) -> Outcome:
        """Open the app's Messages tab; the app hears app_home_opened for it."""
        return self._open_tab("messages")

    # --- within --------------------------------------------------------------------------------

    def _open_tab(self, tab: str) -> Outcome:
        with self._world.lock:
            self._active()
            channel = self.dm()
            event: dict[str, Any] = {
                "type": "app_home_opened",
                "user": self.user_id,
                "channel": channel.id,
                "tab": tab,
            }
            home = self.home()
            if tab == "home" and home is not None:
                event["view"] = home.as_json()
            self._world.happen(event, channel_id=channel.id, team_id=self.team_id)
        return Outcome(True)

    def _interact(self, name: str, payload: dict[str, Any]) -> Outcome:
        answer = self._sandbox.delivery.send(Parcel("interactive", name, payload))
        return outcome_of(answer, text=submission.TROUBLE)

    def _view_click(
        self,
        view_id: str,
        action_id: str,
        block_id: str | None,
        value: str | None,
        selected: str | list[str] | None,
        state: dict[str, dict[str, Any]] | None,
    ) -> dict[str, Any]:
        view = self._view(view_id)
        self.enter(view_id, state or {})
        block, element = find(view.blocks, action_id, block_id)
        entry = action(block, element, value, selected)
        if action_id in view.values.get(block["block_id"], {}):
            self._world.views.enter(view_id, block["block_id"], action_id, state_of(entry))
        return outgoing_events.view_action(
            self._sandbox.installation, self.user, self.team_id, view, entry
        )

    def _message_click(
        self,
        channel_id: str | None,
        ts: str | None,
        ephemeral_id: str | None,
        stale: Message | None,
        action_id: str,
        block_id: str | None,
        value: str | None,
        selected: str | list[str] | None,
        state: dict[str, dict[str, Any]] | None,
    ) -> dict[str, Any]:
        installation = self._sandbox.installation
        message: Message | Ephemeral | None
        if ephemeral_id is not None:
            message = self._world.messages.ephemerals.get(ephemeral_id)
            if message is None or message.user_id != self.user_id:
                raise NotPossible(f"there is no message {ephemeral_id} only visible to you")
        else:
            message = stale or self._world.messages.find(channel_id or "", ts or "")
            if message is None:
                raise NotPossible(f"there is no message {ts} in {channel_id}")
        channel = self._channel(message.channel_id)
        block, element = find(message.blocks, action_id, block_id)
        entry = action(block, element, value, selected)
        values: StateValues = initial_values(message.blocks)
        for in_block, of_action, state_value in entered(message.blocks, state or {}):
            values[in_block][of_action] = state_value
        if action_id in values.get(block["block_id"], {}):
            values[block["block_id"]][action_id] = state_of(entry)
        if isinstance(message, Ephemeral):
            return outgoing_events.ephemeral_action(
                installation, self.user, self.team_id, channel, message, entry, values
            )
        return outgoing_events.message_action(
            installation, self.user, self.team_id, channel, message, entry, values
        )

    def _command_answer(self, channel: Channel, answer_body: dict[str, Any]) -> str | None:
        """Show what the app answered to a command; the error when Slack would not."""
        link = ResponseUrl("", "", self.user_id, channel.id, 0.0)
        try:
            with self._world.lock:
                delivery.apply(self._sandbox.installation, link, answer_body)
        except SlackError as error:
            return error.code
        return None

    def _slackbot(self, channel: Channel, outcome: Outcome, text: str) -> Outcome:
        """Slack's own word to the person, only visible to them."""
        self._world.messages.post_ephemeral(channel.id, self.user_id, SLACKBOT, text)
        return Outcome(
            False, outcome.status, outcome.error, ms=outcome.ms, body=outcome.body, text=text
        )

    def _escape(self, match: "re.Match[str]") -> str:
        sign, name = match.groups()
        if sign == "@":
            for user in self._world.users.values():
                if user.name == name:
                    return f"<@{user.id}|{name}>"
        else:
            channel = self._world.channel_named(name)
            if channel is not None:
                return f"<#{channel.id}|{name}>"
        return match.group()
