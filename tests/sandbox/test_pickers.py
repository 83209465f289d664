"""Pickers hold and give what Slack's do."""

from typing import Any

import pytest

from sandbox.blocks import layout, state
from sandbox.errors import SlackError


def held_by(element: dict[str, Any], entered: Any) -> Any:
    """The state object for an entry."""
    return state.state_for(element | {"action_id": "it"}, entered)


@pytest.mark.parametrize(
    ("kind", "key", "good", "bad"),
    [
        (
            "datepicker",
            "selected_date",
            "2026-02-28",
            ["2026-02-30", "20260228", "2026-W09-6", "28.2.2026", "tomorrow"],
        ),
        ("timepicker", "selected_time", "09:05", ["9:05", "24:00", "09:60", "noon"]),
        ("datetimepicker", "selected_date_time", 1_769_590_800, [5, 10**10]),
    ],
)
def test_a_picker_gives_only_what_slacks_can(
    kind: str, key: str, good: Any, bad: list[Any]
) -> None:
    element = {"type": kind}
    assert held_by(element, good) == {"type": kind, key: good}
    assert held_by(element, {"type": kind, key: good}) == {"type": kind, key: good}
    assert held_by(element, {"type": kind, key: None}) == {"type": kind, key: None}
    assert held_by(element, None) == {"type": kind, key: None}
    for value in bad:
        with pytest.raises(ValueError, match=kind):
            held_by(element, value)
        with pytest.raises(ValueError, match=kind):
            held_by(element, {"type": kind, key: value})


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ({"type": "datepicker", "initial_date": "20260228"}, "must be a valid date"),
        ({"type": "timepicker", "initial_time": "9:00"}, "must be a valid time"),
        ({"type": "timepicker", "timezone": "Mars/Base"}, "must be a valid IANA time zone"),
        ({"type": "datetimepicker", "initial_date_time": 5}, "must be greater"),
        ({"type": "datetimepicker", "initial_date_time": "1769590800"}, "must provide an integer"),
    ],
)
def test_what_a_picker_cannot_begin_with(element: dict[str, Any], words: str) -> None:
    with pytest.raises(SlackError) as raised:
        layout.message_blocks([{"type": "actions", "elements": [element]}])
    assert words in raised.value.findings[0]


def test_a_time_is_told_with_its_zone() -> None:
    element = {"type": "timepicker", "timezone": "Asia/Kathmandu", "action_id": "it"}
    block = {"type": "actions", "block_id": "b", "elements": [element]}
    zone = {"timezone": "Asia/Kathmandu"}
    first = state.initial_values([block])["b"]["it"]
    assert first == {"type": "timepicker", "selected_time": None} | zone
    assert state.is_empty(first)
    assert held_by(element, "09:00")["timezone"] == "Asia/Kathmandu"


def test_an_instant_stands_in_no_section() -> None:
    words = {"type": "plain_text", "text": "When"}
    section = {"type": "section", "text": words, "accessory": {"type": "datetimepicker"}}
    with pytest.raises(SlackError, match="unsupported type: datetimepicker"):
        layout.message_blocks([section])
