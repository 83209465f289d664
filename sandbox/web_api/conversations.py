"""conversations.*: channels and their history."""

import base64
import binascii
import re
import time
from itertools import islice, takewhile
from typing import Any

from sandbox import render
from sandbox.errors import SlackError
from sandbox.ids import new_id
from sandbox.messages import Channel, Message, micros_of
from sandbox.web_api import chat
from sandbox.web_api.call import HISTORY_SCOPES, READ_SCOPES, Answer, Call, paged

TYPES = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
_OPEN_SCOPES = ("channels:manage", "groups:write", "im:write", "mpim:write")


def open_(call: Call) -> Answer:
    """conversations.open."""
    world = call.world
    wanted = [one for one in call.text("users").split(",") if one]
    if call.text("channel"):
        channel = call.channel()
        if channel.kind not in ("im", "mpim"):
            raise SlackError("method_not_supported_for_channel_type")
    elif not wanted:
        raise SlackError("users_list_not_supplied")
    elif len(wanted) > 8:
        raise SlackError("too_many_users")
    else:
        call.installation.require("im:write" if len(wanted) == 1 else "mpim:write")
        before = len(world.channels)
        if len(wanted) == 1:
            channel = chat.direct(call, wanted[0])
        else:
            for user_id in wanted:
                call.user(user_id)
            channel = world.open_mpim(wanted)
        known = len(world.channels) == before
        rendered = render.channel(world, channel) if call.flag("return_im") else {"id": channel.id}
        answer: Answer = {"ok": True, "channel": rendered}
        return answer | ({"no_op": True, "already_open": True} if known else {})
    call.installation.require(*_OPEN_SCOPES)
    return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": channel.id}}


def list_(call: Call) -> Answer:
    """conversations.list."""
    call.needs_team()
    kinds = _kinds(call, READ_SCOPES)
    skip_archived, team_id = call.flag("exclude_archived"), call.team_id()
    channels = [
        one
        for one in call.world.channels.values()
        if one.kind in kinds
        and team_id in one.team_ids
        and call.sees(one)
        and not (skip_archived and one.is_archived)
    ]
    page, cursor = call.page(channels, call.whole("limit", 100, 1, 1000))
    rendered = [render.channel(call.world, one, with_members=True) for one in page]
    return {"ok": True, "channels": rendered, **paged(cursor)}


def of_user(call: Call) -> Answer:
    """users.conversations: the conversations of the app, or of a person as far as it sees."""
    call.needs_team()
    kinds = _kinds(call, READ_SCOPES)
    user_id = call.text("user") or call.world.app.bot_user_id
    call.user(user_id)
    skip_archived = call.flag("exclude_archived")
    within = call.team_id() if call.world.app.org_wide else None
    channels = [
        one
        for one in call.world.channels.values()
        if one.kind in kinds
        and within in (None, *one.team_ids)
        and user_id in one.members
        and call.sees(one)
        and not (skip_archived and one.is_archived)
    ]
    page, cursor = call.page(channels, call.whole("limit", 100, 1, 999))
    return {"ok": True, "channels": [render.channel(call.world, one) for one in page]} | paged(
        cursor
    )


def _kinds(call: Call, scopes: dict[str, str]) -> set[str]:
    """The kinds of conversation asked for; each needs its scope."""
    asked = [
        kind.strip() for kind in call.text("types", "public_channel").split(",") if kind.strip()
    ]
    for kind in asked:
        if kind not in TYPES:
            raise SlackError("invalid_types")
        call.installation.require(scopes[TYPES[kind]])
    return {TYPES[kind] for kind in asked}


def _readable(call: Call, scopes: dict[str, str]) -> Channel:
    channel = call.channel()
    call.installation.require(scopes[channel.kind])
    return channel


def info(call: Call) -> Answer:
    """conversations.info."""
    channel = _readable(call, READ_SCOPES)
    rendered = render.channel(call.world, channel, with_members=call.flag("include_num_members"))
    return {"ok": True, "channel": rendered}


def members(call: Call) -> Answer:
    """conversations.members."""
    channel = _readable(call, READ_SCOPES)
    page, cursor = call.page(list(channel.members), call.whole("limit", 100, 1, 1000))
    return {"ok": True, "members": page, **paged(cursor)}


