"""Rich text: what Slack's own editor writes."""

from sandbox.blocks.spec import Check, array, boolean, integer, one_of, record, string, typed, url

_KIND = string()
_STYLE = record(
    optional=dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean)
)  # fmt: skip


def _inline(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return record({"type": _KIND} | required, {"style": _STYLE} | (optional or {}))


_INLINE = typed(
    {
        "text": _inline({"text": string(least=1)}),
        "link": _inline({"url": url(3000)}, {"text": string(), "unsafe": boolean}),
        "emoji": _inline(
            {"name": string(least=1)}, {"unicode": string(), "skin_tone": integer(1, 6)}
        ),
        "user": _inline({"user_id": string(least=1)}),
        "usergroup": _inline({"usergroup_id": string(least=1)}),
        "channel": _inline({"channel_id": string(least=1)}),
        "broadcast": _inline({"range": one_of("here", "channel", "everyone")}),
        "date": _inline(
            {"timestamp": integer(), "format": string(least=1)},
            {"url": url(3000), "fallback": string()},
        ),
        "color": _inline({"value": string(least=1)}),
    }
)
_SECTION = record({"type": _KIND, "elements": array(_INLINE)})
_PARTS = {
    "rich_text_section": _SECTION,
    "rich_text_quote": record(
        {"type": _KIND, "elements": array(_INLINE)}, {"border": integer(0, 1)}
    ),
    "rich_text_preformatted": record(
        {"type": _KIND, "elements": array(_INLINE)}, {"border": integer(0, 1), "language": string()}
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
