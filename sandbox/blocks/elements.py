"""The interactive elements of Block Kit, and the objects they are made of."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from sandbox.coverage import BLOCKS_NOT_COVERED

# --- Small checks that compose into Block Kit's schema, with findings worded as Slack words
#     them

# A check looks at a value that stands at a JSON pointer, and adds what is wrong to the findings.
Findings = list[str]
Check = Callable[[Any, str, Findings], None]


def finding(text: str, pointer: str) -> str:
    """A finding with its place, as in `response_metadata.messages` without the `[ERROR]`."""
    return f"{text} [json-pointer:{pointer}]"


def short_string(most: int | None = None, *, least: int = 0) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.append(finding("must provide a string", pointer))
        elif len(value) < least:
            findings.append(finding(f"must be more than {least - 1} characters", pointer))
        elif most is not None and len(value) > most:
            findings.append(finding(f"must be less than {most + 1} characters", pointer))

    return check


def url(most: int) -> Check:
    """An absolute http(s) address of at most `most` characters."""
    size = short_string(most, least=1)

    def check(value: Any, pointer: str, findings: Findings) -> None:
        before = len(findings)
        size(value, pointer, findings)
        if len(findings) == before:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https", "mailto", "slack") or not (
                parts.netloc or parts.path
            ):
                findings.append(finding("must be a valid URL", pointer))

    return check


def boolean(value: Any, pointer: str, findings: Findings) -> None:
    """True or false."""
    if not isinstance(value, bool):
        findings.append(finding("must provide a boolean", pointer))


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number between two bounds."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            findings.append(finding("must provide an integer", pointer))
        elif least is not None and value < least:
            findings.append(finding(f"must be greater than or equal to {least}", pointer))
        elif most is not None and value > most:
            findings.append(finding(f"must be less than or equal to {most}", pointer))

    return check


def number(value: Any, pointer: str, findings: Findings) -> None:
    """Any number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        findings.append(finding("must provide a number", pointer))


def one_of(*allowed: Any) -> Check:
    """One of a few values."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if value not in allowed:
            names = ", ".join(str(one) for one in allowed)
            findings.append(finding(f"must be a valid enum value: {names}", pointer))

    return check


def array(item: Check, *, least: int = 0, most: int | None = None) -> Check:
    """A list of `least` to `most` items."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.append(finding("must provide an array", pointer))
            return
        if len(value) < least:
            findings.append(finding(f"no fewer than {least} items allowed", pointer))
        if most is not None and len(value) > most:
            findings.append(finding(f"no more than {most} items allowed", pointer))
            return
        for index, element in enumerate(value):
            item(element, f"{pointer}/{index}", findings)

    return check


def record(
    required: Mapping[str, Check] | None = None,
    optional: Mapping[str, Check] | None = None,
    *,
    also: Check | None = None,
) -> Check:
    """An object with these fields and no others; `also` looks at the whole of a sound one."""
    needed, known = dict(required or {}), {**(required or {}), **(optional or {})}

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.append(finding("must provide an object", pointer))
            return
        before = len(findings)
        for name in needed:
            if value.get(name) is None:
                findings.append(finding(f"missing required field: {name}", pointer))
        for name, field in value.items():
            field_check = known.get(name)
            if field_check is None:
                findings.append(finding(f"invalid additional property: {name}", pointer))
            elif field is not None:
                field_check(field, f"{pointer}/{name}", findings)
        if also is not None and len(findings) == before:
            also(value, pointer, findings)

    return check


def unsupported(kind: Any, pointer: str) -> str:
    """The finding about a block or element of another type, in other words when it is Slack's but not covered."""
    known = isinstance(kind, str) and kind in BLOCKS_NOT_COVERED
    words = f"unsupported type: {kind}"
    return finding(f"{words} (Slack's, not the sandbox's)" if known else words, f"{pointer}/type")


def typed(kinds: Mapping[str, Check], allowed: Collection[str] | None = None) -> Check:
    """An object that says what it is by its `type`; `allowed` narrows the kinds."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.append(finding("must provide an object", pointer))
            return
        kind = value.get("type")
        if kind is None:
            findings.append(finding("missing required field: type", pointer))
            return
        kind_check = kinds.get(kind) if isinstance(kind, str) else None
        if kind_check is None or (allowed is not None and kind not in allowed):
            findings.append(unsupported(kind, pointer))
            return
        kind_check(value, pointer, findings)

    return check


def exactly_one(*names: str) -> Check:
    """Exactly one of these fields is there."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if sum(value.get(name) is not None for name in names) != 1:
            quoted = " or ".join(f"`{name}`" for name in names)
            findings.append(finding(f"must define either {quoted}", pointer))

    return check


