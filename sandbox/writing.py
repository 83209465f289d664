"""What one person writes and shares: messages, files, reactions, and whom they bring into a channel."""

from typing import Any

from sandbox.channels import Channel, Message
from sandbox.messages import EMOJI_NAME
from sandbox.outcome import NotPossible
from sandbox.window import Window

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
