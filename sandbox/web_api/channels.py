"""conversations.create, invite and setTopic: what an app changes about channels."""

import re
from typing import Any

from sandbox import render
from sandbox.channels import Channel
from sandbox.errors import SlackError
from sandbox.ids import new_id
from sandbox.web_api.call import Answer, Call

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
