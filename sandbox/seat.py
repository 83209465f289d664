"""One person's Slack client, for tests and for a page."""

import re
from typing import Any

from sandbox import acting, submission
from sandbox.blocks.state import initial_values
from sandbox.channels import Channel, Ephemeral, Message
from sandbox.errors import SlackError
from sandbox.installation import ResponseUrl
from sandbox.outcome import NotPossible, Outcome, body_of, error_of, outcome_of
from sandbox.outgoing import payloads, response_url
from sandbox.outgoing.answers import Parcel
from sandbox.views import StateValues
from sandbox.writing import SYSTEM_SUBTYPES, Writing

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
            form = payloads.slash_command(
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
            payload = payloads.message_shortcut(
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
            block, _ = acting.find(view.blocks, action_id, None)
            payload = payloads.view_action(
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
            for block_id, action_id, state in acting.entered(view.blocks, values):
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
            payload = payloads.view_submission(
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
                payloads.view_closed(installation, self.user, self.team_id, one, cleared=clear)
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
        block, element = acting.find(view.blocks, action_id, block_id)
        entry = acting.action(block, element, value, selected)
        if action_id in view.values.get(block["block_id"], {}):
            self._world.views.enter(view_id, block["block_id"], action_id, acting.state_of(entry))
        return payloads.view_action(
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
        block, element = acting.find(message.blocks, action_id, block_id)
        entry = acting.action(block, element, value, selected)
        values: StateValues = initial_values(message.blocks)
        for in_block, of_action, state_value in acting.entered(message.blocks, state or {}):
            values[in_block][of_action] = state_value
        if action_id in values.get(block["block_id"], {}):
            values[block["block_id"]][action_id] = acting.state_of(entry)
        if isinstance(message, Ephemeral):
            return payloads.ephemeral_action(
                installation, self.user, self.team_id, channel, message, entry, values
            )
        return payloads.message_action(
            installation, self.user, self.team_id, channel, message, entry, values
        )

    def _command_answer(self, channel: Channel, answer_body: dict[str, Any]) -> str | None:
        """Show what the app answered to a command; the error when Slack would not."""
        link = ResponseUrl("", "", self.user_id, channel.id, 0.0)
        try:
            with self._world.lock:
                response_url.apply(self._sandbox.installation, link, answer_body)
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
