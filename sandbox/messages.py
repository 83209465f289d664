"""What is written: messages, replies, ephemeral messages, and who has read how far."""

import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sandbox.ids import new_id

if TYPE_CHECKING:
    from sandbox.world import World

# --- Channels and what is written in them

Blocks = list[dict[str, Any]]
ChannelKind = Literal["public", "private", "im", "mpim"]


@dataclass(slots=True)
class Edited:
    """Who last edited a message, and when (a Slack timestamp)."""

    user_id: str
    ts: str


@dataclass(slots=True)
class Message:
    """A message. Replies carry the `thread_ts` of their root; a root with replies carries its own.

    `posted_at` is real monotonic time: a history that lags shows the message only later.
    """

    channel_id: str
    ts: str
    user_id: str
    text: str
    team_id: str
    blocks: Blocks = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    reply_broadcast: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    subtype: str | None = None
    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    metadata: dict[str, Any] | None = None
    file_ids: tuple[str, ...] = ()
    client_msg_id: str | None = None
    edited: Edited | None = None
    reactions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Emoji without colons, each with who reacted with it, in order; never changed in place."""
    topic: str | None = None
    """What the conversation's topic became, where this is Slack's word on it."""
    posted_at: float = 0.0

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread under another message."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(slots=True)
class Ephemeral:
    """A message that one person sees ("Only visible to you"), until they reload."""

    id: str
    user_id: str
    channel_id: str
    ts: str
    text: str
    author_id: str
    blocks: Blocks = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    bot_id: str | None = None
    app_id: str | None = None


@dataclass(slots=True)
class Channel:
    """A conversation of any kind. `members` keeps the order in which people joined.

    A direct message has `user_id`: the person at the other end of the app's conversation.
    `team_ids` are the workspaces that share it, the owner's first.
    """

    id: str
    name: str
    kind: ChannelKind
    team_ids: list[str]
    creator: str = ""
    created: int = 0
    members: dict[str, None] = field(default_factory=dict)
    is_archived: bool = False
    is_general: bool = False
    topic: str = ""
    topic_creator: str = ""
    topic_set: int = 0
    """When the topic was last set, in seconds since 1970; 0 for one that was always there."""
    purpose: str = ""
    user_id: str | None = None
    is_ext_shared: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    client_msg_ids: dict[str, str] = field(default_factory=dict)
    last_ts: int = 0

    @property
    def is_org_shared(self) -> bool:
        """Shared between several workspaces of one Enterprise Grid."""
        return len(self.team_ids) > 1 and not self.is_ext_shared

    def replies(self, root_ts: str) -> list[Message]:
        """The replies under a message, oldest first, without the message itself."""
        return [self.messages[ts] for ts in self.threads.get(root_ts, ()) if ts in self.messages]


def ts_of(micros: int) -> str:
    """A Slack timestamp from microseconds since 1970."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def micros_of(ts: str) -> int:
    """Microseconds since 1970 from a Slack timestamp; raises ValueError when it is none."""
    seconds, _, fraction = ts.partition(".")
    if not seconds.isdigit() or (fraction and not fraction.isdigit()):
        raise ValueError(f"{ts!r} is no Slack timestamp")
    return int(seconds) * 1_000_000 + int((fraction + "000000")[:6])


# --- What is written
#
# messages, replies, ephemeral messages, and who has read how far.

EVENT_CHANNEL_TYPE = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}


EMOJI_NAME = re.compile(r"[a-z0-9_+'-]+(?:::skin-tone-[2-6])?")
"""An emoji as reactions name it: without colons, perhaps with a skin tone."""


