"""What a test can make go wrong."""

import http.client
import time
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import Faults, Sandbox
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import client_of
from tests.sandbox.test_web_api import refused

pytestmark = pytest.mark.slow

LOST = (http.client.RemoteDisconnected, ConnectionResetError, urllib.error.URLError)


def texts(sandbox: Sandbox) -> list[str]:
    """What stands in #general."""
    return [one.text for one in sandbox.seat("U0ANA").messages("C0GENERAL")]


def test_an_answer_is_lost_after_the_message_was_posted(
    sandbox: Sandbox, client: WebClient
) -> None:
    sandbox.faults.lose_answer("chat.postMessage", count=1)
    with pytest.raises(LOST):
        client.chat_postMessage(channel="C0GENERAL", text="a")
    assert texts(sandbox) == ["a"]
    client.chat_postMessage(channel="C0GENERAL", text="b")
    assert texts(sandbox) == ["a", "b"]
    assert sandbox.inspector.calls("chat.postMessage")[0].note == "lose_answer"


def test_http_errors_before_and_after(sandbox: Sandbox, client: WebClient) -> None:
    sandbox.faults.fail_before("chat.postMessage", count=1, status=503)
    with pytest.raises(SlackApiError) as raised:
        client.chat_postMessage(channel="C0GENERAL", text="a")
    assert raised.value.response.status_code == 503
    assert texts(sandbox) == []
    sandbox.faults.fail_after("chat.postMessage", count=1)
    with pytest.raises(SlackApiError) as raised:
        client.chat_postMessage(channel="C0GENERAL", text="b")
    assert raised.value.response.status_code == 500
    assert texts(sandbox) == ["b"]


def test_a_slow_answer_and_a_late_acceptance(sandbox: Sandbox) -> None:
    sandbox.faults.slow("chat.postMessage", seconds=0.3, count=1)
    started = time.monotonic()
    client_of(sandbox).chat_postMessage(channel="C0GENERAL", text="slow")
    assert time.monotonic() - started >= 0.3
    sandbox.faults.accept_late("chat.postMessage", seconds=0.3, count=1)
    with pytest.raises(TimeoutError):
        client_of(sandbox, timeout=0.3).chat_postMessage(channel="C0GENERAL", text="late")
    assert texts(sandbox) == ["slow"]
    deadline = time.monotonic() + 3
    while texts(sandbox) != ["slow", "late"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert texts(sandbox) == ["slow", "late"]


def test_an_ordered_refusal_and_an_ordered_limit(sandbox: Sandbox, client: WebClient) -> None:
    sandbox.faults.refuse("chat.postMessage", error="internal_error", count=1)
    assert refused(client.chat_postMessage, channel="C0GENERAL", text="a") == "internal_error"
    sandbox.faults.rate_limit("*", retry_after=7, count=1)
    with pytest.raises(SlackApiError) as raised:
        client.users_info(user="U0ANA")
    assert raised.value.response.headers["retry-after"] == "7"
    assert texts(sandbox) == []


def test_history_lags(sandbox: Sandbox, client: WebClient) -> None:
    sandbox.faults.history_lag = 0.2
    ts = client.chat_postMessage(channel="C0GENERAL", text="a")["ts"]
    assert client.conversations_history(channel="C0GENERAL")["messages"] == []
    client.chat_postMessage(channel="C0GENERAL", text="b", thread_ts=ts)
    assert client.conversations_replies(channel="C0GENERAL", ts=ts)["messages"] == []
    time.sleep(0.25)
    assert len(client.conversations_history(channel="C0GENERAL")["messages"]) == 1
    assert len(client.conversations_replies(channel="C0GENERAL", ts=ts)["messages"]) == 2


def test_a_client_msg_id_dedupes_only_when_told_to(sandbox: Sandbox, client: WebClient) -> None:
    def post() -> str:
        return str(client.chat_postMessage(channel="C0GENERAL", text="a", client_msg_id="x")["ts"])

    assert post() != post()
    sandbox.faults.dedupe_client_msg_id = True
    assert post() == post()
    assert len(texts(sandbox)) == 2


def test_luck_is_seeded_and_faults_are_cleared() -> None:
    def lucky(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.lose_answer("*", probability=0.5)
        return [faults.draw("users.list", "lose_answer") is not None for _ in range(40)]

    assert lucky(1) == lucky(1)
    assert lucky(1) != lucky(2)
    assert 5 < sum(lucky(1)) < 35
    faults = Faults()
    faults.slow(seconds=1)
    faults.revoke_token()
    assert [str(order) for order in faults.orders()] == ["slow * (always)"]
    faults.clear()
    assert faults.orders() == []
    assert not faults.token_revoked
    with pytest.raises(ValueError, match="between 0 and 1"):
        faults.lose_answer(probability=2)


@pytest.fixture
def http_app(sandbox: Sandbox) -> Iterator[HttpApp]:
    """An app that acknowledges everything."""
    app = bolt_app(sandbox)

    @app.command("/helper")
    def helper(ack: Any) -> None:
        ack()

    @app.event("user_change")
    def change() -> None:
        pass

    served = HttpApp(app)
    sandbox.deliver_to(served.url)
    yield served
    sandbox.deliver_to(None)
    served.stop()


def test_payloads_and_events_are_delivered_twice(sandbox: Sandbox, http_app: HttpApp) -> None:
    sandbox.faults.duplicate_delivery("slash_commands", count=1)
    assert sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL").ok
    assert len(http_app.seen) == 2
    assert http_app.seen[0][1] == http_app.seen[1][1]
    sandbox.faults.duplicate_delivery("user_change", count=1)
    sandbox.world.update_user("U0BOB", title="x")
    assert sandbox.wait_idle()
    assert len(http_app.seen) == 4


def test_events_need_their_scope(sandbox: Sandbox, http_app: HttpApp) -> None:
    sandbox.faults.withhold_scope("users:read")
    sandbox.world.update_user("U0BOB", title="x")
    assert sandbox.wait_idle()
    assert http_app.seen == []
