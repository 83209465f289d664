"""What the page asks for once: people, groups, channels by name, the app and its commands."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sandbox.people import User

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Json = dict[str, Any]


def boot(sandbox: "Sandbox") -> Json:
    """What rarely changes: people, groups, channels by name, the app and its commands."""
    world, manifest = sandbox.world, sandbox.manifest
    with world.lock:
        known: Json = {
            "users": {one.id: _user(sandbox, one) for one in world.users.values()},
            "groups": {
                one.id: {
                    "id": one.id,
                    "handle": one.handle,
                    "name": one.name,
                    "users": one.user_ids,
                }
                for one in world.usergroups.values()
                if not one.date_delete
            },
            "channels": {
                one.id: {
                    "id": one.id,
                    "name": one.name,
                    "kind": one.kind,
                    "is_archived": one.is_archived,
                }
                for one in world.channels.values()
                if one.kind in ("public", "private")
            },
        }
        version = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
        info = manifest.data["display_information"]
        known |= {
            "version": version,
            "feed": world.feed.last,
            "now": world.clock.now().isoformat(),
            "app": {
                "id": world.app.id,
                "name": manifest.name,
                "bot_user": world.app.bot_user_id,
                "description": info.get("description") or "",
                "long_description": info.get("long_description") or "",
                "home_tab": manifest.home_tab,
                "messages_tab": manifest.messages_tab,
                "scopes": list(manifest.scopes),
                "commands": [
                    {
                        "command": one.command,
                        "description": one.description,
                        "usage_hint": one.usage_hint,
                    }
                    for one in manifest.commands.values()
                ],
                "shortcuts": [
                    {
                        "callback_id": one.callback_id,
                        "name": one.name,
                        "description": one.description,
                    }
                    for one in manifest.shortcuts.values()
                ],
            },
        }
        return known


def _user(sandbox: "Sandbox", user: User) -> Json:
    world = sandbox.world
    return {
        "id": user.id,
        "name": user.label,
        "handle": user.name,
        "real_name": user.real_name,
        "title": user.title,
        "tz": user.tz,
        "team": user.team_id,
        "team_name": world.teams[user.team_id].name,
        "is_bot": user.is_bot,
        "guest": user.is_restricted or user.is_ultra_restricted,
        "stranger": world.is_foreign(user),
        "deleted": user.deleted,
    }
