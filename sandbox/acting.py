"""Finding the element a person uses, and the `actions` entry that it makes."""

import time
from typing import Any

from sandbox.blocks.state import Block, Element, elements, has_state, options_of, state_for
from sandbox.outcome import NotPossible


def find(blocks: list[Block], action_id: str, block_id: str | None) -> tuple[Block, Element]:
    """The element with this action_id (in this block, when several have it)."""
    matches = [
        (block, element)
        for block, element in elements(blocks)
        if element.get("action_id") == action_id and block_id in (None, block["block_id"])
    ]
    if not matches:
        there = ", ".join(str(one.get("action_id")) for _, one in elements(blocks)) or "none"
        raise NotPossible(f"there is no {action_id} to use here; there are: {there}")
    if len(matches) > 1:
        places = ", ".join(block["block_id"] for block, _ in matches)
        raise NotPossible(f"{action_id} is in several blocks ({places}): say which block_id")
    return matches[0]


def action(
    block: Block, element: Element, value: str | None, selected: str | list[str] | None
) -> dict[str, Any]:
    """The entry in `actions` for using this element."""
    kind = element["type"]
    entry: dict[str, Any] = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": f"{time.time():.6f}",
    }
    if kind in ("button", "icon_button"):
        entry["text"] = element["text"]
        for name in ("value", "style", "url"):
            if element.get(name) is not None:
                entry[name] = element[name]
        if value is not None and value != element.get("value"):
            raise NotPossible(f"the button {element['action_id']} has another value")
        return entry
    if block["type"] == "input" and not block.get("dispatch_action"):
        raise NotPossible(f"{element['action_id']} is an input that tells the app nothing")
    if kind == "overflow":
        chosen = [one for one in options_of(element) if one["value"] == (selected or value)]
        if not chosen:
            raise NotPossible(f"{element['action_id']} has no option {selected or value!r}")
        return entry | {"selected_option": chosen[0]}
    if kind == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            if element[name]["value"] == (selected or value):
                return entry | {"text": element[name]["text"], "value": element[name]["value"]}
        raise NotPossible(f"{element['action_id']} has no button {selected or value!r}")
    if not has_state(element):
        raise NotPossible(f"a {kind} cannot be used")
    if element.get("placeholder"):
        entry["placeholder"] = element["placeholder"]
    try:
        return entry | state_for(element, selected if selected is not None else value)
    except ValueError as error:
        raise NotPossible(str(error)) from None


def state_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The part of an action entry that stays in `state.values`."""
    own = ("action_id", "block_id", "action_ts", "placeholder")
    return {name: one for name, one in entry.items() if name not in own}


def entered(
    blocks: list[Block], values: dict[str, dict[str, Any]]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Entries as (block_id, action_id, state); raises NotPossible for what cannot be entered."""
    fields = {
        (block["block_id"], element["action_id"]): element
        for block, element in elements(blocks)
        if has_state(element)
    }
    inputs: list[tuple[str, str, dict[str, Any]]] = []
    for block_id, actions in values.items():
        for action_id, value in actions.items():
            element = fields.get((block_id, action_id))
            if element is None:
                there = ", ".join("/".join(key) for key in fields) or "none"
                raise NotPossible(f"there is no input {block_id}/{action_id}; there are: {there}")
            try:
                inputs.append((block_id, action_id, state_for(element, value)))
            except ValueError as error:
                raise NotPossible(str(error)) from None
    return inputs