def join(call: Call) -> Answer:
    """conversations.join."""
    channel = call.channel()
    if channel.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    new = call.world.join(channel.id, call.world.app.bot_user_id)
    answer: Answer = {"ok": True, "channel": render.channel(call.world, channel)}
    if not new:
        answer["warning"] = "already_in_channel"
        answer["response_metadata"] = {"warnings": ["already_in_channel"]}
    return answer


def history(call: Call) -> Answer:
    """conversations.history: newest first, no replies."""
    channel = _history_of(call)
    limit = call.whole("limit", 100, 1, 999)
    bounds = _Bounds(call)
    before = _passed(call)
    shown_from = time.monotonic() - call.installation.faults.history_lag
    matching = (
        one
        for one in takewhile(bounds.may_reach, reversed(channel.messages.values()))
        if (not one.is_reply or one.reply_broadcast)
        and one.posted_at <= shown_from
        and bounds.hold(one.ts)
        and (before is None or one.ts < before)
    )
    messages = list(islice(matching, limit + 1))
    return _messages(call, messages, limit) | {"pin_count": 0}


def replies(call: Call) -> Answer:
    """conversations.replies: the root, then its replies, oldest first."""
    channel = _history_of(call)
    root = channel.messages.get(call.needed("ts", "thread_not_found"))
    if root is None:
        raise SlackError("thread_not_found")
    limit = call.whole("limit", 1000, 1, 1000)
    bounds = _Bounds(call)
    after = _passed(call)
    shown_from = time.monotonic() - call.installation.faults.history_lag
    messages = [
        one
        for one in channel.replies(root.ts)
        if one.posted_at <= shown_from and bounds.hold(one.ts) and (after is None or one.ts > after)
    ]
    if after is None and root.posted_at <= shown_from:
        messages.insert(0, root)
    return _messages(call, messages, limit)


def _history_of(call: Call) -> Channel:
    channel = _readable(call, HISTORY_SCOPES)
    if not call.is_member(channel):
        raise SlackError("not_in_channel")
    return channel


def _messages(call: Call, messages: list[Message], limit: int) -> Answer:
    more = len(messages) > limit
    page = messages[:limit]
    with_metadata = call.flag("include_all_metadata")
    answer: dict[str, Any] = {
        "ok": True,
        "messages": [
            render.message(
                call.world, one, with_metadata=with_metadata, base_url=call.installation.base_url
            )
            for one in page
        ],
        "has_more": more,
    }
    if more:
        cursor = base64.b64encode(f"next_ts:{micros_of(page[-1].ts)}".encode()).decode()
        answer |= paged(cursor)
    return answer


def _passed(call: Call) -> str | None:
    """The timestamp of the last message on the page before."""
    cursor = call.text("cursor")
    if not cursor:
        return None
    try:
        word, _, micros = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word != "next_ts":
            raise ValueError(cursor)
        return f"{int(micros) // 1_000_000}.{int(micros) % 1_000_000:06d}"
    except (binascii.Error, ValueError):
        raise SlackError("invalid_cursor") from None


class _Bounds:
    """`oldest`, `latest` and `inclusive`."""

    def __init__(self, call: Call) -> None:
        self._oldest = _bound(call, "oldest")
        self._latest = _bound(call, "latest")
        self._inclusive = call.flag("inclusive")

    def may_reach(self, message: Message) -> bool:
        """Whether this or an older message can lie between them."""
        return not self._oldest or micros_of(message.ts) >= self._oldest

    def hold(self, ts: str) -> bool:
        """Whether the message lies between them."""
        at = micros_of(ts)
        if self._oldest and (at < self._oldest or (at == self._oldest and not self._inclusive)):
            return False
        return not (
            self._latest and (at > self._latest or (at == self._latest and not self._inclusive))
        )


def _bound(call: Call, name: str) -> int | None:
    value = call.text(name)
    if not value or value == "now":
        return None
    try:
        return micros_of(value)
    except ValueError:
        raise SlackError(f"invalid_ts_{name}") from None


# --- conversations.create, invite and setTopic
#
# what an app changes about channels.

MOST_NAME = 80
MOST_TOPIC = 250
MOST_INVITED = 100
_SPECIAL = re.compile(r"[^\w-]|[A-Z]")

MANAGE_SCOPES: dict[str, tuple[str, ...]] = {
    "public": ("channels:manage",),
    "private": ("groups:write",),
    "im": ("im:write",),
    "mpim": ("mpim:write",),
}


