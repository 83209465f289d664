"""Channels and what is written in them."""

from dataclasses import dataclass, field
from typing import Any, Literal

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
