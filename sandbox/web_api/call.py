"""One call of a Web API method: its arguments and what it may use."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.blocks import layout
from sandbox.errors import SlackError
from sandbox.installation import Installation
from sandbox.messages import Channel
from sandbox.org import User
from sandbox.world import World

Answer = dict[str, Any]
T = TypeVar("T")

_TRUE = ("1", "true", "True", "TRUE")
HISTORY_SCOPES = {
    "public": "channels:history",
    "private": "groups:history",
    "im": "im:history",
    "mpim": "mpim:history",
}
READ_SCOPES = {
    "public": "channels:read",
    "private": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments arrive as strings from forms and as any JSON from JSON bodies."""

    method: str
    args: dict[str, Any]
    installation: Installation

    @property
    def world(self) -> World:
        """The state."""
        return self.installation.world

    # --- arguments -----------------------------------------------------------------------------

    def text(self, name: str, default: str = "") -> str:
        """A string argument."""
        value = self.args.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return str(value)
        raise SlackError("invalid_arguments", findings=[f"must provide a string: {name}"])

    def needed(self, name: str, error: str = "invalid_arguments") -> str:
        """A string argument that must be there; else the error, with Slack's finding."""
        value = self.text(name)
        if value:
            return value
        if error == "invalid_arguments":
            raise SlackError(error, findings=[f"missing required field: {name}"])
        raise SlackError(error)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument."""
        value = self.args.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, bool) else str(value) in _TRUE

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds; raises `invalid_limit`."""
        value = self.args.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise SlackError("invalid_limit") from None
        if number == 0:
            return default
        if not least <= number <= most:
            raise SlackError("invalid_limit")
        return number

    def json(self, name: str, error: str) -> Any:
        """A structured argument, given as JSON text in forms; None when absent."""
        value = self.args.get(name)
        if isinstance(value, str):
            if not value:
                return None
            try:
                return json.loads(value)
            except ValueError:
                raise SlackError(error) from None
        return value

    # --- what is asked about -------------------------------------------------------------------

    def needs_team(self) -> None:
        """An org-wide installation must say which workspace it means."""
        if self.world.app.org_wide:
            team_id = self.text("team_id")
            if not team_id:
                raise SlackError("missing_argument")
            team = self.world.teams.get(team_id)
            if team is None or team.foreign:
                raise SlackError("team_not_found")

    def team_id(self) -> str:
        """The workspace asked about."""
        return self.text("team_id") if self.world.app.org_wide else self.world.app.team_id

    def channel(self, name: str = "channel") -> Channel:
        """The conversation asked about, if the app may know of it; else `channel_not_found`."""
        channel_id = self.needed(name, "channel_not_found")
        conversation = self.world.channels.get(channel_id)
        if conversation is None or not self.sees(conversation):
            raise SlackError("channel_not_found")
        return conversation

    def sees(self, channel: Channel) -> bool:
        """Whether the app can know of it: public in a workspace it is in, or it is a member."""
        if self.is_member(channel):
            return True
        reach = self.world.users[self.world.app.bot_user_id].team_ids
        return channel.kind == "public" and any(one in reach for one in channel.team_ids)

    def is_member(self, channel: Channel) -> bool:
        """Whether the app is in it."""
        return self.world.app.bot_user_id in channel.members

    def user(self, user_id: str) -> User:
        """The person asked about; else `user_not_found`."""
        account = self.world.users.get(user_id)
        if account is None:
            raise SlackError("user_not_found")
        return account

    # --- pages ---------------------------------------------------------------------------------

    def page(self, items: list[T], limit: int) -> tuple[list[T], str]:
        """The page that the cursor asks for, and the next cursor (empty on the last page)."""
        start = self.offset()
        if start > len(items):
            raise SlackError("invalid_cursor")
        stop = start + limit
        return items[start:stop], cursor_at(stop) if stop < len(items) else ""

    def offset(self) -> int:
        """How many items the cursor has passed."""
        cursor = self.text("cursor")
        if not cursor:
            return 0
        try:
            word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
            if word != "next":
                raise ValueError(cursor)
            return int(number)
        except (binascii.Error, ValueError):
            raise SlackError("invalid_cursor") from None


def cursor_at(offset: int) -> str:
    """An opaque cursor."""
    return base64.b64encode(f"next:{offset}".encode()).decode()


def paged(next_cursor: str) -> dict[str, Any]:
    """The part of an answer that carries the next cursor."""
    return {"response_metadata": {"next_cursor": next_cursor}}


# --- What a message is made of, checked as Slack checks it
#
# text, blocks, attachments, metadata.

MOST_TEXT = 40_000
MOST_UPDATE_TEXT = 4_000
MOST_MARKDOWN_TEXT = 12_000
MOST_ATTACHMENTS = 100
MOST_METADATA_BYTES = 16_384  # Slack says that there is a limit, not which


@dataclass(frozen=True, slots=True)
class Content:
    """A message's content; None where the argument was not given."""

    text: str | None
    blocks: list[dict[str, Any]] | None
    attachments: list[dict[str, Any]] | None
    metadata: dict[str, Any] | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be seen."""
        return not self.text and not self.blocks and not self.attachments


def of(call: Call) -> Content:
    """The content in a call's arguments; raises SlackError with the code that fits."""
    text = call.text("text") if call.args.get("text") is not None else None
    raw_blocks = call.json("blocks", "invalid_blocks_format")
    blocks = (
        None if raw_blocks is None else layout.message_blocks(raw_blocks, call.installation.shows)
    )
    markdown = call.text("markdown_text")
    if markdown:
        if text or raw_blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MOST_MARKDOWN_TEXT:
            raise SlackError("msg_too_long")
        # The words stay the notification's text, and are shown as the Markdown that they are.
        text = markdown
        blocks = layout.message_blocks([{"type": "markdown", "text": markdown}])
    return Content(
        text[:MOST_TEXT] if text is not None else None,
        blocks,
        _attachments(call),
        _metadata(call.json("metadata", "invalid_metadata_format")),
    )


def _attachments(call: Call) -> list[dict[str, Any]] | None:
    raw = call.json("attachments", "invalid_attachments")
    if raw is None:
        return None
    if not isinstance(raw, list) or not all(isinstance(attachment, dict) for attachment in raw):
        raise SlackError("invalid_attachments")
    if len(raw) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    for n, attachment in enumerate(raw):
        if attachment.get("actions"):
            raise SlackError(
                "invalid_attachments",
                findings=[f"attachment {n}: actions (Slack's, not the sandbox's)"],
            )
        if attachment.get("blocks") is not None:
            attachment["blocks"] = layout.message_blocks(
                attachment["blocks"], call.installation.shows
            )
    return raw


def _metadata(raw: Any) -> dict[str, Any] | None:
    if raw is None or raw == {}:
        return raw if isinstance(raw, dict) else None
    if not isinstance(raw, dict):
        raise SlackError("invalid_metadata_format")
    event_type, payload = raw.get("event_type"), raw.get("event_payload")
    if not isinstance(event_type, str) or not event_type or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_schema")
    if raw.get("entities"):
        raise SlackError(
            "invalid_metadata_schema", findings=["metadata entities (Slack's, not the sandbox's)"]
        )
    if raw.keys() - {"event_type", "event_payload", "entities"}:
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(raw).encode()) > MOST_METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return raw
