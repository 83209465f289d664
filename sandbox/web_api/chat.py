"""chat.*: writing messages."""

import re
from typing import Any

from sandbox import installation, render
from sandbox.blocks import layout
from sandbox.errors import SlackError
from sandbox.messages import EMOJI_NAME, Channel, Message, micros_of
from sandbox.web_api import call as web_api_call
from sandbox.web_api.call import Answer, Call, paged


def post_message(call: Call) -> Answer:
    """chat.postMessage."""
    world, app = call.world, call.world.app
    channel = destination(call)
    limits = call.installation.limits
    if limits is not None:
        retry_after = limits.refusal(call.method, app.team_id, channel.id)
        if retry_after is not None:
            raise SlackError("ratelimited", retry_after=retry_after)
    may_post(call, channel)
    what = web_api_call.of(call)
    if what.is_empty:
        raise SlackError("no_text")
    client_msg_id = call.text("client_msg_id") or None
    if client_msg_id and call.installation.faults.dedupe_client_msg_id:
        known = channel.messages.get(channel.client_msg_ids.get(client_msg_id, ""))
        if known is not None:
            return _posted(call, known)
    custom = {name: call.text(name) or None for name in ("username", "icon_emoji", "icon_url")}
    if any(custom.values()):
        call.installation.require("chat:write.customize")
    message = world.messages.post(
        channel.id,
        app.bot_user_id,
        what.text or "",
        blocks=what.blocks or [],
        attachments=what.attachments or [],
        metadata=what.metadata or None,
        thread_ts=thread(call, channel),
        reply_broadcast=call.flag("reply_broadcast"),
        bot_id=app.bot_id,
        app_id=app.id,
        client_msg_id=client_msg_id,
        subtype="bot_message" if custom["username"] else None,
        **custom,
    )
    return _posted(call, message)


def _posted(call: Call, message: Message) -> Answer:
    rendered = render.message(
        call.world, message, with_metadata=True, base_url=call.installation.base_url
    )
    return {"ok": True, "channel": message.channel_id, "ts": message.ts, "message": rendered}


def destination(call: Call) -> Channel:
    """Where `channel` says: an id, a name, or a person's id for the direct conversation."""
    world = call.world
    wanted = call.needed("channel", "channel_not_found")
    channel = world.channels.get(wanted)
    if channel is None and wanted in world.users:
        channel = direct(call, wanted)
    if channel is None:
        channel = world.channel_named(wanted)
    if channel is None or not call.sees(channel):
        raise SlackError("channel_not_found")
    return channel


def direct(call: Call, user_id: str) -> Channel:
    """The direct conversation with a person whom the app may write to."""
    world = call.world
    person = world.users.get(user_id)
    if person is None:
        raise SlackError("user_not_found")
    if person.is_bot:
        raise SlackError("cannot_dm_bot")
    if person.deleted:
        raise SlackError("user_disabled")
    if world.is_stranger(person):
        raise SlackError("user_not_visible")
    return world.open_im(user_id)


def may_post(call: Call, channel: Channel) -> None:
    """Raise unless the app may write here."""
    if channel.is_archived:
        raise SlackError("is_archived")
    if not call.is_member(channel):
        granted = call.installation.granted
        if channel.kind != "public" or "chat:write.public" not in granted:
            raise SlackError("not_in_channel")
    if channel.kind == "im":
        if not call.installation.manifest.messages_tab:
            raise SlackError("messages_tab_disabled")
        person = call.world.users.get(channel.user_id or "")
        if channel.user_id and (person is None or person.deleted):
            raise SlackError("user_disabled")


def thread(call: Call, channel: Channel) -> str | None:
    """The thread to write in: a message that is no reply itself."""
    wanted = call.text("thread_ts")
    if not wanted:
        return None
    root = channel.messages.get(wanted)
    if root is None:
        raise SlackError("thread_not_found")
    if root.is_reply:
        raise SlackError("cannot_reply_to_message")
    return wanted


def update(call: Call) -> Answer:
    """chat.update."""
    channel, message = _own(call, "cant_update_message", "is_inactive")
    text = call.text("text")
    if len(text) > web_api_call.MOST_UPDATE_TEXT:
        raise SlackError("msg_too_long")
    what = web_api_call.of(call)
    if what.text is None and what.blocks is None and what.attachments is None:
        raise SlackError("no_text")
    changes: dict[str, Any] = {}
    if what.text is not None:
        changes["text"] = what.text
    # Text alone takes the blocks away; blocks alone keep the text.
    if what.blocks is not None or what.text is not None:
        changes["blocks"] = what.blocks or []
    if what.attachments is not None or what.text is not None:
        changes["attachments"] = what.attachments or []
    if what.metadata is not None:
        changes["metadata"] = what.metadata or None
    edited = not what.blocks and not what.attachments
    after = call.world.messages.edit(channel.id, message.ts, mark_edited=edited, **changes)
    rendered = render.message(
        call.world, after, with_metadata=True, base_url=call.installation.base_url
    )
    return {
        "ok": True,
        "channel": channel.id,
        "ts": after.ts,
        "text": after.text,
        "message": rendered,
    }


