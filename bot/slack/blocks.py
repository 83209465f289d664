"""Typed helpers for Block Kit: every text that comes from people or files passes `escape` or `plain`, and a limit.

Limits are Slack's (`docs.slack.dev/reference/block-kit`); a longer text is cut with an ellipsis, never refused.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from workflows import wording
from workflows.sources.text import visible

# The words for figures are those of the whole house; views and messages find them here beside the helpers for blocks.
counted, day, instant = wording.counted, wording.day, wording.instant
money, percent, span, spent = (wording.money, wording.percent, wording.span, wording.spent)

Block = dict[str, Any]
Element = dict[str, Any]

SECTION = 3000
FIELD = 2000
HEADER = 150
BUTTON = 75
OPTION = 75
TITLE = 24
MESSAGE_BLOCKS, VIEW_BLOCKS, SELECT_OPTIONS = 50, 100, 100

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ufeff]")
_DIRECTION = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"\s+")
_MARKS = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Look-alikes: Slack has no escape for its emphasis marks. An underscore within a word is none."""


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis when something was left out."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    while kept and (unicodedata.combining(kept[-1]) or kept[-1] in "\u200d\ufe0f"):
        kept = kept[:-1]
    return kept.rstrip() + "…"


def clean(text: str) -> str:
    """Foreign text without characters that reorder or hide what surrounds it."""
    return visible(_DIRECTION.sub("", _CONTROL.sub("", text)))


def clean_lines(text: str) -> str:
    """Foreign text of several lines, each as `clean` makes it."""
    return "\n".join(clean(line) for line in text.splitlines())


def plain(text: str, limit: int = 150) -> str:
    """Foreign text on one line, for `plain_text` objects: shown as it is, never interpreted."""
    return cut(_SPACE.sub(" ", clean(text)).strip(), limit) or "—"


def escape(text: str, limit: int = 300) -> str:
    """Foreign text for mrkdwn: cannot ping, link, or change how the words around it look."""
    short = _UNDERSCORE.sub("ˍ", plain(text, limit).translate(_MARKS))
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def harmless(text: str) -> str:
    """Our own mrkdwn with foreign words in it: keeps its marks, but nothing in it pings or links."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quote(text: str, limit: int = 600) -> str:
    """Words of a person, in quotation marks, for mrkdwn."""
    return f"“{escape(text, limit)}”"


def mention(slack_id: str | None, name: str) -> str:
    """A person as Slack shows them; the escaped name of someone who has no Slack id any more."""
    return f"<@{slack_id}>" if slack_id else escape(name, 80)


def when(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """An instant in each reader's own zone by Slack's date syntax, with a fallback in `zone` for other places."""
    fallback = instant(moment, zone)
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def section(text: str, *, block_id: str | None = None, accessory: Element | None = None) -> Block:
    """A paragraph of mrkdwn whose foreign parts are escaped already."""
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}
    if block_id:
        block["block_id"] = block_id
    if accessory:
        block["accessory"] = accessory
    return block


def sections(lines: Iterable[str], limit: int = 2800) -> list[Block]:
    """Lines of mrkdwn in as few sections as hold them whole."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + len(line) < limit:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return [section(one) for one in texts]


def fields(texts: Sequence[str], *, block_id: str | None = None) -> Block:
    """Up to ten short facts in two columns, mrkdwn."""
    block: Block = {
        "type": "section",
        "fields": [{"type": "mrkdwn", "text": cut(text, FIELD)} for text in texts[:10]],
    }
    if block_id:
        block["block_id"] = block_id
    return block


def context(*texts: str) -> Block:
    """Small print: facts about the message itself, mrkdwn."""
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": cut(text, FIELD)} for text in texts[:10]],
    }


def header(text: str) -> Block:
    """A heading, plain text."""
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": plain(text, HEADER), "emoji": True},
    }


def divider() -> Block:
    """A line between different things."""
    return {"type": "divider"}


def button(
    label: str,
    action_id: str,
    value: str,
    *,
    style: str | None = None,
    confirm: Element | None = None,
    hint: str = "",
) -> Element:
    """A button. `value` carries ids and the revision that was shown (`42:3`), never data to be trusted."""
    element: Element = {
        "type": "button",
        "text": {"type": "plain_text", "text": plain(label, BUTTON), "emoji": True},
        "action_id": action_id,
        "value": value,
    }
    if style:
        element["style"] = style
    if confirm:
        element["confirm"] = confirm
    if hint:
        element["accessibility_label"] = plain(hint, BUTTON)
    return element


def confirm(
    title: str, text: str, *, yes: str, no: str = "Cancel", danger: bool = False
) -> Element:
    """A question before a button acts."""
    element: Element = {
        "title": {"type": "plain_text", "text": plain(title, 100)},
        "text": {"type": "plain_text", "text": plain(text, 300)},
        "confirm": {"type": "plain_text", "text": plain(yes, 30)},
        "deny": {"type": "plain_text", "text": plain(no, 30)},
    }
    if danger:
        element["style"] = "danger"
    return element


def actions(elements: Iterable[Element], *, block_id: str | None = None) -> Block:
    """A row of buttons. More than three belong behind an overflow menu."""
    block: Block = {"type": "actions", "elements": list(elements)[:25]}
    if block_id:
        block["block_id"] = block_id
    return block


def option(text: str, value: str) -> Element:
    """One choice of a menu or of radio buttons."""
    return {
        "text": {"type": "plain_text", "text": plain(text, OPTION), "emoji": True},
        "value": value,
    }


