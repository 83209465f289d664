"""The table of methods: what runs, which scopes it asks for, which token it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.web_api import (
    about,
    channels,
    chat,
    conversations,
    files,
    migration,
    reactions,
    unfurl,
    users,
    views,
)
from sandbox.web_api.call import Answer, Call


@dataclass(frozen=True, slots=True)
class Method:
    """`scopes`: one of them is needed; further ones depend on the channel and are asked within."""

    run: Callable[[Call], Answer]
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app", "any", "none"] = "bot"  # noqa: S105 - a kind of token
    limited_inside: bool = False
    takes_any_id: bool = False
    """Whether user ids pass as they are, whatever the app hears otherwise."""


def connections_open(call: Call) -> Answer:
    """apps.connections.open."""
    return {"ok": True, "url": call.installation.issue_ticket()}


_READ = ("channels:read", "groups:read", "mpim:read", "im:read")
_HISTORY = ("channels:history", "groups:history", "mpim:history", "im:history")

_MANAGE = ("channels:manage", "groups:write", "im:write", "mpim:write")

METHODS: dict[str, Method] = {
    "api.test": Method(about.api_test, token="none"),  # noqa: S106 - a kind of token
    "apps.connections.open": Method(connections_open, token="app"),  # noqa: S106 - a kind of token
    "auth.teams.list": Method(users.teams),
    "auth.test": Method(users.auth_test, token="any"),  # noqa: S106
    "bots.info": Method(about.bot_info, ("users:read",)),
    "chat.delete": Method(chat.delete, ("chat:write",)),
    "chat.getPermalink": Method(chat.get_permalink),
    "chat.postEphemeral": Method(chat.post_ephemeral, ("chat:write",)),
    "chat.postMessage": Method(chat.post_message, ("chat:write",), limited_inside=True),
    "chat.unfurl": Method(unfurl.unfurl, ("links:write",)),
    "chat.update": Method(chat.update, ("chat:write",)),
    "conversations.create": Method(channels.create, _MANAGE),
    "conversations.history": Method(conversations.history, _HISTORY),
    "conversations.info": Method(conversations.info, _READ),
    "conversations.invite": Method(
        channels.invite, (*_MANAGE, "channels:write.invites", "groups:write.invites")
    ),
    "conversations.join": Method(conversations.join, ("channels:join",)),
    "conversations.list": Method(conversations.list_, _READ),
    "conversations.members": Method(conversations.members, _READ),
    "conversations.open": Method(conversations.open_, _MANAGE),
    "conversations.replies": Method(conversations.replies, _HISTORY),
    "conversations.setTopic": Method(
        channels.set_topic,
        (
            *_MANAGE,
            "channels:write.topic",
            "groups:write.topic",
            "im:write.topic",
            "mpim:write.topic",
        ),
    ),
    "files.completeUploadExternal": Method(files.complete_upload, ("files:write",)),
    "files.delete": Method(files.delete, ("files:write",)),
    "files.getUploadURLExternal": Method(files.get_upload_url, ("files:write",)),
    "files.info": Method(files.info, ("files:read",)),
    "files.list": Method(files.list_, ("files:read",)),
    "migration.exchange": Method(migration.exchange, ("tokens.basic",), takes_any_id=True),
    "reactions.add": Method(reactions.add, ("reactions:write",)),
    "reactions.get": Method(reactions.get, ("reactions:read",)),
    "reactions.list": Method(reactions.list_, ("reactions:read",)),
    "reactions.remove": Method(reactions.remove, ("reactions:write",)),
    "team.info": Method(about.team_info, ("team:read",)),
    "usergroups.list": Method(users.usergroups, ("usergroups:read",)),
    "usergroups.users.list": Method(users.usergroup_users, ("usergroups:read",)),
    "users.conversations": Method(conversations.of_user, _READ),
    "users.info": Method(users.info, ("users:read",)),
    "users.list": Method(users.list_, ("users:read",)),
    "users.lookupByEmail": Method(users.lookup_by_email, ("users:read.email",)),
    "users.profile.get": Method(users.profile, ("users.profile:read",)),
    "views.open": Method(views.open_),
    "views.publish": Method(views.publish),
    "views.push": Method(views.push),
    "views.update": Method(views.update),
}
