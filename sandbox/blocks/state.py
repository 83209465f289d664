"""What the inputs of a view or message hold, in the shapes of Slack's `state.values`."""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.blocks.elements import is_date, is_instant, is_time

Block = dict[str, Any]
Element = dict[str, Any]
StateValues = dict[str, dict[str, dict[str, Any]]]

# Element type → (key of its state, key of its initial value, several values?).
_STATE_KEYS: dict[str, tuple[str, str, bool]] = {
    "plain_text_input": ("value", "initial_value", False),
    "email_text_input": ("value", "initial_value", False),
    "url_text_input": ("value", "initial_value", False),
    "number_input": ("value", "initial_value", False),
    "rich_text_input": ("rich_text_value", "initial_value", False),
    "static_select": ("selected_option", "initial_option", False),
    "external_select": ("selected_option", "initial_option", False),
    "radio_buttons": ("selected_option", "initial_option", False),
    "users_select": ("selected_user", "initial_user", False),
    "channels_select": ("selected_channel", "initial_channel", False),
    "conversations_select": ("selected_conversation", "initial_conversation", False),
    "multi_static_select": ("selected_options", "initial_options", True),
    "multi_external_select": ("selected_options", "initial_options", True),
    "checkboxes": ("selected_options", "initial_options", True),
    "multi_users_select": ("selected_users", "initial_users", True),
    "multi_channels_select": ("selected_channels", "initial_channels", True),
    "multi_conversations_select": ("selected_conversations", "initial_conversations", True),
    "datepicker": ("selected_date", "initial_date", False),
    "timepicker": ("selected_time", "initial_time", False),
    "datetimepicker": ("selected_date_time", "initial_date_time", False),
    "file_input": ("files", "", True),
}
_OPTION_KEYS = ("selected_option", "selected_options")
# Text inputs without a value are {"type": …, "value": null}; the same holds for the selects.


def elements(blocks: list[Block]) -> Iterator[tuple[Block, Element]]:
    """Every interactive element with the block that holds it."""
    for block in blocks:
        kind = block.get("type")
        if kind in ("actions", "context_actions"):
            for element in block.get("elements", ()):
                yield block, element
        elif kind == "section" and isinstance(block.get("accessory"), dict):
            yield block, block["accessory"]
        elif kind == "input":
            yield block, block["element"]


def has_state(element: Element) -> bool:
    """Whether the element has an entry in `state.values` (buttons and menus have none)."""
    return element.get("type") in _STATE_KEYS


def initial_values(blocks: list[Block], keep: StateValues | None = None) -> StateValues:
    """What the inputs hold at first; what is in `keep` for the same input stays.

    Slack keeps an input's content over views.update when block_id and action_id stay the same.
    """
    values: StateValues = {}
    for block, element in elements(blocks):
        if not has_state(element):
            continue
        block_id, action_id = block["block_id"], element["action_id"]
        kept = (keep or {}).get(block_id, {}).get(action_id)
        if kept is not None and kept.get("type") == element["type"]:
            values.setdefault(block_id, {})[action_id] = kept
        else:
            values.setdefault(block_id, {})[action_id] = _initial(element)
    return values


def _initial(element: Element) -> dict[str, Any]:
    kind = element["type"]
    key, initial, several = _STATE_KEYS[kind]
    state = {"type": kind, key: element.get(initial, [] if several else None)}
    if kind == "timepicker" and element.get("timezone"):
        state["timezone"] = element["timezone"]
    return state


def options_of(element: Element) -> list[dict[str, Any]]:
    """The options an element offers, those in groups too."""
    options = list(element.get("options") or ())
    for group in element.get("option_groups") or ():
        options += group["options"]
    return options


def state_for(element: Element, entered: Any) -> dict[str, Any]:
    """Slack's state object for what a person entered.

    `entered` is that object already, or plain: text, an option's value, an id, a date, a unix
    time; a list where several may be chosen; None empties the input. Raises ValueError when the
    element does not offer it.
    """
    kind = element["type"]
    if kind not in _STATE_KEYS:
        raise ValueError(f"a {kind} holds no value")
    key, _, several = _STATE_KEYS[kind]
    if isinstance(entered, dict) and entered.get("type") == kind:
        if entered.get(key) is not None:
            _picked(kind, entered[key])
        return entered
    if several:
        chosen = [entered] if isinstance(entered, str) else list(entered or ())
        if key in _OPTION_KEYS:
            return {"type": kind, key: [_option(element, one) for one in chosen]}
        return {"type": kind, key: chosen}
    if entered is None or entered == "":
        return {"type": kind, key: None}
    if key in _OPTION_KEYS:
        return {"type": kind, key: _option(element, entered)}
    if kind == "datetimepicker":
        entered = int(entered)
    _picked(kind, entered)
    if kind == "datetimepicker":
        return {"type": kind, key: entered}
    if kind == "timepicker" and element.get("timezone"):
        return {"type": kind, key: entered, "timezone": element["timezone"]}
    return {"type": kind, key: str(entered) if not isinstance(entered, dict) else entered}


_PICKED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "datepicker": (is_date, "a date like 2026-01-26"),
    "timepicker": (is_time, "a time like 09:05"),
    "datetimepicker": (is_instant, "seconds since 1970"),
}


def _picked(kind: str, value: Any) -> None:
    """Refuse what Slack's pickers cannot give."""
    sound, example = _PICKED.get(kind, (None, ""))
    if sound is not None and not sound(value):
        raise ValueError(f"a {kind} gives {example}, not {value!r}")


def _option(element: Element, entered: Any) -> dict[str, Any]:
    if element["type"].endswith("external_select") and isinstance(entered, dict):
        return entered
    wanted = entered.get("value") if isinstance(entered, dict) else entered
    for option in options_of(element):
        if option["value"] == wanted:
            return option
    offered = ", ".join(repr(option["value"]) for option in options_of(element)) or "nothing"
    raise ValueError(
        f"there is no option {wanted!r} in {element['action_id']}; it offers {offered}"
    )


def is_empty(state: dict[str, Any]) -> bool:
    """Whether an input holds nothing."""
    own = ("type", "timezone")
    return all(not value for key, value in state.items() if key not in own)
