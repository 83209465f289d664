"""The interactive elements of Block Kit, and the objects they are made of."""

import re
from typing import Any
from zoneinfo import available_timezones

from sandbox.blocks.moments import is_date, is_time
from sandbox.blocks.spec import (
    Check,
    Findings,
    array,
    boolean,
    exactly_one,
    finding,
    integer,
    number,
    one_of,
    plain_text,
    record,
    string,
    text_object,
    typed,
    url,
)

ID = string(255, least=1)
_KIND = string()

CONFIRM = record(
    {
        "title": plain_text(100),
        "text": text_object(300),
        "confirm": plain_text(30),
        "deny": plain_text(30),
    },
    {"style": one_of("primary", "danger")},
)

# Slack documents 150 characters; one of its own type packages says 75.
OPTION_VALUE = string(150, least=1)


def _option(text: Check, *, with_url: bool = False) -> Check:
    optional: dict[str, Check] = {"description": text_object(75)}
    if with_url:
        optional["url"] = url(3000)
    return record({"text": text, "value": OPTION_VALUE}, optional)


OPTION = _option(plain_text(75))
RICH_OPTION = _option(text_object(75))
MENU_OPTION = _option(plain_text(75), with_url=True)
OPTION_GROUP = record({"label": plain_text(75), "options": array(OPTION, least=1, most=100)})

DISPATCH = record(
    optional={
        "trigger_actions_on": array(
            one_of("on_enter_pressed", "on_character_entered"), least=1, most=2
        )
    }
)
FILTER = record(
    optional={
        "include": array(one_of("im", "mpim", "private", "public"), least=1),
        "exclude_external_shared_channels": boolean,
        "exclude_bot_users": boolean,
    }
)
_FILE_ID = re.compile(r"F[A-Z0-9]{8,}")


def _file_id(value: Any, pointer: str, findings: Findings) -> None:
    if not isinstance(value, str) or not _FILE_ID.fullmatch(value):
        findings.append(finding("input must match regex pattern: ^[F][A-Z0-9]{8,}$", pointer))


SLACK_FILE = record(optional={"id": _file_id, "url": url(3000)}, also=exactly_one("id", "url"))

_COMMON: dict[str, Check] = {"action_id": ID}
_INPUT: dict[str, Check] = _COMMON | {"focus_on_load": boolean, "placeholder": plain_text(150)}
_CONFIRMED: dict[str, Check] = _INPUT | {"confirm": CONFIRM}
_SEVERAL: dict[str, Check] = {"max_selected_items": integer(1)}


def _offers_initial(value: Any, pointer: str, findings: Findings) -> None:
    """Options are given once, and an initial choice is one of them, letter by letter."""
    exactly_one("options", "option_groups")(value, pointer, findings)
    options = list(value.get("options") or ())
    for group in value.get("option_groups") or ():
        options += group["options"]
    _initial_among(value, options, pointer, findings)


def _initial_among(value: Any, options: list[Any], pointer: str, findings: Findings) -> None:
    seen: set[str] = set()
    for option in options:
        if option["value"] in seen:
            findings.append(finding(f"duplicate option value: {option['value']}", pointer))
        seen.add(option["value"])
    chosen = list(value.get("initial_options") or ())
    if value.get("initial_option"):
        chosen.append(value["initial_option"])
    for choice in chosen:
        if choice not in options:
            findings.append(finding("initial option must match one of the options", pointer))


def _plain_options(value: Any, pointer: str, findings: Findings) -> None:
    _initial_among(value, value["options"], pointer, findings)


def _lengths(value: Any, pointer: str, findings: Findings) -> None:
    least, most = value.get("min_length") or 0, value.get("max_length")
    if most is not None and least > most:
        findings.append(finding("min_length must not be greater than max_length", pointer))


def _date(value: Any, pointer: str, findings: Findings) -> None:
    if not is_date(value):
        findings.append(finding("must be a valid date: YYYY-MM-DD", pointer))


def _time(value: Any, pointer: str, findings: Findings) -> None:
    if not is_time(value):
        findings.append(finding("must be a valid time: HH:mm", pointer))


def _zone(value: Any, pointer: str, findings: Findings) -> None:
    if not isinstance(value, str) or value not in available_timezones():
        findings.append(finding("must be a valid IANA time zone", pointer))


def _decimal(value: Any, pointer: str, findings: Findings) -> None:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            findings.append(finding("must be a number", pointer))
    else:
        number(value, pointer, findings)


def _element(required: dict[str, Check], optional: dict[str, Check], also: Any = None) -> Check:
    return record({"type": _KIND} | required, optional, also=also)


_STATIC = {"options": array(OPTION, least=1, most=100)} | {
    "option_groups": array(OPTION_GROUP, least=1, most=100)
}
_CHOICES = {"options": array(RICH_OPTION, least=1, most=10)}
_BUTTON: dict[str, Check] = {
    "value": string(2000),
    "url": url(3000),
    "style": one_of("primary", "danger"),
    "accessibility_label": string(75),
}