def every(*checks: Check) -> Check:
    """All of these checks."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        for check_ in checks:
            check_(value, pointer, findings)

    return check


def text_object(most: int, *kinds: str, least: int = 1) -> Check:
    """A text object of these kinds (default: plain_text and mrkdwn)."""
    size = short_string(most, least=least)
    kind = one_of("plain_text", "mrkdwn")
    forms = {
        "plain_text": record({"type": kind, "text": size}, {"emoji": boolean}),
        "mrkdwn": record({"type": kind, "text": size}, {"verbatim": boolean}),
    }
    return typed(forms, kinds or ("plain_text", "mrkdwn"))


def plain_text(most: int) -> Check:
    """A plain_text object."""
    return text_object(most, "plain_text")


# --- Dates, times and instants as Slack's pickers hold them

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def is_date(value: Any) -> bool:
    """`2026-01-26`, a day that the calendar has."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_time(value: Any) -> bool:
    """`09:05`, on a clock of 24 hours."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def is_instant(value: Any) -> bool:
    """Seconds since 1970, ten digits."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 1_000_000_000 <= value <= 9_999_999_999
    )


# --- Rich text
#
# what Slack's own editor writes.

_KIND = short_string()
_STYLE = record(
    optional=dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean)
)  # fmt: skip


def _inline(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return record({"type": _KIND} | required, {"style": _STYLE} | (optional or {}))


_INLINE = typed(
    {
        "text": _inline({"text": short_string(least=1)}),
        "link": _inline({"url": url(3000)}, {"text": short_string(), "unsafe": boolean}),
        "emoji": _inline(
            {"name": short_string(least=1)}, {"unicode": short_string(), "skin_tone": integer(1, 6)}
        ),
        "user": _inline({"user_id": short_string(least=1)}),
        "usergroup": _inline({"usergroup_id": short_string(least=1)}),
        "channel": _inline({"channel_id": short_string(least=1)}),
        "broadcast": _inline({"range": one_of("here", "channel", "everyone")}),
        "date": _inline(
            {"timestamp": integer(), "format": short_string(least=1)},
            {"url": url(3000), "fallback": short_string()},
        ),
        "color": _inline({"value": short_string(least=1)}),
    }
)
_SECTION = record({"type": _KIND, "elements": array(_INLINE)})
_PARTS = {
    "rich_text_section": _SECTION,
    "rich_text_quote": record(
        {"type": _KIND, "elements": array(_INLINE)}, {"border": integer(0, 1)}
    ),
    "rich_text_preformatted": record(
        {"type": _KIND, "elements": array(_INLINE)},
        {"border": integer(0, 1), "language": short_string()},
    ),
    "rich_text_list": record(
        {
            "type": _KIND,
            "style": one_of("bullet", "ordered"),
            "elements": array(typed({"rich_text_section": _SECTION})),
        },
        {"indent": integer(0, 8), "offset": integer(0), "border": integer(0, 1)},
    ),
}
RICH_TEXT_FIELDS: dict[str, Check] = {"elements": array(typed(_PARTS), least=1)}
RICH_TEXT_CELL = record({"type": _KIND} | RICH_TEXT_FIELDS)


# --- The interactive elements of Block Kit, and the objects they are made of

ID = short_string(255, least=1)


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
OPTION_VALUE = short_string(150, least=1)


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
    "value": short_string(2000),
    "url": url(3000),
    "style": one_of("primary", "danger"),
    "accessibility_label": short_string(75),
}

ELEMENTS: dict[str, Check] = {
    "button": _element({"text": plain_text(75)}, _COMMON | _BUTTON | {"confirm": CONFIRM}),
    "icon_button": _element(
        {"text": plain_text(75), "icon": one_of("trash")},
        _COMMON
        | {
            "value": short_string(2000),
            "confirm": CONFIRM,
            "accessibility_label": short_string(75),
            "visible_to_user_ids": array(ID),
        },
    ),
    "feedback_buttons": _element(
        {
            name: record(
                {"text": plain_text(75), "value": short_string(2000)},
                {"accessibility_label": short_string(75)},
            )
            for name in ("positive_button", "negative_button")
        },
        _COMMON,
    ),
    "image": _element(
        {"alt_text": short_string(2000, least=1)},
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
            "initial_value": short_string(3000),
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
        _COMMON
        | {"filetypes": array(short_string(20, least=1), least=1), "max_files": integer(1, 10)},
    ),
    "email_text_input": _element(
        {}, _INPUT | {"initial_value": short_string(3000), "dispatch_action_config": DISPATCH}
    ),
    "url_text_input": _element(
        {}, _INPUT | {"initial_value": short_string(3000), "dispatch_action_config": DISPATCH}
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
