"""views.*: modals and the Home tab."""

from typing import Any

from sandbox.blocks import layout
from sandbox.errors import SlackError
from sandbox.installation import Trigger
from sandbox.views import MOST_MODALS, View
from sandbox.web_api.call import Answer, Call


def open_(call: Call) -> Answer:
    """views.open."""
    body = _modal(call)
    trigger = _trigger(call)
    _free_external_id(call, body, None)
    view = call.world.views.open(trigger.user_id, body)
    return {"ok": True, "view": view.as_json()}


def push(call: Call) -> Answer:
    """views.push."""
    body = _modal(call)
    trigger = _trigger(call)
    stack = call.world.views.stack(trigger.user_id)
    if trigger.view_id is None or not stack:
        # Only something done in a modal gives leave to push.
        raise SlackError("invalid_trigger_id")
    if len(stack) >= MOST_MODALS:
        raise SlackError("push_limit_reached")
    _free_external_id(call, body, None)
    view = call.world.views.push(trigger.user_id, body)
    return {"ok": True, "view": view.as_json()}


def update(call: Call) -> Answer:
    """views.update."""
    view = _wanted(call)
    body = _view(call, view.type)
    _same_hash(call, view)
    _free_external_id(call, body, view)
    return {"ok": True, "view": call.world.views.update(view.id, body).as_json()}


def publish(call: Call) -> Answer:
    """views.publish."""
    if not call.installation.manifest.home_tab:
        raise SlackError("not_enabled")
    user_id = call.needed("user_id")
    user = call.world.users.get(user_id)
    if user is None or user.is_bot or call.world.is_foreign(user):
        raise SlackError("invalid_arguments", findings=["invalid `user_id`"])
    body = _view(call, "home")
    view = call.world.views.home(user_id)
    if view is not None:
        _same_hash(call, view)
    elif call.text("hash"):
        raise SlackError("hash_conflict")
    _free_external_id(call, body, view)
    return {"ok": True, "view": call.world.views.publish(user_id, body).as_json()}


def _modal(call: Call) -> dict[str, Any]:
    return _view(call, "modal")


def _view(call: Call, kind: str) -> dict[str, Any]:
    return layout.view(call.args.get("view"), kind, call.installation.shows)


def _trigger(call: Call) -> Trigger:
    trigger_id = call.text("trigger_id") or call.text("interactivity_pointer")
    if not trigger_id:
        raise SlackError("invalid_arguments", findings=["missing required field: trigger_id"])
    return call.installation.exchange_trigger(trigger_id)


def _wanted(call: Call) -> View:
    view_id, external_id = call.text("view_id"), call.text("external_id")
    if not view_id and not external_id:
        raise SlackError(
            "invalid_arguments", findings=["missing required field: view_id or external_id"]
        )
    views = call.world.views
    view = views.find(view_id) if view_id else views.find_external(external_id)
    if view is None:
        raise SlackError("not_found")
    return view


def _same_hash(call: Call, view: View) -> None:
    given = call.text("hash")
    if given and given != view.hash:
        raise SlackError("hash_conflict")


def _free_external_id(call: Call, body: dict[str, Any], own: View | None) -> None:
    external_id = body.get("external_id")
    if not external_id:
        return
    other = call.world.views.find_external(external_id)
    if other is not None and other is not own:
        raise SlackError("duplicate_external_id")
