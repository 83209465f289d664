"""People, channels and messages as Slack's JSON describes them."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.channels import Channel, Message
from sandbox.people import Team, User, UserGroup
from sandbox.world import World


@lru_cache(maxsize=4096)
def _zone(name: str, hour: int) -> tuple[int, str]:
    """Offset in seconds and label of a zone in a given hour since 1970."""
    moment = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(name))
    offset = moment.utcoffset()
    return (int(offset.total_seconds()) if offset else 0, moment.tzname() or name)


def user(world: World, one: User, *, with_email: bool) -> dict[str, Any]:
    """A user as in users.info; the e-mail only with `users:read.email`."""
    profile: dict[str, Any] = {
        "title": one.title,
        "phone": "",
        "skype": "",
        "real_name": one.real_name,
        "real_name_normalized": one.real_name,
        "display_name": one.display_name,
        "display_name_normalized": one.display_name,
        "fields": {},
        "status_text": one.status_text,
        "status_emoji": one.status_emoji,
        "status_emoji_display_info": [],
        "status_expiration": one.status_expiration,
        "avatar_hash": one.id[-8:].lower(),
        "first_name": one.real_name.partition(" ")[0],
        "last_name": one.real_name.partition(" ")[2],
        "team": one.team_id,
    }
    if with_email and one.email and not one.is_bot:
        profile["email"] = one.email
    if one.bot_id:
        profile |= {"bot_id": one.bot_id, "always_active": True}
        if one.id == world.app.bot_user_id:
            profile["api_app_id"] = world.app.id
    shown: dict[str, Any] = {
        "id": one.id,
        "team_id": one.team_id,
        "name": one.name,
        "deleted": one.deleted,
        "profile": profile,
        "is_bot": one.is_bot,
        "is_app_user": False,
        "updated": one.updated,
    }
    if not one.deleted:
        offset, label = _zone(one.tz, world.now_seconds() // 3600)
        shown |= {
            "color": one.color,
            "real_name": one.real_name,
            "tz": one.tz,
            "tz_label": label,
            "tz_offset": offset,
            "is_admin": one.is_admin,
            "is_owner": one.is_owner,
            "is_primary_owner": False,
            "is_restricted": one.is_restricted,
            "is_ultra_restricted": one.is_ultra_restricted,
            "is_email_confirmed": bool(one.email),
            "who_can_share_contact_card": "EVERYONE",
        }
    if world.is_foreign(one):
        shown["is_stranger"] = world.is_stranger(one)
    if one.enterprise_id:
        enterprise = world.enterprise
        own = enterprise is not None and enterprise.id == one.enterprise_id
        shown["enterprise_user"] = {
            "id": one.global_id or one.id,
            "enterprise_id": one.enterprise_id,
            "enterprise_name": enterprise.name if own and enterprise else "",
            "is_admin": one.is_admin,
            "is_owner": one.is_owner,
            "is_primary_owner": False,
            "teams": one.team_ids,
        }
    return shown


def _is_gone(world: World, user_id: str) -> bool:
    known = world.users.get(user_id)
    return known is None or known.deleted


def channel(world: World, one: Channel, *, with_members: bool = False) -> dict[str, Any]:
    """A conversation as in conversations.info."""
    bot = world.app.bot_user_id
    shown: dict[str, Any] = {
        "id": one.id,
        "created": one.created,
        "is_archived": one.is_archived,
        "is_im": one.kind == "im",
        "is_org_shared": one.is_org_shared,
        "context_team_id": world.app.team_id,
        "updated": one.created * 1000,
    }
    if one.kind == "im":
        shown |= {
            "user": one.user_id,
            "is_user_deleted": bool(one.user_id and _is_gone(world, one.user_id)),
            "priority": 0,
        }
        return shown
    private = one.kind != "public"
    shown |= {
        "name": one.name,
        "name_normalized": one.name,
        "is_channel": one.kind == "public",
        "is_group": one.kind == "private",
        "is_mpim": one.kind == "mpim",
        "is_private": private,
        "is_general": one.is_general,
        "is_member": bot in one.members,
        "is_shared": len(one.team_ids) > 1,
        "is_ext_shared": one.is_ext_shared,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "shared_team_ids": one.team_ids,
        "internal_team_ids": [t for t in one.team_ids if not world.teams[t].foreign],
        "connected_team_ids": [t for t in one.team_ids if world.teams[t].foreign],
        "conversation_host_id": one.team_ids[0],
        "unlinked": 0,
        "creator": one.creator,
        "topic": {
            "value": one.topic,
            "creator": one.topic_creator or (one.creator if one.topic else ""),
            "last_set": one.topic_set,
        },
        "purpose": {
            "value": one.purpose,
            "creator": one.creator if one.purpose else "",
            "last_set": 0,
        },
        "previous_names": [],
    }
    if with_members:
        shown["num_members"] = len(one.members)
    return shown


def message(
    world: World, one: Message, *, with_metadata: bool = False, base_url: str = ""
) -> dict[str, Any]:
    """A message as in conversations.history; a thread's root has its counts. Files are reached under `base_url`."""
    shown: dict[str, Any] = {
        "type": "message",
        "user": one.user_id,
        "ts": one.ts,
        "text": one.text,
        "team": one.team_id,
    }
    if one.subtype:
        shown["subtype"] = one.subtype
    if one.client_msg_id:
        shown["client_msg_id"] = one.client_msg_id
    if one.bot_id:
        shown |= {"bot_id": one.bot_id, "app_id": one.app_id}
        if one.bot_id == world.app.bot_id:
            shown["bot_profile"] = bot_profile(world)
    if one.username:
        shown["username"] = one.username
    if one.icon_emoji or one.icon_url:
        shown["icons"] = {"emoji": one.icon_emoji} if one.icon_emoji else {"image_48": one.icon_url}
    if one.blocks:
        shown["blocks"] = one.blocks
    if one.attachments:
        shown["attachments"] = one.attachments
    if one.reactions:
        shown["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in one.reactions.items()
        ]
    if one.topic is not None:
        shown["topic"] = one.topic
    if one.edited:
        shown["edited"] = {"user": one.edited.user_id, "ts": one.edited.ts}
    if with_metadata and one.metadata:
        shown["metadata"] = one.metadata
    found = [world.files.find(file_id) for file_id in one.file_ids]
    if one.file_ids:
        shown["files"] = [world.files.as_json(file, base_url) for file in found if file]
        shown["upload"] = False
    if one.thread_ts:
        shown["thread_ts"] = one.thread_ts
        if one.is_reply:
            root = world.messages.find(one.channel_id, one.thread_ts)
            shown["parent_user_id"] = root.user_id if root else None
        else:
            replies = world.channels[one.channel_id].replies(one.ts)
            users = list(dict.fromkeys(reply.user_id for reply in replies))
            shown |= {
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "reply_users": users[:5],
                "latest_reply": replies[-1].ts if replies else one.ts,
                "is_locked": False,
                "subscribed": False,
            }
    return shown


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