ELEMENTS: dict[str, Check] = {
    "button": _element({"text": plain_text(75)}, _COMMON | _BUTTON | {"confirm": CONFIRM}),
    "icon_button": _element(
        {"text": plain_text(75), "icon": one_of("trash")},
        _COMMON
        | {
            "value": string(2000),
            "confirm": CONFIRM,
            "accessibility_label": string(75),
            "visible_to_user_ids": array(ID),
        },
    ),
    "feedback_buttons": _element(
        {
            name: record(
                {"text": plain_text(75), "value": string(2000)}, {"accessibility_label": string(75)}
            )
            for name in ("positive_button", "negative_button")
        },
        _COMMON,
    ),
    "image": _element(
        {"alt_text": string(2000, least=1)},
        {"image_url": url(3000), "slack_file": SLACK_FILE},
        exactly_one("image_url", "slack_file"),
    ),
    "overflow": _element(
        {"options": array(MENU_OPTION, least=1, most=5)}, _COMMON | {"confirm": CONFIRM}
    ),
    "checkboxes": _element(
        _CHOICES,
        _COMMON
        | {"focus_on_load": boolean, "confirm": CONFIRM}
        | {"initial_options": array(RICH_OPTION, least=1, most=10)},
        _plain_options,
    ),
    "radio_buttons": _element(
        _CHOICES,
        _COMMON | {"focus_on_load": boolean, "confirm": CONFIRM, "initial_option": RICH_OPTION},
        _plain_options,
    ),
    "datepicker": _element({}, _CONFIRMED | {"initial_date": _date}),
    "timepicker": _element({}, _CONFIRMED | {"initial_time": _time, "timezone": _zone}),
    "datetimepicker": _element(
        {},
        _COMMON
        | {"focus_on_load": boolean, "confirm": CONFIRM}
        | {"initial_date_time": integer(1_000_000_000, 9_999_999_999)},
    ),
    "static_select": _element(
        {}, _CONFIRMED | _STATIC | {"initial_option": OPTION}, _offers_initial
    ),
    "multi_static_select": _element(
        {},
        _CONFIRMED | _STATIC | _SEVERAL | {"initial_options": array(OPTION, least=1, most=100)},
        _offers_initial,
    ),
    "external_select": _element(
        {}, _CONFIRMED | {"initial_option": OPTION, "min_query_length": integer(0)}
    ),
    "multi_external_select": _element(
        {},
        _CONFIRMED
        | _SEVERAL
        | {"initial_options": array(OPTION, least=1, most=100), "min_query_length": integer(0)},
    ),
    "users_select": _element({}, _CONFIRMED | {"initial_user": ID}),
    "multi_users_select": _element(
        {}, _CONFIRMED | _SEVERAL | {"initial_users": array(ID, least=1)}
    ),
    "channels_select": _element(
        {}, _CONFIRMED | {"initial_channel": ID, "response_url_enabled": boolean}
    ),
    "multi_channels_select": _element(
        {}, _CONFIRMED | _SEVERAL | {"initial_channels": array(ID, least=1)}
    ),
    "conversations_select": _element(
        {},
        _CONFIRMED
        | {
            "initial_conversation": ID,
            "default_to_current_conversation": boolean,
            "response_url_enabled": boolean,
            "filter": FILTER,
        },
    ),
    "multi_conversations_select": _element(
        {},
        _CONFIRMED
        | _SEVERAL
        | {
            "initial_conversations": array(ID, least=1),
            "default_to_current_conversation": boolean,
            "filter": FILTER,
        },
    ),
    "plain_text_input": _element(
        {},
        _INPUT
        | {
            "initial_value": string(3000),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
            "dispatch_action_config": DISPATCH,
        },
        _lengths,
    ),
    "number_input": _element(
        {"is_decimal_allowed": boolean},
        _INPUT
        | {
            "initial_value": _decimal,
            "min_value": _decimal,
            "max_value": _decimal,
            "dispatch_action_config": DISPATCH,
        },
    ),
    "file_input": _element(
        {},
        _COMMON | {"filetypes": array(string(20, least=1), least=1), "max_files": integer(1, 10)},
    ),
    "email_text_input": _element(
        {}, _INPUT | {"initial_value": string(3000), "dispatch_action_config": DISPATCH}
    ),
    "url_text_input": _element(
        {}, _INPUT | {"initial_value": string(3000), "dispatch_action_config": DISPATCH}
    ),
}

_SELECTS = frozenset(
    f"{several}{what}_select"
    for several in ("", "multi_")
    for what in ("static", "external", "users", "channels", "conversations")
)
_PICKERS = frozenset({"datepicker", "timepicker", "checkboxes", "radio_buttons"})
IN_SECTION = _SELECTS | _PICKERS | {"button", "overflow", "image"}
IN_ACTIONS = _SELECTS | _PICKERS | {"button", "overflow", "datetimepicker"}
IN_INPUT = _SELECTS | _PICKERS | {
    "datetimepicker", "plain_text_input", "number_input", "email_text_input", "url_text_input", "file_input",
}  # fmt: skip
MODAL_ONLY = frozenset({"file_input"})
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})


def element(allowed: frozenset[str]) -> Check:
    """An element that may stand in a certain block."""
    return typed(ELEMENTS, allowed)
