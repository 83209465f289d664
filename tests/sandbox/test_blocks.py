"""Block Kit is taken and refused as Slack takes and refuses it."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.blocks import layout
from sandbox.errors import SlackError

Block = dict[str, Any]


def plain(text: str = "t") -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "t") -> Block:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "t", **more: Any) -> Block:
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str | None = None, **more: Any) -> Block:
    made = {"type": "button", "text": plain(), **more}
    return made | {"action_id": action_id} if action_id else made


def actions(*elements: Block, **more: Any) -> Block:
    return {"type": "actions", "elements": list(elements), **more}


def select(options: int, **more: Any) -> Block:
    return {
        "type": "static_select",
        "options": [{"text": plain(), "value": str(n)} for n in range(options)],
        **more,
    }


def field(element: Block, **more: Any) -> Block:
    return {"type": "input", "label": plain(), "element": element, **more}


def modal(*blocks: Block, **more: Any) -> Block:
    return {
        "type": "modal",
        "title": plain("T"),
        "submit": plain("Send"),
        "blocks": list(blocks),
        **more,
    }


def chart(points: int = 1, series: int = 1) -> Block:
    labels = [f"l{n}" for n in range(points)]
    return {
        "type": "data_visualization",
        "title": "Spend",
        "chart": {
            "type": "bar",
            "series": [
                {"name": f"s{n}", "data": [{"label": one, "value": 1.5} for one in labels]}
                for n in range(series)
            ],
            "axis_config": {"categories": labels},
        },
    }


def table(rows: int = 1, cells: int = 1, text: str = "x") -> Block:
    return {
        "type": "table",
        "rows": [[{"type": "raw_text", "text": text}] * cells for _ in range(rows)],
    }


def rich(*elements: Block) -> Block:
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": list(elements)}],
    }


SOUND: list[Block] = [
    section("x" * 3000),
    section("t", accessory=button("a", style="danger", value="v" * 2000)),
    {"type": "section", "fields": [mrkdwn("x" * 2000)] * 3},
    section("t", accessory=select(100, action_id="s")),
    {"type": "header", "text": plain("x" * 150)},
    {"type": "divider", "block_id": "d"},
    {"type": "context", "elements": [mrkdwn()] * 10},
    {"type": "image", "alt_text": "a", "image_url": "https://example.com/a.png"},
    actions(*[button(f"b{n}") for n in range(25)]),
    actions({"type": "overflow", "options": [{"text": plain(), "value": "1"}]}),
    actions({"type": "datepicker", "initial_date": "2026-01-31"}),
    actions({"type": "timepicker", "initial_time": "23:59"}),
    actions({"type": "users_select"}, {"type": "conversations_select"}),
    actions({"type": "radio_buttons", "options": [{"text": mrkdwn(), "value": "1"}]}),
    field({"type": "plain_text_input", "max_length": 3000, "multiline": True}),
    field({"type": "number_input", "is_decimal_allowed": True, "min_value": "0.5"}),
    {"type": "markdown", "text": "**b**"},
    chart(20, 6),
    table(100, 20, "x"),
    rich({"type": "text", "text": "t", "style": {"bold": True}}, {"type": "user", "user_id": "U1"}),
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "t"}]}
                ],
            }
        ],
    },
    actions(
        button(
            "a",
            confirm={
                "title": plain("x" * 100),
                "text": mrkdwn("x" * 300),
                "confirm": plain("x" * 30),
                "deny": plain("No"),
                "style": "danger",
            },
        )
    ),
]


@pytest.mark.parametrize("block", SOUND, ids=lambda block: block["type"])
def test_sound_blocks_are_taken(block: Block) -> None:
    kept = layout.message_blocks([block])[0]
    assert kept["block_id"]
    assert kept["type"] == block["type"]


REFUSED: list[tuple[Block, str]] = [
    ({"type": "sektion"}, "unsupported type: sektion [json-pointer:/blocks/0/type]"),
    ({}, "missing required field: type [json-pointer:/blocks/0]"),
    (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    (section(colour="red"), "invalid additional property: colour [json-pointer:/blocks/0]"),
    ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
    (section(block_id="x" * 256), "must be less than 256 characters"),
    ({"type": "section", "fields": [mrkdwn()] * 11}, "no more than 10 items allowed"),
    ({"type": "section", "fields": [mrkdwn("x" * 2001)]}, "must be less than 2001 characters"),
    ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters"),
    ({"type": "header", "text": mrkdwn()}, "unsupported type: mrkdwn"),
    ({"type": "context", "elements": [mrkdwn()] * 11}, "no more than 10 items allowed"),
    ({"type": "context", "elements": [button("a")]}, "unsupported type: button"),
    (actions(), "no fewer than 1 items allowed"),
    (actions(*[button(f"b{n}") for n in range(26)]), "no more than 25 items allowed"),
    (actions(button("a"), button("a")), "`action_id` already exists: a"),
    (actions(button("a" * 256)), "must be less than 256 characters"),
    (actions(button("a", value="v" * 2001)), "must be less than 2001 characters"),
    (actions(button("a", style="default")), "must be a valid enum value: primary, danger"),
    (actions(button("a", url="not a url" * 400)), "must be less than 3001 characters"),
    (actions({"type": "button", "text": plain("x" * 76)}), "must be less than 76 characters"),
    (actions({"type": "button", "text": mrkdwn()}), "unsupported type: mrkdwn"),
    (actions(select(101)), "no more than 100 items allowed"),
    (actions(select(0)), "no fewer than 1 items allowed"),
    (actions({"type": "static_select"}), "must define either `options` or `option_groups`"),
    (
        actions(select(1, initial_option={"text": plain("other"), "value": "0"})),
        "initial option must match one of the options",
    ),
    (
        actions({"type": "radio_buttons", "options": [{"text": plain(), "value": "x" * 151}]}),
        "must be less than 151 characters",
    ),
    (actions({"type": "datepicker", "initial_date": "31.1.2026"}), "must be a valid date"),
    (actions({"type": "plain_text_input"}), "unsupported type: plain_text_input"),
    (field(button("a")), "unsupported type: button"),
    (field({"type": "plain_text_input", "max_length": 3001}), "less than or equal to 3000"),
    (field({"type": "plain_text_input"}, label=mrkdwn()), "unsupported type: mrkdwn"),
    ({"type": "image", "image_url": "https://example.com/a.png"}, "field: alt_text"),
    ({"type": "image", "alt_text": "a"}, "must define either `image_url` or `slack_file`"),
    (
        {"type": "image", "alt_text": "a", "slack_file": {"id": "F0NOBODY1", "url": "https://a.test"}},
        "must define either `id` or `url`",
    ),
    ({"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}}, "input must match regex pattern: ^[F][A-Z0-9]{8,}$ [json-pointer:/blocks/0/slack_file/id]"),
    ({"type": "image", "alt_text": "a", "slack_file": {"id": "F0NOBODY1"}}, "invalid slack file [json-pointer:/blocks/0/slack_file]"),
    (section(accessory={"type": "image", "alt_text": "a", "slack_file": {"id": "F0NOBODY1"}}), "invalid slack file [json-pointer:/blocks/0/accessory/slack_file]"),
    ({"type": "context", "elements": [mrkdwn(), {"type": "image", "alt_text": "a", "slack_file": {"id": "F0NOBODY1"}}]}, "invalid slack file [json-pointer:/blocks/0/elements/1/slack_file]"),
    ({"type": "alert", "text": mrkdwn()}, "unsupported type: alert (not in a message)"),
    (chart(21), "no more than 20 items allowed"),
    (chart(1, 7), "no more than 6 items allowed"),
    (table(101), "no more than 100 items allowed"),
    (table(1, 21), "no more than 20 items allowed"),
    (table(100, 20, "x" * 6), "must be less than 10001 characters"),
    ({"type": "markdown", "text": "x" * 12001}, "must be less than 12001 characters"),
    (rich({"type": "shout"}), "unsupported type: shout"),
    ({"type": "carousel"}, "unsupported type: carousel (Slack's, not the sandbox's)"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "finding"), REFUSED, ids=lambda one: str(one)[:40])
def test_refused_blocks_say_why_and_where(block: Block, finding: str) -> None:
    with pytest.raises(SlackError) as raised:
        layout.message_blocks([block])
    assert raised.value.code == "invalid_blocks"
    assert any(finding in one for one in raised.value.findings), raised.value.findings


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([section()] * 51, "invalid_blocks"),
        ([section(block_id="a"), section(block_id="a")], "invalid_blocks"),
        ([section("x" * 2900)] * 5, "msg_blocks_too_long"),
        ([table(), table()], "only_one_table_allowed"),
        ([chart()] * 3, "invalid_blocks"),
        ([{"type": "markdown", "text": "x" * 7000}] * 2, "invalid_blocks"),
        ({"type": "section"}, "invalid_blocks_format"),
        (["text"], "invalid_blocks"),
        ([None], "invalid_blocks"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_blocks_together(blocks: Any, error: str) -> None:
    with pytest.raises(SlackError) as raised:
        layout.message_blocks(blocks)
    assert raised.value.code == error


def test_fifty_blocks_are_taken_and_get_ids_of_their_own() -> None:
    kept = layout.message_blocks([actions(button(), button())] * 50)
    assert len({block["block_id"] for block in kept}) == 50
    assert len({one["action_id"] for one in kept[0]["elements"]}) == 2


@pytest.mark.parametrize(
    ("view", "finding"),
    [
        (modal(*[section()] * 101), "no more than 100 items allowed"),
        (modal(title=plain("x" * 25)), "must be less than 25 characters"),
        (modal(close=plain("x" * 25)), "must be less than 25 characters"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters"),
        (modal(callback_id="x" * 256), "must be less than 256 characters"),
        (modal(submit_disabled=True), "invalid additional property: submit_disabled"),
        (modal(id="V1"), "invalid additional property: id"),
        (modal(field({"type": "plain_text_input"}), submit=None), "missing required field: submit"),
        (modal(chart()), "unsupported type: data_visualization (not in a modal)"),
        (modal(table()), "unsupported type: table (not in a modal)"),
        (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown (not in a modal)"),
        (modal(section(block_id="a"), section(block_id="a")), "`block_id` already exists: a"),
        ({"type": "modal", "blocks": []}, "missing required field: title"),
        ({"type": "modal", "title": plain()}, "missing required field: blocks"),
        ({"type": "home", "blocks": []}, "unsupported type: home"),
        ("{broken", "must be valid JSON"),
        ([], "must provide an object"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_refused_modals(view: Any, finding: str) -> None:
    with pytest.raises(SlackError) as raised:
        layout.view(view, "modal")
    assert raised.value.code == "invalid_arguments"
    assert any(finding in one for one in raised.value.findings), raised.value.findings


def test_views_that_are_taken_and_one_that_is_too_large() -> None:
    assert layout.view(modal(*[section()] * 100), "modal")["blocks"][99]["block_id"]
    assert layout.view(modal({"type": "alert", "text": mrkdwn()}), "modal")["blocks"]
    assert layout.view({"type": "home", "blocks": [table()]}, "home")["type"] == "home"
    with pytest.raises(SlackError, match="unsupported type: data_visualization"):
        layout.view({"type": "home", "blocks": [chart()]}, "home")
    with pytest.raises(SlackError, match="invalid additional property: title"):
        layout.view({"type": "home", "title": plain(), "blocks": []}, "home")
    with pytest.raises(SlackError, match="view_too_large"):
        layout.view(modal(*[section("x" * 2600)] * 100), "modal")


def test_slacks_client_is_told_as_slack_tells_it(client: WebClient) -> None:
    with pytest.raises(SlackApiError) as raised:
        client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[section("x" * 3001)])
    finding = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    assert raised.value.response.data == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [finding],
        "response_metadata": {"messages": [f"[ERROR] {finding}"]},
    }
    with pytest.raises(SlackApiError, match="invalid_blocks_format"):
        client.chat_postMessage(channel="C0GENERAL", text="t", blocks="[{")
