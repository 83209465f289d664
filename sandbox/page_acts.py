"""What a person does on the page, handed to their `Seat`."""

import base64
from typing import TYPE_CHECKING, Any, cast

from sandbox.blocks.state import Block, elements, has_state
from sandbox.outcome import NotPossible, Outcome
from sandbox.outgoing import payloads
from sandbox.page_view import can_see

if TYPE_CHECKING:
    from sandbox.seat import Seat
    from sandbox.server import Sandbox

Json = dict[str, Any]


class Unreadable(Exception):
    """The page was asked for something in a shape it does not know."""


def text_of(body: Json, name: str) -> str:
    """A required text of a request."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"give `{name}` as text")
    return value


def optional_text(body: Json, name: str) -> str | None:
    """A text of a request that may be missing."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"`{name}` must be text")
    return value or None


def say(sandbox: "Sandbox", body: Json) -> Json:
    """Write a message."""
    message = _seat(sandbox, body).say(
        text_of(body, "channel"), text_of(body, "text"), optional_text(body, "thread")
    )
    return {"ok": True, "ts": message.ts}


def react(sandbox: "Sandbox", body: Json) -> Json:
    """Put an emoji under a message, or take it away again; twice the same changes nothing."""
    seat = _seat(sandbox, body)
    place = text_of(body, "channel"), text_of(body, "ts"), text_of(body, "name")
    if body.get("add"):
        seat.react(*place)
    else:
        seat.unreact(*place)
    return {"ok": True}


def _bytes(body: Json) -> bytes:
    """A file's bytes, which come as base64."""
    try:
        return base64.b64decode(text_of(body, "data"), validate=True)
    except ValueError:
        raise Unreadable("give `data` as base64") from None


def upload(sandbox: "Sandbox", body: Json) -> Json:
    """Pick a file in a form."""
    return {"ok": True, "file": _seat(sandbox, body).upload(text_of(body, "name"), _bytes(body))}


def share(sandbox: "Sandbox", body: Json) -> Json:
    """Share a file in a conversation."""
    message = _seat(sandbox, body).share(
        text_of(body, "channel"),
        text_of(body, "name"),
        _bytes(body),
        optional_text(body, "text") or "",
    )
    return {"ok": True, "ts": message.ts}


def slash(sandbox: "Sandbox", body: Json) -> Json:
    """Use a slash command; what goes wrong is said by Slackbot, in the channel."""
    command = text_of(body, "command").lower()
    if body.get("thread"):
        return {"ok": False, "explanation": f"{command} is not supported in threads. Sorry!"}
    seat = _seat(sandbox, body)
    outcome = seat.slash(command, optional_text(body, "text") or "", text_of(body, "channel"))
    return _told(outcome) | {"explanation": None}


def shortcut(sandbox: "Sandbox", body: Json) -> Json:
    """Use a message shortcut; what goes wrong is said by Slackbot, in the channel."""
    outcome = _seat(sandbox, body).shortcut(
        text_of(body, "callback_id"), text_of(body, "channel"), text_of(body, "ts")
    )
    return _told(outcome)


def click(sandbox: "Sandbox", body: Json) -> Json:
    """Use an element of a message, an ephemeral message or a view."""
    seat, kind = _seat(sandbox, body), text_of(body, "type")
    fields = body.get("fields")
    if not isinstance(fields, dict):
        raise Unreadable("give `fields`: what the element holds now")
    value: str | None = None
    selected: Any = None
    if kind == "overflow":
        selected = (fields.get("selected_option") or {}).get("value")
    elif kind == "feedback_buttons":
        value = fields.get("value")
    elif kind not in ("button", "icon_button", "workflow_button"):
        # A whole state object is taken as it is: an external select's options are known only here.
        selected = fields | {"type": kind}
    outcome = seat.click(
        channel_id=optional_text(body, "channel"),
        ts=optional_text(body, "ts"),
        ephemeral_id=optional_text(body, "ephemeral_id"),
        view_id=optional_text(body, "view_id"),
        action_id=text_of(body, "action_id"),
        block_id=optional_text(body, "block_id"),
        value=value,
        selected=cast(str | None, selected),
        state=_known(_blocks(sandbox, seat, body), body.get("state")),
    )
    return _told(outcome)


def options(sandbox: "Sandbox", body: Json) -> Json:
    """Ask the app for the options of an external select: a block_suggestion."""
    seat, world = _seat(sandbox, body), sandbox.world
    with world.lock:
        payload = _payload(sandbox, seat, body)
    answer = seat.suggested(
        payload,
        text_of(body, "action_id"),
        text_of(body, "block_id"),
        optional_text(body, "query") or "",
    )
    return {"options": answer.get("options"), "option_groups": answer.get("option_groups")}