def select(
    action_id: str, options: Sequence[Element], *, placeholder: str, initial: Element | None = None
) -> Element:
    """A menu of at most 100 choices."""
    element: Element = {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": plain(placeholder, 150)},
        "options": list(options)[:SELECT_OPTIONS],
    }
    if initial:
        element["initial_option"] = initial
    return element


def search_select(action_id: str, *, placeholder: str, initial: Element | None = None) -> Element:
    """A menu whose options are looked up while somebody types; opened, it shows the first hundred."""
    element: Element = {
        "type": "external_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": plain(placeholder, 150)},
        "min_query_length": 0,
    }
    if initial:
        element["initial_option"] = initial
    return element


def multi_search_select(
    action_id: str, *, placeholder: str, initial: Sequence[Element] = ()
) -> Element:
    """As `search_select`, for several."""
    element = search_select(action_id, placeholder=placeholder)
    element["type"] = "multi_external_select"
    if initial:
        element["initial_options"] = list(initial)[:SELECT_OPTIONS]
    return element


def overflow(action_id: str, options: Sequence[Element]) -> Element:
    """A menu behind three dots: what stands back behind the buttons, at most five choices."""
    return {"type": "overflow", "action_id": action_id, "options": list(options)[:5]}


def choices(action_id: str, options: Sequence[Element], *, placeholder: str) -> Element:
    """A menu in which several of at most 100 choices can be picked."""
    return {
        "type": "multi_static_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": plain(placeholder, 150)},
        "options": list(options)[:SELECT_OPTIONS],
    }


def date_picker(action_id: str, *, initial: date | None = None) -> Element:
    """A calendar to pick a day from."""
    element: Element = {"type": "datepicker", "action_id": action_id}
    if initial:
        element["initial_date"] = initial.isoformat()
    return element


def person_picker(action_id: str, *, placeholder: str, initial: str | None = None) -> Element:
    """A menu of everybody in the workspace; what is picked is a Slack id."""
    element: Element = {
        "type": "users_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": plain(placeholder, 150)},
    }
    if initial:
        element["initial_user"] = initial
    return element


def channel_picker(action_id: str, *, placeholder: str) -> Element:
    """A menu of the public channels; what is picked is a Slack id."""
    return {
        "type": "channels_select",
        "action_id": action_id,
        "placeholder": {"type": "plain_text", "text": plain(placeholder, 150)},
    }


def checkboxes(action_id: str, options: Sequence[Element]) -> Element:
    """Boxes to tick, at most ten."""
    return {"type": "checkboxes", "action_id": action_id, "options": list(options)[:10]}


def radio(action_id: str, options: Sequence[Element], *, initial: Element | None = None) -> Element:
    """Radio buttons, at most ten."""
    element: Element = {
        "type": "radio_buttons",
        "action_id": action_id,
        "options": list(options)[:10],
    }
    if initial:
        element["initial_option"] = initial
    return element


def text_input(
    action_id: str,
    *,
    multiline: bool = False,
    initial: str = "",
    placeholder: str = "",
    min_length: int | None = None,
    max_length: int = 3000,
) -> Element:
    """A text field."""
    element: Element = {
        "type": "plain_text_input",
        "action_id": action_id,
        "multiline": multiline,
        "max_length": max_length,
    }
    if initial:
        element["initial_value"] = cut(initial, max_length)
    if placeholder:
        element["placeholder"] = {"type": "plain_text", "text": plain(placeholder, 150)}
    if min_length:
        element["min_length"] = min_length
    return element


def file_input(action_id: str) -> Element:
    """A field into which one file is put; what is entered is the id of Slack's file."""
    return {"type": "file_input", "action_id": action_id, "max_files": 1}


def input_(
    label: str,
    element: Element,
    *,
    block_id: str,
    hint: str = "",
    optional: bool = False,
    dispatch: bool = False,
) -> Block:
    """A labelled input of a modal; field errors name its `block_id`. With `dispatch` each choice is told at once."""
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": {"type": "plain_text", "text": plain(label, 200)},
        "element": element,
        "optional": optional,
    }
    if hint:
        block["hint"] = {"type": "plain_text", "text": plain(hint, 300)}
    if dispatch:
        block["dispatch_action"] = True
    return block


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str,
    submit: str | None = None,
    close: str = "Cancel",
    metadata: str = "",
) -> Block:
    """A modal view. `metadata` carries ids from opening to submission."""
    view: Block = {
        "type": "modal",
        "callback_id": callback_id,
        "title": {"type": "plain_text", "text": plain(title, TITLE)},
        "close": {"type": "plain_text", "text": plain(close, TITLE)},
        "blocks": list(blocks)[:VIEW_BLOCKS],
        "private_metadata": metadata,
    }
    if submit:
        view["submit"] = {"type": "plain_text", "text": plain(submit, TITLE)}
    return view


def home(blocks: Sequence[Block]) -> Block:
    """An App Home view."""
    return {"type": "home", "blocks": list(blocks)[:VIEW_BLOCKS]}


_NAMES_SHOWN = 3


def join_names(names: list[str], limit: int = 60) -> str:
    """`A`, `A and B`, `A, B and 4 others`, for mrkdwn."""
    shown_names = [escape(name, limit) for name in names]
    if len(shown_names) > _NAMES_SHOWN:
        shown_names = [
            *shown_names[: _NAMES_SHOWN - 1],
            f"{len(shown_names) - _NAMES_SHOWN + 1} others",
        ]
    return (
        " and ".join(filter(None, [", ".join(shown_names[:-1]), shown_names[-1]]))
        if shown_names
        else ""
    )
