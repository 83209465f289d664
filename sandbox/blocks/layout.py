"""The layout blocks of Block Kit, and on which surfaces each may stand."""

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.blocks.elements import (
    ID,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    MODAL_ONLY,
    RICH_TEXT_CELL,
    RICH_TEXT_FIELDS,
    SLACK_FILE,
    Check,
    Findings,
    array,
    boolean,
    element,
    exactly_one,
    finding,
    number,
    one_of,
    plain_text,
    record,
    short_string,
    text_object,
    typed,
    unsupported,
    url,
)
from sandbox.blocks.elements import short_string as string_check
from sandbox.blocks.state import elements
from sandbox.errors import SlackError

Surface = Literal["message", "modal", "home"]
_KIND = short_string()
_EVERYWHERE: frozenset[Surface] = frozenset({"message", "modal", "home"})
_MESSAGES: frozenset[Surface] = frozenset({"message"})
_MODALS: frozenset[Surface] = frozenset({"modal"})
_MESSAGES_AND_HOME: frozenset[Surface] = frozenset({"message", "home"})


def _block(required: dict[str, Check], optional: dict[str, Check], also: Any = None) -> Check:
    return record({"type": _KIND} | required, {"block_id": ID} | optional, also=also)


def _section(value: Any, pointer: str, findings: Findings) -> None:
    if value.get("text") is None and value.get("fields") is None:
        findings.append(finding("must define either `text` or `fields`", pointer))


_CONTEXT_ELEMENT = typed(
    {
        "plain_text": text_object(3000, "plain_text"),
        "mrkdwn": text_object(3000, "mrkdwn"),
        "image": element(frozenset({"image"})),
    }
)
_CELL = typed(
    {
        "raw_text": record({"type": _KIND, "text": short_string()}),
        "raw_number": record({"type": _KIND, "value": number}, {"text": short_string()}),
        "rich_text": RICH_TEXT_CELL,
    }
)
_COLUMN = record(optional={"align": one_of("left", "center", "right"), "is_wrapped": boolean})


def _same_categories(value: Any, pointer: str, findings: Findings) -> None:
    if value["type"] == "pie":
        return
    categories = value["axis_config"]["categories"]
    for index, series in enumerate(value["series"]):
        if [point["label"] for point in series["data"]] != categories:
            findings.append(
                finding("series data must cover every category", f"{pointer}/series/{index}/data")
            )


_POINT = record({"label": short_string(20, least=1), "value": number})
_CHART_WITH_AXES = record(
    {
        "type": _KIND,
        "series": array(
            record({"name": short_string(20, least=1), "data": array(_POINT, least=1, most=20)}),
            least=1,
            most=6,
        ),
        "axis_config": record(
            {"categories": array(short_string(20, least=1), least=1, most=20)},
            {"x_label": short_string(50), "y_label": short_string(50)},
        ),
    },
    also=_same_categories,
)
_CHART = typed(
    {
        "line": _CHART_WITH_AXES,
        "bar": _CHART_WITH_AXES,
        "area": _CHART_WITH_AXES,
        "pie": record({"type": _KIND, "segments": array(_POINT, least=1, most=6)}),
    }
)

# Block type → (where it may stand, what it is made of).
BLOCKS: dict[str, tuple[frozenset[Surface], Check]] = {
    "actions": (
        _EVERYWHERE,
        _block({"elements": array(element(IN_ACTIONS), least=1, most=25)}, {}),
    ),
    "alert": (
        _MODALS,
        _block(
            {"text": text_object(200)},
            {"level": one_of("default", "info", "warning", "error", "success")},
        ),
    ),
    "context": (_EVERYWHERE, _block({"elements": array(_CONTEXT_ELEMENT, least=1, most=10)}, {})),
    "context_actions": (
        _MESSAGES,
        _block({"elements": array(element(IN_CONTEXT_ACTIONS), least=1, most=5)}, {}),
    ),
    "data_visualization": (
        _MESSAGES,
        _block({"title": short_string(50, least=1), "chart": _CHART}, {}),
    ),
    "divider": (_EVERYWHERE, _block({}, {})),
    "header": (_EVERYWHERE, _block({"text": plain_text(150)}, {})),
    "image": (
        _EVERYWHERE,
        _block(
            {"alt_text": short_string(2000, least=1)},
            {"image_url": url(3000), "slack_file": SLACK_FILE, "title": plain_text(2000)},
            exactly_one("image_url", "slack_file"),
        ),
    ),
    "input": (
        _EVERYWHERE,
        _block(
            {"label": plain_text(2000), "element": element(IN_INPUT)},
            {"hint": plain_text(2000), "optional": boolean, "dispatch_action": boolean},
        ),
    ),
    "markdown": (_MESSAGES, _block({"text": short_string(12_000, least=1)}, {})),
    "rich_text": (_EVERYWHERE, _block(RICH_TEXT_FIELDS, {})),
    "section": (
        _EVERYWHERE,
        _block(
            {},
            {
                "text": text_object(3000),
                "fields": array(text_object(2000), least=1, most=10),
                "accessory": element(IN_SECTION),
                "expand": boolean,
            },
            _section,
        ),
    ),
    "table": (
        _MESSAGES_AND_HOME,
        _block(
            {"rows": array(array(_CELL, least=1, most=20), least=1, most=100)},
            {"column_settings": array(_COLUMN, most=20)},
        ),
    ),
    "video": (
        _EVERYWHERE,
        _block(
            {
                "alt_text": short_string(2000, least=1),
                "title": plain_text(200),
                "thumbnail_url": url(3000),
                "video_url": url(3000),
            },
            {
                "author_name": short_string(50),
                "description": plain_text(200),
                "provider_icon_url": url(3000),
                "provider_name": short_string(50),
                "title_url": url(3000),
            },
        ),
    ),
}