def create(call: Call) -> Answer:
    """conversations.create: a channel with the app as its only member; a channel_created when it is public."""
    call.needs_team()
    name = call.text("name")
    _check_name(name)
    private = call.flag("is_private")
    call.installation.require(*MANAGE_SCOPES["private" if private else "public"])
    world = call.world
    if world.channel_named(name) is not None:
        raise SlackError("name_taken")
    bot = world.app.bot_user_id
    channel = world.add_channel(
        Channel(
            id=new_id("C"),
            name=name,
            kind="private" if private else "public",
            team_ids=[call.team_id()],
            creator=bot,
            members={bot: None},
        )
    )
    world.tell_created(channel, bot)
    return {"ok": True, "channel": render.channel(world, channel)}


def _check_name(name: str) -> None:
    """Lower-case letters, digits, hyphens and underscores, 80 at most, not only punctuation."""
    if not name:
        raise SlackError("invalid_name_required")
    if len(name) > MOST_NAME:
        raise SlackError("invalid_name_maxlength")
    if not re.search(r"\w", name.replace("_", "")):
        raise SlackError("invalid_name_punctuation")
    if _SPECIAL.search(name) or name != name.lower():
        raise SlackError("invalid_name_specials")


def invite(call: Call) -> Answer:
    """conversations.invite: all of the people or, unless `force` says otherwise, none of them."""
    channel = call.channel()
    if channel.kind not in ("public", "private"):
        raise SlackError("method_not_supported_for_channel_type")
    prefix = "channels" if channel.kind == "public" else "groups"
    call.installation.require(*MANAGE_SCOPES[channel.kind], f"{prefix}:write.invites")
    wanted = [name for name in call.text("users").split(",") if name]
    if not wanted:
        raise SlackError("no_user")
    if len(wanted) > MOST_INVITED:
        raise SlackError(
            "invalid_arguments", findings=[f"no more than {MOST_INVITED} items allowed: users"]
        )
    if channel.is_archived:
        raise SlackError("is_archived")
    if not call.is_member(channel):
        raise SlackError("not_in_channel")
    refusals = {user_id: _refusal(call, channel, user_id) for user_id in wanted}
    errors = [
        {"user": user_id, "ok": False, "error": error}
        for user_id, error in refusals.items()
        if error is not None
    ]
    welcome = [user_id for user_id, error in refusals.items() if error is None]
    if errors and not (call.flag("force") and welcome):
        raise SlackError(str(errors[0]["error"]), errors=errors)
    for user_id in welcome:
        call.world.join(channel.id, user_id, call.world.app.bot_user_id)
    answer: dict[str, Any] = {"ok": True, "channel": render.channel(call.world, channel)}
    return answer | ({"errors": errors} if errors else {})


def _refusal(call: Call, channel: Channel, user_id: str) -> str | None:
    """Why one of the invited can't come; None when they can."""
    world = call.world
    user = world.users.get(user_id)
    if user is None:
        return "user_not_found"
    if user_id == world.app.bot_user_id:
        return "cant_invite_self"
    if user_id in channel.members:
        return "already_in_channel"
    if user.deleted:
        return "cant_invite"
    if not set(user.team_ids) & set(channel.team_ids):
        if world.is_foreign(user):
            return "no_external_invite_permission"
        return "invitee_cant_see_channel" if channel.is_org_shared else "org_user_not_in_team"
    if user.is_ultra_restricted and any(
        other.kind in ("public", "private") for other in world.channels_of(user_id)
    ):
        return "ura_max_channels"
    return None


def set_topic(call: Call) -> Answer:
    """conversations.setTopic; Slack writes into the conversation that it was changed."""
    channel = call.channel()
    prefix = {"public": "channels", "private": "groups"}.get(channel.kind, channel.kind)
    call.installation.require(*MANAGE_SCOPES[channel.kind], f"{prefix}:write.topic")
    if call.args.get("topic") is None:
        raise SlackError("invalid_arguments", findings=["missing required field: topic"])
    topic = call.text("topic")
    if channel.is_archived:
        raise SlackError("is_archived")
    if not call.is_member(channel):
        raise SlackError("not_in_channel")
    if len(topic) > MOST_TOPIC:
        raise SlackError("too_long")
    call.world.set_topic(channel.id, call.world.app.bot_user_id, topic)
    return {"ok": True, "channel": render.channel(call.world, channel)}
