"""What the page shows of the world, as one person sees it."""

import json
from typing import TYPE_CHECKING, Any

from sandbox import render
from sandbox.messages import Channel, Ephemeral, Message
from sandbox.org import User
from sandbox.submission import NotPossible

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Json = dict[str, Any]
NEWEST = 300
"""How many messages of a conversation the page shows."""


def sidebar(sandbox: "Sandbox", user_id: str) -> Json:
    """A person's conversations with what is unread, and the channels they could look at."""
    world = sandbox.world
    seat = sandbox.seat(user_id)
    with world.lock:
        seat.dm()
        mine = seat.channels()
        rows = [_row(sandbox, seat.user, one) for one in mine]
        others = [
            {"id": one.id, "name": one.name, "is_archived": one.is_archived}
            for one in world.channels.values()
            if one not in mine and one.kind == "public" and can_see(sandbox, seat.user, one)
        ]
        team = world.teams[seat.team_id]
        return {
            "user": user_id,
            "team": {"id": team.id, "name": team.name},
            "channels": sorted(rows, key=lambda row: (row["archived"], row["name"].lower())),
            "others": sorted(others, key=lambda row: str(row["name"])),
        }


def conversation(sandbox: "Sandbox", user_id: str, channel_id: str) -> Json:
    """A conversation's newest messages, oldest first, with what only this person sees."""
    world, seat = sandbox.world, sandbox.seat(user_id)
    with world.lock:
        channel = _visible(sandbox, seat.user, channel_id)
        entries = [_message(sandbox, one) for one in seat.messages(channel_id)]
        entries += _tombstones(channel)
        entries += [_ephemeral(one) for one in seat.ephemerals(channel_id) if not one.thread_ts]
        entries.sort(key=lambda entry: float(entry["ts"]))
        unread = _unread(sandbox, seat.user, channel)
        return {
            "channel": _channel(sandbox, seat.user, channel),
            "messages": entries[-NEWEST:],
            "more": len(entries) > NEWEST,
            "unread": len(unread),
            "first_unread": unread[0].ts if unread else None,
        }


def thread(sandbox: "Sandbox", user_id: str, channel_id: str, ts: str) -> Json:
    """A thread: its root (None when it was deleted) and the replies."""
    world, seat = sandbox.world, sandbox.seat(user_id)
    with world.lock:
        channel = _visible(sandbox, seat.user, channel_id)
        root = channel.messages.get(ts)
        replies = [_message(sandbox, one) for one in seat.replies(channel_id, ts)]
        replies += [_ephemeral(one) for one in seat.ephemerals(channel_id) if one.thread_ts == ts]
        replies.sort(key=lambda entry: float(entry["ts"]))
        return {
            "ts": ts,
            "channel": _channel(sandbox, seat.user, channel),
            "parent": _message(sandbox, root) if root else None,
            "replies": replies,
        }


def views(sandbox: "Sandbox", user_id: str) -> Json:
    """A person's open modals, the visible one last, and their Home tab."""
    seat = sandbox.seat(user_id)
    with sandbox.world.lock:
        home = seat.home()
        return {
            "modals": [view.as_json() for view in seat.modals()],
            "home": home.as_json() if home else None,
        }


def can_see(sandbox: "Sandbox", user: User, channel: Channel) -> bool:
    """Whether Slack's client would show this conversation to the person."""
    if user.id in channel.members:
        return True
    if channel.kind != "public" or user.is_restricted or user.is_ultra_restricted:
        return False
    return any(team in channel.team_ids for team in user.team_ids) and not sandbox.world.is_foreign(
        user
    )


def _visible(sandbox: "Sandbox", user: User, channel_id: str) -> Channel:
    channel = sandbox.world.channels.get(channel_id)
    if channel is None or not can_see(sandbox, user, channel):
        raise NotPossible(f"{user.label} is not in this conversation, or it does not exist.")
    return channel


