"""Slack's translation layer: which of a person's two ids an app hears, and which it may use.

Who was in a workspace before it joined a Grid has an id of the workspace and one of the Grid. With the layer on (as for
every app that was there before) an app hears the workspace's and may use either; with it off, only the Grid's.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.world import World

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