def usergroup(one: UserGroup, *, with_users: bool, with_count: bool) -> dict[str, Any]:
    """A user group as in usergroups.list."""
    shown: dict[str, Any] = {
        "id": one.id,
        "team_id": one.team_id,
        "is_usergroup": True,
        "is_subteam": True,
        "name": one.name,
        "description": one.description,
        "handle": one.handle,
        "is_external": False,
        "date_create": one.date_create,
        "date_update": one.date_update,
        "date_delete": one.date_delete,
        "auto_type": None,
        "auto_provision": False,
        "enterprise_subteam_id": "",
        "created_by": "",
        "updated_by": "",
        "deleted_by": None,
        "prefs": {"channels": [], "groups": []},
    }
    if with_users:
        shown["users"] = one.user_ids
    if with_users or with_count:
        shown["user_count"] = len(one.user_ids)
    return shown


def team(world: World, one: Team) -> dict[str, Any]:
    """A workspace as in the payloads of interactions."""
    shown: dict[str, Any] = {"id": one.id, "domain": one.domain}
    if one.enterprise_id:
        shown["enterprise_id"] = one.enterprise_id
        own = world.enterprise is not None and world.enterprise.id == one.enterprise_id
        shown["enterprise_name"] = world.enterprise.name if own and world.enterprise else ""
    return shown
