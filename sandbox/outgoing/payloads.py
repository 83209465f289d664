"""The payloads of interactions and commands, in Slack's shapes."""

import time
from typing import Any

from sandbox import render
from sandbox.channels import Channel, Ephemeral, Message
from sandbox.installation import Installation
from sandbox.people import User
from sandbox.views import View

_CHANNEL_NAMES = {"im": "directmessage", "private": "privategroup"}


def channel_name(channel: Channel) -> str:
    """What payloads call a channel; private ones are not named."""
    return _CHANNEL_NAMES.get(channel.kind, channel.name)


def _base(installation: Installation, type_: str, user: User, team_id: str) -> dict[str, Any]:
    world = installation.world
    app, enterprise = world.app, world.enterprise
    team = world.teams[team_id]
    return {
        "type": type_,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": app.id,
        "token": installation.verification_token,
        # An org-wide installation is told of the organisation, not of one workspace.
        "team": None if app.org_wide else render.team(world, team),
        "enterprise": {"id": enterprise.id, "name": enterprise.name}
        if enterprise is not None
        else None,
        "is_enterprise_install": app.org_wide,
    }


def message_action(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    message: Message,
    action: dict[str, Any],
    values: dict[str, Any],
) -> dict[str, Any]:
    """block_actions on a message."""
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": False,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return _base(installation, "block_actions", user, team_id) | {
        "container": container,
        "trigger_id": installation.issue_trigger(user.id),
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": render.message(installation.world, message, base_url=installation.base_url),
        "state": {"values": values},
        "response_url": installation.issue_response_url(
            user.id, channel.id, ts=message.ts, thread_ts=message.thread_ts
        ),
        "actions": [action],
    }


def message_shortcut(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    message: Message,
    callback_id: str,
) -> dict[str, Any]:
    """message_action: a shortcut of the app, used on a message that anybody wrote."""
    return _base(installation, "message_action", user, team_id) | {
        "action_ts": f"{time.time():.6f}",
        "callback_id": callback_id,
        "trigger_id": installation.issue_trigger(user.id),
        "response_url": installation.issue_response_url(user.id, channel.id, kind="app"),
        "message_ts": message.ts,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": render.message(installation.world, message, base_url=installation.base_url),
    }


def ephemeral_action(
    installation: Installation,
    user: User,
    team_id: str,
    channel: Channel,
    ephemeral: Ephemeral,
    action: dict[str, Any],
    values: dict[str, Any],
) -> dict[str, Any]:
    """block_actions on an ephemeral message; Slack leaves the message itself out."""
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": ephemeral.ts,
        "channel_id": channel.id,
        "is_ephemeral": True,
    }
    if ephemeral.thread_ts:
        container["thread_ts"] = ephemeral.thread_ts
    return _base(installation, "block_actions", user, team_id) | {
        "container": container,
        "trigger_id": installation.issue_trigger(user.id),
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "state": {"values": values},
        "response_url": installation.issue_response_url(
            user.id, channel.id, ephemeral_id=ephemeral.id, thread_ts=ephemeral.thread_ts
        ),
        "actions": [action],
    }


def view_action(
    installation: Installation, user: User, team_id: str, view: View, action: dict[str, Any]
) -> dict[str, Any]:
    """block_actions in a modal or on the Home tab."""
    modal = view.id if view.type == "modal" else None
    return _base(installation, "block_actions", user, team_id) | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": installation.issue_trigger(user.id, modal),
        "view": view.as_json(),
        "actions": [action],
    }


def view_submission(
    installation: Installation, user: User, team_id: str, view: View
) -> dict[str, Any]:
    """view_submission."""
    return _base(installation, "view_submission", user, team_id) | {
        "trigger_id": installation.issue_trigger(user.id, view.id),
        "view": view.as_json(),
        "response_urls": _response_urls(installation, user, view),
    }


def _response_urls(installation: Installation, user: User, view: View) -> list[dict[str, str]]:
    """One for each menu of channels in an input that asks for it, to answer where the person chose."""
    urls = []
    for block in view.blocks:
        element = block.get("element") or {}
        if block["type"] != "input" or not element.get("response_url_enabled"):
            continue
        block_id, action_id = block["block_id"], element["action_id"]
        entered = view.values.get(block_id, {}).get(action_id, {})
        channel_id = entered.get("selected_conversation") or entered.get("selected_channel")
        if channel_id:
            urls.append(
                {
                    "block_id": block_id,
                    "action_id": action_id,
                    "channel_id": channel_id,
                    "response_url": installation.issue_response_url(
                        user.id, channel_id, kind="app"
                    ),
                }
            )
    return urls


def view_closed(
    installation: Installation, user: User, team_id: str, view: View, *, cleared: bool
) -> dict[str, Any]:
    """view_closed."""
    return _base(installation, "view_closed", user, team_id) | {
        "view": view.as_json(),
        "is_cleared": cleared,
    }


def slash_command(
    installation: Installation, user: User, team_id: str, channel: Channel, command: str, text: str
) -> dict[str, str]:
    """A slash command's form."""
    world = installation.world
    team, enterprise = world.teams[team_id], world.enterprise
    form = {
        "token": installation.verification_token,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": world.app.id,
        "is_enterprise_install": "true" if world.app.org_wide else "false",
        "response_url": installation.issue_response_url(user.id, channel.id, kind="commands"),
        "trigger_id": installation.issue_trigger(user.id),
    }
    if enterprise is not None and team.enterprise_id == enterprise.id:
        form |= {"enterprise_id": enterprise.id, "enterprise_name": enterprise.name}
    return form