def _name(sandbox: "Sandbox", user: User, channel: Channel) -> tuple[str, str | None]:
    """What a conversation is called for this person, and who is at the other end."""
    world = sandbox.world
    others = [one for one in channel.members if one != user.id]
    if channel.kind == "im" and others:
        bot = world.app.bot_user_id
        name = sandbox.manifest.name if others[0] == bot else world.users[others[0]].label
        return name, others[0]
    if channel.kind == "mpim":
        return ", ".join(world.users[one].label for one in others), None
    return channel.name, None


def _unread(sandbox: "Sandbox", user: User, channel: Channel) -> list[Message]:
    """What the person has not read, oldest first."""
    left = sandbox.world.messages.unread(user.id, channel.id)
    messages: list[Message] = []
    for message in reversed(channel.messages.values()):
        if left == len(messages):
            break
        if not message.is_reply and message.user_id != user.id:
            messages.append(message)
    return messages[::-1]


def _mentions(sandbox: "Sandbox", user: User, message: Message) -> bool:
    calls = [f"<@{user.id}", "<!channel", "<!here", "<!everyone"]
    calls += [
        f"<!subteam^{group.id}"
        for group in sandbox.world.usergroups.values()
        if user.id in group.user_ids
    ]
    words = message.text + json.dumps(message.blocks)
    return any(call in words for call in calls)


def _row(sandbox: "Sandbox", user: User, channel: Channel) -> Json:
    unread = _unread(sandbox, user, channel)
    name, other = _name(sandbox, user, channel)
    return {
        "id": channel.id,
        "name": name,
        "kind": channel.kind,
        "with": other,
        "app": channel.kind == "im" and other == sandbox.world.app.bot_user_id,
        "shared": len(channel.team_ids) > 1,
        "archived": channel.is_archived,
        "unread": len(unread),
        "mentions": sum(_mentions(sandbox, user, one) for one in unread),
    }


def _channel(sandbox: "Sandbox", user: User, channel: Channel) -> Json:
    world, manifest = sandbox.world, sandbox.manifest
    name, other = _name(sandbox, user, channel)
    joined = user.id in channel.members
    mute = channel.kind == "im" and (not manifest.messages_tab or manifest.messages_read_only)
    own = set(user.team_ids)
    shared = [world.teams[team].name for team in channel.team_ids if team not in own]
    return {
        "id": channel.id,
        "name": name,
        "kind": channel.kind,
        "with": other,
        "topic": channel.topic,
        "purpose": channel.purpose,
        "joined": joined,
        "archived": channel.is_archived,
        "shared": len(channel.team_ids) > 1,
        "shared_with": f"Shared with {', '.join(shared)}" if shared else "",
        "can_write": joined and not channel.is_archived and not mute and not user.deleted,
        "members": list(channel.members) if channel.kind in ("public", "private") else None,
    }


def _message(sandbox: "Sandbox", message: Message) -> Json:
    content = render.message(sandbox.world, message)
    return content | {"channel": message.channel_id, "icon_emoji": message.icon_emoji}


def _ephemeral(ephemeral: Ephemeral) -> Json:
    return {
        "ephemeral_id": ephemeral.id,
        "channel": ephemeral.channel_id,
        "ts": ephemeral.ts,
        "user": ephemeral.author_id,
        "text": ephemeral.text,
        "blocks": ephemeral.blocks,
        "attachments": ephemeral.attachments,
    }


def _tombstones(channel: Channel) -> list[Json]:
    """Deleted messages whose threads are still there."""
    tombstones: list[Json] = []
    for ts in channel.threads:
        replies = channel.replies(ts)
        if ts not in channel.messages and replies:
            tombstones.append(
                {
                    "ts": ts,
                    "channel": channel.id,
                    "user": "USLACKBOT",
                    "deleted": True,
                    "reply_count": len(replies),
                    "reply_users": list(dict.fromkeys(one.user_id for one in replies)),
                    "latest_reply": replies[-1].ts,
                }
            )
    return tombstones
