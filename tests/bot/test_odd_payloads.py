"""Signed payloads with values that Slack's client never offered: refused in words, whatever the button or window."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot import app
from sandbox.outgoing.delivery import signed_headers
from tests.conftest import fresh_url
from tests.stories.office import TIM, Office, opened

pytestmark = pytest.mark.slow

FORM = "application/x-www-form-urlencoded"
ODD = ("", "nonsense", "1:1", "9" * 30, '{"a": 1}', "½")
"""Values and metadata that no message or window of ours holds."""


@pytest.fixture(scope="module")
def office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    work = tmp_path_factory.mktemp("odd")
    with opened(fresh_url("sqlite", request, work), work) as running:
        running.project("triage", "Ticket triage")
        yield running


def send(office: Office, payload: dict[str, Any]) -> httpx.Response:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    secret = office.bot.deps.settings.slack_signing_secret
    assert secret is not None
    headers = signed_headers(secret.get_secret_value(), body, FORM)
    return httpx.post(
        f"{office.base_url}/slack/events",
        content=body,
        headers=headers,
        trust_env=False,
        timeout=30,
    )


def person() -> dict[str, Any]:
    return {
        "user": {"id": TIM, "team_id": "T0ACME"},
        "team": {"id": "T0ACME", "domain": "acme"},
        "api_app_id": "A0MLGOV",
        "token": "x",
    }


def view(metadata: str, values: dict[str, Any], callback: str) -> dict[str, Any]:
    return {
        "id": "V0ODD",
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "state": {"values": values},
        "blocks": [],
        "hash": "1.a",
        "root_view_id": "V0ODD",
    }


def nothing_broke(caplog: pytest.LogCaptureFixture) -> None:
    broken = [r.getMessage() for r in caplog.records if "broke" in r.getMessage()]
    assert not broken, broken[0][-2500:]


@pytest.mark.parametrize("action_id", sorted(app.build_router().actions))
def test_a_button_with_an_odd_value(
    office: Office, caplog: pytest.LogCaptureFixture, action_id: str
) -> None:
    caplog.set_level(logging.ERROR)
    for value in ODD:
        answer = send(
            office,
            person()
            | {
                "type": "block_actions",
                "trigger_id": "1.2.odd",
                "container": {"type": "message", "channel_id": "C0TRIAGE", "message_ts": "1.2"},
                "channel": {"id": "C0TRIAGE"},
                "actions": [
                    {"action_id": action_id, "block_id": "b", "type": "button", "value": value}
                ],
            },
        )
        assert answer.status_code == 200
    nothing_broke(caplog)


@pytest.mark.parametrize("action_id", sorted(app.build_router().actions))
def test_the_same_in_a_window(
    office: Office, caplog: pytest.LogCaptureFixture, action_id: str
) -> None:
    caplog.set_level(logging.ERROR)
    for value in ODD:
        answer = send(
            office,
            person()
            | {
                "type": "block_actions",
                "trigger_id": "1.2.odd",
                "view": view(value, {}, "odd"),
                "container": {"type": "view", "view_id": "V0ODD"},
                "actions": [
                    {
                        "action_id": action_id,
                        "block_id": "b",
                        "type": "static_select",
                        "selected_option": {"value": value},
                    }
                ],
            },
        )
        assert answer.status_code == 200
    nothing_broke(caplog)


@pytest.mark.parametrize("callback_id", sorted(app.build_router().submissions))
def test_a_window_with_odd_metadata_and_answers(
    office: Office, caplog: pytest.LogCaptureFixture, callback_id: str
) -> None:
    caplog.set_level(logging.ERROR)
    names = (
        "verdict",
        "reason",
        "amount",
        "kind",
        "exposure",
        "use",
        "eu",
        "lasts",
        "due",
        "owner",
        "project",
    )
    for value in ODD:
        for values in ({}, {name: {"x": {"value": value}} for name in names}):
            answer = send(
                office,
                person() | {"type": "view_submission", "view": view(value, values, callback_id)},
            )
            assert answer.status_code == 200
    nothing_broke(caplog)


def test_an_interaction_without_a_trigger(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    for action_id in sorted(app.build_router().actions):
        answer = send(
            office,
            person()
            | {
                "type": "block_actions",
                "channel": {"id": "C0TRIAGE"},
                "actions": [
                    {"action_id": action_id, "block_id": "b", "type": "button", "value": "1:1"}
                ],
            },
        )
        assert answer.status_code in (200, 400)
    nothing_broke(caplog)
