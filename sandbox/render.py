"""People, channels and messages as Slack's JSON describes them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.messages import Channel, Message
from sandbox.org import Team, User, UserGroup
from sandbox.world import World

# --- Slack's translation layer
#
# which of a person's two ids an app hears, and which it may use. Who was in a workspace before
# it joined a Grid has an id of the workspace and one of the Grid. With the layer on (as for
# every app that was there before) an app hears the workspace's and may use either; with it off,
# only the Grid's.

_ID = re.compile(r"\b[UW][A-Z0-9]{2,}\b")


def outgoing(world: World, value: Any) -> Any:
    """What the app hears."""
    if world.app.translates_ids:
        return value
    ids = _global_ids(world)
    return _swapped(value, ids) if ids else value


def incoming(world: World, value: Any) -> Any:
    """What the app means."""
    ids = _global_ids(world)
    if not ids:
        return value
    own = {there: here for here, there in ids.items()}
    if not world.app.translates_ids:
        # The workspace's own ids mean nobody any more.
        own |= {here: f"{here}GONE" for here in ids}
    return _swapped(value, own)


def _global_ids(world: World) -> dict[str, str]:
    return {
        user.id: user.global_id
        for user in world.users.values()
        if user.global_id and user.global_id != user.id
    }


def _swapped(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _ID.sub(lambda match: ids.get(match[0], match[0]), value)
    if isinstance(value, dict):
        return {key: _swapped(one, ids) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_swapped(one, ids) for one in value]
    return value


# --- People, channels and messages as Slack's JSON describes them


@lru_cache(maxsize=4096)
def _zone(name: str, hour: int) -> tuple[int, str]:
    """Offset in seconds and label of a zone in a given hour since 1970."""
    moment = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(name))
    offset = moment.utcoffset()
    return (int(offset.total_seconds()) if offset else 0, moment.tzname() or name)


def user(world: World, account: User, *, with_email: bool) -> dict[str, Any]:
    """A user as in users.info; the e-mail only with `users:read.email`."""
    profile: dict[str, Any] = {
        "title": account.title,
        "phone": "",
        "skype": "",
        "real_name": account.real_name,
        "real_name_normalized": account.real_name,
        "display_name": account.display_name,
        "display_name_normalized": account.display_name,
        "fields": {},
        "status_text": account.status_text,
        "status_emoji": account.status_emoji,
        "status_emoji_display_info": [],
        "status_expiration": account.status_expiration,
        "avatar_hash": account.id[-8:].lower(),
        "first_name": account.real_name.partition(" ")[0],
        "last_name": account.real_name.partition(" ")[2],
        "team": account.team_id,
    }
    if with_email and account.email and not account.is_bot:
        profile["email"] = account.email
    if account.bot_id:
        profile |= {"bot_id": account.bot_id, "always_active": True}
        if account.id == world.app.bot_user_id:
            profile["api_app_id"] = world.app.id
    content: dict[str, Any] = {
        "id": account.id,
        "team_id": account.team_id,
        "name": account.name,
        "deleted": account.deleted,
        "profile": profile,
        "is_bot": account.is_bot,
        "is_app_user": False,
        "updated": account.updated,
    }
    if not account.deleted:
        offset, label = _zone(account.tz, world.now_seconds() // 3600)
        content |= {
            "color": account.color,
            "real_name": account.real_name,
            "tz": account.tz,
            "tz_label": label,
            "tz_offset": offset,
            "is_admin": account.is_admin,
            "is_owner": account.is_owner,
            "is_primary_owner": False,
            "is_restricted": account.is_restricted,
            "is_ultra_restricted": account.is_ultra_restricted,
            "is_email_confirmed": bool(account.email),
            "who_can_share_contact_card": "EVERYONE",
        }
    if world.is_foreign(account):
        content["is_stranger"] = world.is_stranger(account)
    if account.enterprise_id:
        enterprise = world.enterprise
        own = enterprise is not None and enterprise.id == account.enterprise_id
        content["enterprise_user"] = {
            "id": account.global_id or account.id,
            "enterprise_id": account.enterprise_id,
            "enterprise_name": enterprise.name if own and enterprise else "",
            "is_admin": account.is_admin,
            "is_owner": account.is_owner,
            "is_primary_owner": False,
            "teams": account.team_ids,
        }
    return content


def _is_gone(world: World, user_id: str) -> bool:
    known = world.users.get(user_id)
    return known is None or known.deleted


def channel(world: World, conversation: Channel, *, with_members: bool = False) -> dict[str, Any]:
    """A conversation as in conversations.info."""
    bot = world.app.bot_user_id
    content: dict[str, Any] = {
        "id": conversation.id,
        "created": conversation.created,
        "is_archived": conversation.is_archived,
        "is_im": conversation.kind == "im",
        "is_org_shared": conversation.is_org_shared,
        "context_team_id": world.app.team_id,
        "updated": conversation.created * 1000,
    }
    if conversation.kind == "im":
        content |= {
            "user": conversation.user_id,
            "is_user_deleted": bool(conversation.user_id and _is_gone(world, conversation.user_id)),
            "priority": 0,
        }
        return content
    private = conversation.kind != "public"
    content |= {
        "name": conversation.name,
        "name_normalized": conversation.name,
        "is_channel": conversation.kind == "public",
        "is_group": conversation.kind == "private",
        "is_mpim": conversation.kind == "mpim",
        "is_private": private,
        "is_general": conversation.is_general,
        "is_member": bot in conversation.members,
        "is_shared": len(conversation.team_ids) > 1,
        "is_ext_shared": conversation.is_ext_shared,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "shared_team_ids": conversation.team_ids,
        "internal_team_ids": [t for t in conversation.team_ids if not world.teams[t].foreign],
        "connected_team_ids": [t for t in conversation.team_ids if world.teams[t].foreign],
        "conversation_host_id": conversation.team_ids[0],
        "unlinked": 0,
        "creator": conversation.creator,
        "topic": {
            "value": conversation.topic,
            "creator": conversation.topic_creator
            or (conversation.creator if conversation.topic else ""),
            "last_set": conversation.topic_set,
        },
        "purpose": {
            "value": conversation.purpose,
            "creator": conversation.creator if conversation.purpose else "",
            "last_set": 0,
        },
        "previous_names": [],
    }
    if with_members:
        content["num_members"] = len(conversation.members)
    return content


def message(
    world: World, posted: Message, *, with_metadata: bool = False, base_url: str = ""
) -> dict[str, Any]:
    """A message as in conversations.history; a thread's root has its counts. Files are reached under `base_url`."""
    content: dict[str, Any] = {
        "type": "message",
        "user": posted.user_id,
        "ts": posted.ts,
        "text": posted.text,
        "team": posted.team_id,
    }
    optional = ("subtype", "client_msg_id", "username", "blocks", "attachments")
    content |= {name: value for name in optional if (value := getattr(posted, name))}
    if posted.bot_id:
        content |= {"bot_id": posted.bot_id, "app_id": posted.app_id}
        if posted.bot_id == world.app.bot_id:
            content["bot_profile"] = bot_profile(world)
    if posted.icon_emoji or posted.icon_url:
        content["icons"] = (
            {"emoji": posted.icon_emoji} if posted.icon_emoji else {"image_48": posted.icon_url}
        )
    if posted.reactions:
        content["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in posted.reactions.items()
        ]
    if posted.topic is not None:
        content["topic"] = posted.topic
    if posted.edited:
        content["edited"] = {"user": posted.edited.user_id, "ts": posted.edited.ts}
    if with_metadata and posted.metadata:
        content["metadata"] = posted.metadata
    if posted.file_ids:
        files = [world.files.find(file_id) for file_id in posted.file_ids]
        content["files"] = [world.files.as_json(file, base_url) for file in files if file]
        content["upload"] = False
    return content | _thread(world, posted)