# --- Whether Slack would take these blocks or this view; what it would say when not

MOST_BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}
MOST_MESSAGE_CHARACTERS = 13_200
MOST_TABLE_CHARACTERS = 10_000
MOST_MARKDOWN_CHARACTERS = 12_000
MOST_CHARTS = 2
MOST_VIEW_BYTES = 250_000
_ID_CHARACTERS = string.ascii_letters + string.digits

_VIEW_FIELDS = {
    "private_metadata": string_check(3000),
    "callback_id": string_check(255),
    "external_id": string_check(255),
}


def _nothing(what: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Shows:
    """What an app's blocks may show beyond themselves; by default nothing.

    `file` says it of a `slack_file` (uploaded, ready, a picture, the app's own or shared where it is), `video`
    of the address of a video (HTTPS, of a domain that the app unfurls, with the scope to embed).
    """

    file: Callable[[dict[str, Any]], bool] = _nothing
    video: Callable[[str], bool] = _nothing


NOTHING = Shows()


def _any(value: Any, pointer: str, findings: Findings) -> None:
    """Looked at elsewhere."""


_VIEWS = {
    "modal": record(
        {"type": one_of("modal"), "title": plain_text(24), "blocks": _any},
        _VIEW_FIELDS
        | {
            "close": plain_text(24),
            "submit": plain_text(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
        },
    ),
    "home": record({"type": one_of("home"), "blocks": _any}, _VIEW_FIELDS),
}


def message_blocks(value: Any, shows: Shows = NOTHING) -> list[dict[str, Any]]:
    """Blocks of a message as Slack stores them, with ids filled in.

    Raises SlackError: `invalid_blocks_format`, `invalid_blocks`, `msg_blocks_too_long`,
    `only_one_table_allowed`.
    """
    if not isinstance(value, list):
        raise SlackError("invalid_blocks_format")
    findings = _findings(value, "message", "/blocks", shows)
    if findings:
        raise SlackError("invalid_blocks", findings=findings)
    tables = [block for block in value if block["type"] == "table"]
    if len(tables) > 1:
        raise SlackError("only_one_table_allowed")
    if sum(_characters(block) for block in value) > MOST_MESSAGE_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    return _with_ids(value)


def view(value: Any, expected: str, shows: Shows = NOTHING) -> dict[str, Any]:
    """A view as Slack stores it, with ids filled in; `expected` is `modal` or `home`.

    Raises SlackError: `invalid_arguments` with its findings, `view_too_large`.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise SlackError(
                "invalid_arguments", findings=[finding("must be valid JSON", "/view")]
            ) from None
    if not isinstance(value, dict):
        raise SlackError("invalid_arguments", findings=[finding("must provide an object", "/view")])
    if len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) > MOST_VIEW_BYTES:
        raise SlackError("view_too_large")
    kind = value.get("type")
    findings: Findings = []
    if kind != expected:
        findings.append(finding(f"unsupported type: {kind}", "/view/type"))
    else:
        _VIEWS[expected](value, "/view", findings)
        if isinstance(value.get("blocks"), list):
            surface: Surface = "modal" if expected == "modal" else "home"
            findings += _findings(value["blocks"], surface, "/view/blocks", shows)
        elif value.get("blocks") is not None:
            findings.append(finding("must provide an array", "/view/blocks"))
    if not findings and expected == "modal" and value.get("submit") is None:
        inputs = [one for one in value["blocks"] if one["type"] == "input"]
        if inputs:
            findings.append(
                finding("missing required field: submit (the view has input blocks)", "/view")
            )
    if findings:
        raise SlackError("invalid_arguments", findings=findings)
    sound = {key: one for key, one in value.items() if one is not None}
    sound["blocks"] = _with_ids(value["blocks"])
    return sound


def _findings(blocks: list[Any], surface: Surface, pointer: str, shows: Shows) -> Findings:
    findings: Findings = []
    most = MOST_BLOCKS[surface]
    if len(blocks) > most:
        return [finding(f"no more than {most} items allowed", pointer)]
    for index, block in enumerate(blocks):
        _check_block(block, surface, f"{pointer}/{index}", findings)
    if not findings:
        _unique_ids(blocks, pointer, findings)
        _totals(blocks, pointer, findings)
        _files(blocks, pointer, findings, shows)
        _focus(blocks, pointer, findings)
    return findings


def _check_block(block: Any, surface: Surface, pointer: str, findings: Findings) -> None:
    if not isinstance(block, dict):
        findings.append(finding("must provide an object", pointer))
        return
    kind = block.get("type")
    if kind is None:
        findings.append(finding("missing required field: type", pointer))
    elif isinstance(kind, str) and kind in BLOCKS:
        surfaces, check = BLOCKS[kind]
        if surface not in surfaces:
            findings.append(
                finding(f"unsupported type: {kind} (not in a {surface})", f"{pointer}/type")
            )
        else:
            check(block, pointer, findings)
            part = block.get("element")
            name = part.get("type") if isinstance(part, dict) else None
            if surface != "modal" and name in MODAL_ONLY:
                text = f"unsupported type: {name} (not in a {surface})"
                findings.append(finding(text, f"{pointer}/element/type"))
    else:
        findings.append(unsupported(kind, pointer))


def _unique_ids(blocks: list[dict[str, Any]], pointer: str, findings: Findings) -> None:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id is None:
            continue
        if block_id in seen:
            findings.append(
                finding(f"`block_id` already exists: {block_id}", f"{pointer}/{index}/block_id")
            )
        seen.add(block_id)
    actions: set[tuple[int, str]] = set()
    for block, part in elements(blocks):
        action_id = part.get("action_id")
        if action_id is None:
            continue
        key = (id(block), action_id)
        if key in actions:
            place = next(index for index, one in enumerate(blocks) if one is block)
            findings.append(
                finding(f"`action_id` already exists: {action_id}", f"{pointer}/{place}/elements")
            )
        actions.add(key)


def _totals(blocks: list[dict[str, Any]], pointer: str, findings: Findings) -> None:
    markdown = sum(len(one["text"]) for one in blocks if one["type"] == "markdown")
    if markdown > MOST_MARKDOWN_CHARACTERS:
        findings.append(
            finding(f"markdown blocks: no more than {MOST_MARKDOWN_CHARACTERS} characters", pointer)
        )
    charts = sum(one["type"] == "data_visualization" for one in blocks)
    if charts > MOST_CHARTS:
        findings.append(finding(f"no more than {MOST_CHARTS} data_visualization blocks", pointer))
    for index, block in enumerate(blocks):
        if block["type"] == "table" and _characters(block) > MOST_TABLE_CHARACTERS:
            findings.append(
                finding(
                    f"must be less than {MOST_TABLE_CHARACTERS + 1} characters",
                    f"{pointer}/{index}/rows",
                )
            )


def _files(blocks: list[dict[str, Any]], pointer: str, findings: Findings, shows: Shows) -> None:
    for index, block in enumerate(blocks):
        if block["type"] == "video" and not shows.video(block["video_url"]):
            place = f"{pointer}/{index}/video_url"
            findings.append(finding("must match an unfurl domain that the app may embed", place))
        places = {
            "": block,
            "/accessory": block.get("accessory"),
            **{f"/elements/{n}": one for n, one in enumerate(block.get("elements") or ())},
        }
        for place, part in places.items():
            file = part.get("slack_file") if isinstance(part, dict) else None
            if file and not shows.file(file):
                findings.append(
                    finding("invalid slack file", f"{pointer}/{index}{place}/slack_file")
                )


def _focus(blocks: list[dict[str, Any]], pointer: str, findings: Findings) -> None:
    if sum(bool(part.get("focus_on_load")) for _, part in elements(blocks)) > 1:
        findings.append(finding("only one element can have focus_on_load", pointer))


def _characters(value: Any) -> int:
    """How many characters of text something shows."""
    if isinstance(value, dict):
        return sum(
            len(one) if key == "text" and isinstance(one, str) else _characters(one)
            for key, one in value.items()
        )
    if isinstance(value, list):
        return sum(_characters(one) for one in value)
    return 0


def _with_ids(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same blocks with the ids that Slack makes up where the app gave none."""
    kept: list[dict[str, Any]] = json.loads(json.dumps(blocks))
    for block in kept:
        if block.get("block_id") is None:
            block["block_id"] = _made_up()
    for _, part in elements(kept):
        if part["type"] != "image" and part.get("action_id") is None:
            part["action_id"] = _made_up()
    return kept


def _made_up() -> str:
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(5))