def delete(call: Call) -> Answer:
    """chat.delete."""
    channel, message = _own(call, "cant_delete_message")
    call.world.messages.delete(channel.id, message.ts)
    return {"ok": True, "channel": channel.id, "ts": message.ts}


def _own(call: Call, otherwise: str, archived: str = "is_archived") -> tuple[Channel, Message]:
    """A message of the app's own; the two codes for another's, and for one in an archived channel."""
    channel = call.channel()
    ts = call.needed("ts", "message_not_found")
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("message_not_found")
    if message.bot_id != call.world.app.bot_id:
        raise SlackError(otherwise)
    if channel.is_archived:
        raise SlackError(archived)
    return channel, message


def post_ephemeral(call: Call) -> Answer:
    """chat.postEphemeral."""
    world, app = call.world, call.world.app
    channel = call.channel()
    if channel.is_archived:
        raise SlackError("is_archived")
    if not call.is_member(channel):
        raise SlackError("not_in_channel")
    user_id = call.needed("user", "user_not_in_channel")
    if user_id not in channel.members:
        raise SlackError("user_not_in_channel")
    what = web_api_call.of(call)
    if what.is_empty:
        raise SlackError("no_text")
    ephemeral = world.messages.post_ephemeral(
        channel.id,
        user_id,
        app.bot_user_id,
        what.text or "",
        blocks=what.blocks or [],
        attachments=what.attachments or [],
        thread_ts=thread(call, channel),
        bot_id=app.bot_id,
        app_id=app.id,
    )
    return {"ok": True, "message_ts": ephemeral.ts}


def get_permalink(call: Call) -> Answer:
    """chat.getPermalink."""
    channel = call.channel()
    ts = call.needed("message_ts", "message_not_found")
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("message_not_found")
    return {"ok": True, "channel": channel.id, "permalink": permalink(call, message)}


def permalink(call: Call, message: Message) -> str:
    """The address of a message."""
    channel = call.world.channels[message.channel_id]
    domain = call.world.teams[channel.team_ids[0]].domain
    micros = micros_of(message.ts)
    link = f"https://{domain}.slack.com/archives/{channel.id}/p{micros:016d}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return link


# --- chat.unfurl
#
# what an app adds to the links of its domains.

SOURCES = ("composer", "conversations_history")


def unfurl(call: Call) -> Answer:
    """chat.unfurl, by `channel` and `ts` or by `unfurl_id` and `source`; unfurling a link again replaces it."""
    domains = call.installation.manifest.unfurl_domains
    message = _message(call)
    if not domains:
        raise SlackError("cannot_find_service")
    raw = call.args.get("unfurls")
    if raw is None or raw == "":
        raise SlackError("missing_unfurls")
    unfurls = call.json("unfurls", "invalid_unfurls_format")
    if not isinstance(unfurls, dict) or not unfurls:
        raise SlackError("invalid_unfurls_format")
    present = installation.urls_in(message.text)
    attachments: dict[str, dict[str, Any]] = {}
    for url, content in unfurls.items():
        if installation.domain_of(url, domains) is None:
            raise SlackError("cannot_unfurl_url")
        if url not in present:
            raise SlackError("cannot_unfurl_message")
        attachments[url] = _attachment(call, url, content)
    call.world.messages.unfurl(message.channel_id, message.ts, attachments)
    return {"ok": True}


def _message(call: Call) -> Message:
    """The message that is meant, in a conversation that the app can know of."""
    if call.text("unfurl_id") or call.text("source"):
        channel_id, ts = _by_id(call)
    else:
        channel_id, ts = call.text("channel"), call.text("ts")
        if not channel_id:
            raise SlackError("missing_channel")
        if not ts:
            raise SlackError("missing_ts")
    channel = call.world.channels.get(channel_id)
    if channel is None or not call.sees(channel):
        raise SlackError("cannot_find_channel")
    message = channel.messages.get(ts)
    if message is None:
        raise SlackError("cannot_find_message")
    return message


def _by_id(call: Call) -> tuple[str, str]:
    source = call.text("source")
    if not call.text("unfurl_id"):
        raise SlackError("missing_unfurl_id")
    if not source:
        raise SlackError("missing_source")
    if source not in SOURCES:
        raise SlackError("invalid_source")
    place = installation.place_of(call.text("unfurl_id"))
    # Nothing is ever unfurled while it's typed: such ids are not given out.
    if place is None or source == "composer":
        raise SlackError("invalid_unfurl_id")
    return place


def _attachment(call: Call, url: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or not content:
        raise SlackError("cannot_parse_attachment")
    attachment = dict(content)
    if attachment.get("blocks") is not None:
        try:
            attachment["blocks"] = layout.message_blocks(
                attachment["blocks"], call.installation.shows
            )
        except SlackError as error:
            raise SlackError("cannot_parse_attachment", findings=error.findings) from None
    app = call.world.app
    return attachment | {
        "from_url": url,
        "app_unfurl_url": url,
        "is_app_unfurl": True,
        "app_id": app.id,
        "bot_id": app.bot_id,
    }


# --- reactions.*
#
# emoji under messages.

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
    channel, message = _find_message(call)
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
    channel, message = _find_message(call)
    return channel, message, name


def _find_message(call: Call) -> tuple[Channel, Message]:
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