def _thread(world: World, posted: Message) -> dict[str, Any]:
    if not posted.thread_ts:
        return {}
    if posted.is_reply:
        root = world.messages.find(posted.channel_id, posted.thread_ts)
        return {"thread_ts": posted.thread_ts, "parent_user_id": root.user_id if root else None}
    replies = world.channels[posted.channel_id].replies(posted.ts)
    users = list(dict.fromkeys(reply.user_id for reply in replies))
    return {
        "thread_ts": posted.thread_ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "reply_users": users[:5],
        "latest_reply": replies[-1].ts if replies else posted.ts,
        "is_locked": False,
        "subscribed": False,
    }


def bot_profile(world: World) -> dict[str, Any]:
    """Who the app is, as messages carry it."""
    app = world.app
    return {
        "id": app.bot_id,
        "app_id": app.id,
        "user_id": app.bot_user_id,
        "name": app.name,
        "icons": {},
        "deleted": False,
        "updated": 0,
        "team_id": app.team_id,
    }


def usergroup(group: UserGroup, *, with_users: bool, with_count: bool) -> dict[str, Any]:
    """A user group as in usergroups.list."""
    content: dict[str, Any] = {
        "id": group.id,
        "team_id": group.team_id,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.name,
        "description": group.description,
        "handle": group.handle,
        "is_external": False,
        "date_create": group.date_create,
        "date_update": group.date_update,
        "date_delete": group.date_delete,
        "auto_type": None,
        "auto_provision": False,
        "enterprise_subteam_id": "",
        "created_by": "",
        "updated_by": "",
        "deleted_by": None,
        "prefs": {"channels": [], "groups": []},
    }
    if with_users:
        content["users"] = group.user_ids
    if with_users or with_count:
        content["user_count"] = len(group.user_ids)
    return content


def team(world: World, workspace: Team) -> dict[str, Any]:
    """A workspace as in the payloads of interactions."""
    content: dict[str, Any] = {"id": workspace.id, "domain": workspace.domain}
    if workspace.enterprise_id:
        content["enterprise_id"] = workspace.enterprise_id
        own = world.enterprise is not None and world.enterprise.id == workspace.enterprise_id
        content["enterprise_name"] = world.enterprise.name if own and world.enterprise else ""
    return content
