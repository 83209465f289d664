"""The layout blocks of Block Kit, and on which surfaces each may stand."""

from typing import Any, Literal

from sandbox.blocks.elements import (
    ID,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    SLACK_FILE,
    element,
)
from sandbox.blocks.rich_text import RICH_TEXT_CELL, RICH_TEXT_FIELDS
from sandbox.blocks.spec import (
    Check,
    Findings,
    array,
    boolean,
    exactly_one,
    finding,
    number,
    one_of,
    plain_text,
    record,
    string,
    text_object,
    typed,
    url,
)

Surface = Literal["message", "modal", "home"]
_KIND = string()
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
        "raw_text": record({"type": _KIND, "text": string()}),
        "raw_number": record({"type": _KIND, "value": number}, {"text": string()}),
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


_POINT = record({"label": string(20, least=1), "value": number})
_CHART_WITH_AXES = record(
    {
        "type": _KIND,
        "series": array(
            record({"name": string(20, least=1), "data": array(_POINT, least=1, most=20)}),
            least=1,
            most=6,
        ),
        "axis_config": record(
            {"categories": array(string(20, least=1), least=1, most=20)},
            {"x_label": string(50), "y_label": string(50)},
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
    "data_visualization": (_MESSAGES, _block({"title": string(50, least=1), "chart": _CHART}, {})),
    "divider": (_EVERYWHERE, _block({}, {})),
    "header": (_EVERYWHERE, _block({"text": plain_text(150)}, {})),
    "image": (
        _EVERYWHERE,
        _block(
            {"alt_text": string(2000, least=1)},
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
    "markdown": (_MESSAGES, _block({"text": string(12_000, least=1)}, {})),
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
                "alt_text": string(2000, least=1),
                "title": plain_text(200),
                "thumbnail_url": url(3000),
                "video_url": url(3000),
            },
            {
                "author_name": string(50),
                "description": plain_text(200),
                "provider_icon_url": url(3000),
                "provider_name": string(50),
                "title_url": url(3000),
            },
        ),
    ),
}