class Messages:
    """The messages of a world. Its methods trust the caller: the Web API and `Seat` check first."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.ephemerals: dict[str, Ephemeral] = {}
        self._read: dict[tuple[str, str], str] = {}
        self.looked: dict[tuple[str, str], datetime] = {}
        """When people last looked at a conversation: by the world's clock, by person and conversation."""

    def next_ts(self, channel: Channel) -> str:
        """A timestamp of the governed now, later than every one given in this channel before."""
        now = int(self._world.clock.now().timestamp() * 1_000_000)
        channel.last_ts = max(now, channel.last_ts + 1)
        return ts_of(channel.last_ts)

    def find(self, channel_id: str, ts: str) -> Message | None:
        """The message, or None."""
        with self._world.lock:
            channel = self._world.channels.get(channel_id)
            return channel.messages.get(ts) if channel else None

    def post(self, channel_id: str, user_id: str, text: str, **more: Any) -> Message:
        """Write a message; `more` are fields of `Message`."""
        world = self._world
        with world.lock:
            channel = world.channels[channel_id]
            message = Message(
                channel_id=channel_id,
                ts=self.next_ts(channel),
                user_id=user_id,
                text=text,
                team_id=world.users[user_id].team_id,
                posted_at=time.monotonic(),
                **more,
            )
            channel.messages[message.ts] = message
            if message.client_msg_id:
                channel.client_msg_ids[message.client_msg_id] = message.ts
            if message.is_reply and message.thread_ts:
                root = channel.messages.get(message.thread_ts)
                if root is not None and root.thread_ts is None:
                    channel.messages[root.ts] = replace(root, thread_ts=root.ts)
                channel.threads.setdefault(message.thread_ts, []).append(message.ts)
            self._read[(user_id, channel_id)] = message.ts
            world.feed.append(
                "message", channel=channel_id, ts=message.ts, thread_ts=message.thread_ts
            )
            world.happen(
                {"type": "message", "message": message},
                channel_id=channel_id,
                team_id=channel.team_ids[0],
            )
            return message

    def edit(self, channel_id: str, ts: str, *, mark_edited: bool, **changes: Any) -> Message:
        """Change a message; `mark_edited` shows "(edited)"."""
        world = self._world
        with world.lock:
            channel = world.channels[channel_id]
            before = channel.messages[ts]
            if mark_edited:
                # An edit's own ts is only told, never used as a key.
                changes["edited"] = Edited(before.user_id, self.next_ts(channel))
            after = replace(before, **changes)
            channel.messages[ts] = after
            world.feed.append(
                "message_changed", channel=channel_id, ts=ts, thread_ts=after.thread_ts
            )
            world.happen(
                {
                    "type": "message",
                    "subtype": "message_changed",
                    "message": after,
                    "previous_message": before,
                    "ts": self.next_ts(channel),
                },
                channel_id=channel_id,
                team_id=channel.team_ids[0],
            )
            return after

    def delete(self, channel_id: str, ts: str) -> None:
        """Remove a message."""
        world = self._world
        with world.lock:
            channel = world.channels[channel_id]
            gone = channel.messages.pop(ts)
            if gone.is_reply and gone.thread_ts:
                channel.threads[gone.thread_ts].remove(ts)
            world.feed.append(
                "message_deleted", channel=channel_id, ts=ts, thread_ts=gone.thread_ts
            )
            world.happen(
                {
                    "type": "message",
                    "subtype": "message_deleted",
                    "previous_message": gone,
                    "deleted_ts": ts,
                    "ts": self.next_ts(channel),
                },
                channel_id=channel_id,
                team_id=channel.team_ids[0],
            )

    # --- reactions and unfurls -----------------------------------------------------------------

    def react(self, channel_id: str, ts: str, user_id: str, name: str) -> None:
        """Put an emoji under a message; a reaction_added."""
        message = self._world.channels[channel_id].messages[ts]
        users = (*message.reactions.get(name, ()), user_id)
        self._set_reaction("reaction_added", message, user_id, name, users)

    def unreact(self, channel_id: str, ts: str, user_id: str, name: str) -> None:
        """Take one's emoji away again; a reaction_removed."""
        message = self._world.channels[channel_id].messages[ts]
        users = tuple(user for user in message.reactions[name] if user != user_id)
        self._set_reaction("reaction_removed", message, user_id, name, users)

    def _set_reaction(
        self, event_type: str, message: Message, user_id: str, name: str, users: tuple[str, ...]
    ) -> None:
        world = self._world
        with world.lock:
            channel = world.channels[message.channel_id]
            reactions = message.reactions | {name: users}
            if not users:
                del reactions[name]
            channel.messages[message.ts] = replace(message, reactions=reactions)
            world.feed.append(
                "message_changed", channel=channel.id, ts=message.ts, thread_ts=message.thread_ts
            )
            world.happen(
                {
                    "type": event_type,
                    "user": user_id,
                    "reaction": name,
                    "item_user": message.user_id,
                    "item": {"type": "message", "channel": channel.id, "ts": message.ts},
                },
                channel_id=channel.id,
                team_id=channel.team_ids[0],
            )

    def unfurl(self, channel_id: str, ts: str, unfurls: dict[str, dict[str, Any]]) -> Message:
        """Attach to a message what an app says of its links, in place of what it said before."""
        with self._world.lock:
            message = self._world.channels[channel_id].messages[ts]
            kept = [
                attachment
                for attachment in message.attachments
                if attachment.get("app_unfurl_url") not in unfurls
            ]
            attachments = [
                attachment | {"id": n} for n, attachment in enumerate((*kept, *unfurls.values()), 1)
            ]
            return self.edit(channel_id, ts, mark_edited=False, attachments=attachments)

    # --- only visible to you -------------------------------------------------------------------

    def post_ephemeral(
        self, channel_id: str, user_id: str, author_id: str, text: str, **more: Any
    ) -> Ephemeral:
        """Show a message to one person; `more` are fields of `Ephemeral`."""
        world = self._world
        with world.lock:
            ephemeral = Ephemeral(
                id=new_id("Ep"),
                user_id=user_id,
                channel_id=channel_id,
                ts=self.next_ts(world.channels[channel_id]),
                text=text,
                author_id=author_id,
                **more,
            )
            self.ephemerals[ephemeral.id] = ephemeral
            world.feed.append("ephemeral", user=user_id, channel=channel_id, id=ephemeral.id)
            return ephemeral

    def edit_ephemeral(self, id_: str, **changes: Any) -> Ephemeral:
        """Replace what an ephemeral message shows (only a response_url can)."""
        with self._world.lock:
            ephemeral = replace(self.ephemerals[id_], **changes)
            self.ephemerals[id_] = ephemeral
            self._world.feed.append(
                "ephemeral_changed", user=ephemeral.user_id, channel=ephemeral.channel_id, id=id_
            )
            return ephemeral

    def dismiss_ephemeral(self, id_: str) -> None:
        """Take an ephemeral message away; nothing happens when it is gone already."""
        with self._world.lock:
            ephemeral = self.ephemerals.pop(id_, None)
            if ephemeral is not None:
                self._world.feed.append(
                    "ephemeral_deleted",
                    user=ephemeral.user_id,
                    channel=ephemeral.channel_id,
                    id=id_,
                )

    # --- reading -------------------------------------------------------------------------------

    def mark_read(self, user_id: str, channel_id: str) -> None:
        """The person has seen everything in the channel."""
        with self._world.lock:
            channel = self._world.channels[channel_id]
            self.looked[(user_id, channel_id)] = self._world.clock.now()
            last = next(reversed(channel.messages), "0")
            if self._read.get((user_id, channel_id), "0") != last:
                self._read[(user_id, channel_id)] = last
                self._world.feed.append("read", user=user_id, channel=channel_id)

    def unread(self, user_id: str, channel_id: str) -> int:
        """How many messages outside threads the person has not seen, not counting their own."""
        with self._world.lock:
            seen = self._read.get((user_id, channel_id), "0")
            count = 0
            for message in reversed(self._world.channels[channel_id].messages.values()):
                if message.ts <= seen:
                    break
                count += not message.is_reply and message.user_id != user_id
            return count
