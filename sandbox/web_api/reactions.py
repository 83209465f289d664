"""reactions.*: emoji under messages."""

import re
from typing import Any

from sandbox import render
from sandbox.channels import Channel, Message, micros_of
from sandbox.errors import SlackError
from sandbox.messages import EMOJI_NAME
from sandbox.web_api.call import Answer, Call, paged
from sandbox.web_api.chat import permalink

MOST_EMOJI = 50
"""Different emoji under one message."""
MOST_OF_ONE = 23
"""Different emoji of one person under one message."""
_TS = re.compile(r"\d+\.\d{1,6}")


def add(call: Call) -> Answer:
    """reactions.add."""
    channel, message, name = _place(call)
    if channel.is_archived:
        raise SlackError("is_archived")
    bot = call.world.app.bot_user_id
    if bot in message.reactions.get(name, ()):
        raise SlackError("already_reacted")
    if name not in message.reactions and len(message.reactions) >= MOST_EMOJI:
        raise SlackError("too_many_emoji")
    if sum(bot in users for users in message.reactions.values()) >= MOST_OF_ONE:
        raise SlackError("too_many_reactions")
    call.world.messages.react(channel.id, message.ts, bot, name)
    return {"ok": True}


def remove(call: Call) -> Answer:
    """reactions.remove: only the app's own."""
    channel, message, name = _place(call)
    bot = call.world.app.bot_user_id
    if bot not in message.reactions.get(name, ()):
        raise SlackError("no_reaction")
    call.world.messages.unreact(channel.id, message.ts, bot, name)
    return {"ok": True}


def get(call: Call) -> Answer:
    """reactions.get: a message with its reactions."""
    channel, message = _message(call)
    return {
        "ok": True,
        "type": "message",
        "channel": channel.id,
        "message": _shown(call, message) | {"permalink": permalink(call, message)},
    }


def list_(call: Call) -> Answer:
    """reactions.list: the messages that somebody (the app, unless told) reacted to, newest first."""
    call.needs_team()
    user_id = call.text("user") or call.world.app.bot_user_id
    call.user(user_id)
    reacted = [
        message
        for channel in call.world.channels.values()
        if call.is_member(channel)
        for message in channel.messages.values()
        if any(user_id in users for users in message.reactions.values())
    ]
    reacted.sort(key=lambda message: micros_of(message.ts), reverse=True)
    limit = call.whole("limit", 0, 1, 1000)
    page, cursor = call.page(reacted, limit or call.whole("count", 100, 1, 1000))
    return {
        "ok": True,
        "items": [
            {"type": "message", "channel": message.channel_id, "message": _shown(call, message)}
            for message in page
        ],
        **paged(cursor),
    }


def _place(call: Call) -> tuple[Channel, Message, str]:
    """The message and the emoji, without its colons."""
    name = call.text("name")
    if not EMOJI_NAME.fullmatch(name):
        raise SlackError("invalid_name")
    channel, message = _message(call)
    return channel, message, name


def _message(call: Call) -> tuple[Channel, Message]:
    ts = call.text("timestamp")
    if not ts or not call.text("channel"):
        raise SlackError("no_item_specified")
    if not _TS.fullmatch(ts):
        raise SlackError("bad_timestamp")
    channel = call.channel()
    message = channel.messages.get(ts)
    if message is None or not call.is_member(channel):
        raise SlackError("message_not_found")
    return channel, message


def _shown(call: Call, message: Message) -> dict[str, Any]:
    return render.message(call.world, message, base_url=call.installation.base_url)
