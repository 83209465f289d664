"""chat.*: writing messages."""

from typing import Any

from sandbox import render
from sandbox.channels import Channel, Message, micros_of
from sandbox.errors import SlackError
from sandbox.web_api import content
from sandbox.web_api.call import Answer, Call


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
    what = content.of(call)
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
    if len(text) > content.MOST_UPDATE_TEXT:
        raise SlackError("msg_too_long")
    what = content.of(call)
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
    what = content.of(call)
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