def _payload(sandbox: "Sandbox", seat: "Seat", body: Json) -> Json:
    """What an interaction with the message or view that a request names says of it."""
    world, app = sandbox.world, sandbox.installation
    user, team_id = seat.user, seat.team_id
    if view_id := optional_text(body, "view_id"):
        view = world.views.find(view_id)
        if view is None or view.user_id != seat.user_id:
            raise NotPossible("This view is no longer open.")
        return payloads.view_action(app, user, team_id, view, {})
    if ephemeral_id := optional_text(body, "ephemeral_id"):
        for ephemeral in seat.ephemerals():
            if ephemeral.id == ephemeral_id:
                channel = world.channels[ephemeral.channel_id]
                return payloads.ephemeral_action(app, user, team_id, channel, ephemeral, {}, {})
        raise NotPossible("This message is gone.")
    message = world.messages.find(text_of(body, "channel"), text_of(body, "ts"))
    if message is None:
        raise NotPossible("This message is gone.")
    channel = world.channels[message.channel_id]
    return payloads.message_action(app, user, team_id, channel, message, {}, {})


def submit(sandbox: "Sandbox", body: Json) -> Json:
    """Submit a modal."""
    seat = _seat(sandbox, body)
    values = _known(_blocks(sandbox, seat, body), body.get("values"))
    return _told(seat.submit(text_of(body, "view_id"), values))


def close(sandbox: "Sandbox", body: Json) -> Json:
    """Close a modal, or the whole stack."""
    return _told(_seat(sandbox, body).close(text_of(body, "view_id"), bool(body.get("clear"))))


def home(sandbox: "Sandbox", body: Json) -> Json:
    """Open the app's Home or Messages tab."""
    seat = _seat(sandbox, body)
    return _told(seat.open_home() if body.get("tab") == "home" else seat.open_messages())


def read(sandbox: "Sandbox", body: Json) -> Json:
    """Everything in a channel has been seen."""
    seat, channel_id = _seat(sandbox, body), text_of(body, "channel")
    if channel_id not in sandbox.world.channels:
        raise NotPossible(f"there is no channel {channel_id}")
    seat.mark_read(channel_id)
    return {"ok": True}


def dismiss(sandbox: "Sandbox", body: Json) -> Json:
    """Put an ephemeral message away."""
    id_ = text_of(body, "ephemeral_id")
    mine = {one.id for one in _seat(sandbox, body).ephemerals()}
    if id_ in mine:
        sandbox.world.messages.dismiss_ephemeral(id_)
    return {"ok": True}


def join(sandbox: "Sandbox", body: Json) -> Json:
    """Join a public channel."""
    seat = _seat(sandbox, body)
    with sandbox.world.lock:
        channel = sandbox.world.channels.get(text_of(body, "channel"))
        if channel is None or not can_see(sandbox, seat.user, channel) or channel.is_archived:
            raise NotPossible("this channel cannot be joined")
        sandbox.world.join(channel.id, seat.user_id)
    return {"ok": True}


def _seat(sandbox: "Sandbox", body: Json) -> "Seat":
    return sandbox.seat(text_of(body, "user"))


def _told(outcome: Outcome) -> Json:
    return {
        "ok": outcome.ok,
        "status": outcome.status,
        "error": outcome.error,
        "errors": outcome.errors,
        "ms": outcome.ms,
        "explanation": outcome.text,
    }


def _blocks(sandbox: "Sandbox", seat: "Seat", body: Json) -> list[Block]:
    """The blocks of what a request names, as they are now."""
    world = sandbox.world
    with world.lock:
        if view_id := optional_text(body, "view_id"):
            view = world.views.find(view_id)
            return view.blocks if view else []
        if ephemeral_id := optional_text(body, "ephemeral_id"):
            return next((one.blocks for one in seat.ephemerals() if one.id == ephemeral_id), [])
        message = world.messages.find(
            optional_text(body, "channel") or "", optional_text(body, "ts") or ""
        )
        return message.blocks if message else []


def _known(blocks: list[Block], state: Any) -> dict[str, dict[str, Any]]:
    """The entries that the blocks still have a place for: a card may have changed meanwhile."""
    if not isinstance(state, dict):
        return {}
    kept: dict[str, dict[str, Any]] = {}
    for block, element in elements(blocks):
        block_id, action_id = block["block_id"], element.get("action_id")
        value = (state.get(block_id) or {}).get(action_id)
        if has_state(element) and isinstance(value, dict) and value.get("type") == element["type"]:
            kept.setdefault(block_id, {})[element["action_id"]] = value
    return kept
