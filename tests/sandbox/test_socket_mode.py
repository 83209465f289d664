"""An app in Socket Mode, with Slack's own built-in client."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sandbox import Sandbox
from tests.sandbox.apps import bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """The small company; an event is sent again after a second, when a socket may be back."""
    return make_sandbox(event_retries=(1.0, 1.0, 1.0))


@pytest.fixture
def app(sandbox: Sandbox) -> App:
    """A Bolt app for the sandbox."""
    return bolt_app(sandbox)


@pytest.fixture
def handler(sandbox: Sandbox, app: App) -> Iterator[SocketModeHandler]:
    """The app connected over a socket."""
    handler = SocketModeHandler(app, sandbox.app_token, ping_interval=0.1)
    handler.client.connect()
    assert sandbox.wait_for_socket()
    yield handler
    handler.client.close()


def wait_until(holds: Any, seconds: float = 20.0) -> bool:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_commands_modals_and_events(sandbox: Sandbox, app: App, handler: SocketModeHandler) -> None:
    @app.command("/helper")
    def helper(ack: Any, body: Any, client: Any) -> None:
        client.views_open(
            trigger_id=body["trigger_id"],
            view={
                "type": "modal",
                "callback_id": "form",
                "title": {"type": "plain_text", "text": "Form"},
                "submit": {"type": "plain_text", "text": "Send"},
                "blocks": [
                    {
                        "type": "input",
                        "block_id": "why",
                        "label": {"type": "plain_text", "text": "Why"},
                        "element": {"type": "plain_text_input", "action_id": "text"},
                    }
                ],
            },
        )
        ack("here you are")

    said: list[str] = []

    @app.event("message")
    def message(event: Any) -> None:
        said.append(event["text"])

    @app.view("form")
    def form(ack: Any, view: Any) -> None:
        if view["state"]["values"]["why"]["text"]["value"] == "no":
            ack(response_action="errors", errors={"why": "say yes"})
        else:
            ack()

    seat = sandbox.seat("U0ANA")
    assert seat.slash("/helper", "", "C0GENERAL").ok
    assert [one.text for one in seat.ephemerals()] == ["here you are"]
    view_id = seat.modals()[0].id
    assert seat.submit(view_id, {"why": {"text": "no"}}).errors == {"why": "say yes"}
    assert seat.submit(view_id, {"why": {"text": "yes"}}).ok
    assert seat.modals() == []
    seat.say(seat.dm().id, "hello")
    assert sandbox.wait_idle()
    assert said == ["hello"]


def test_an_event_that_is_not_acknowledged_comes_again(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(ack_seconds=0.2, event_retries=(0.01,))
    client = SocketModeClient(
        app_token=sandbox.app_token, web_client=WebClient(base_url=sandbox.api_url)
    )
    seen: list[tuple[int | None, str | None]] = []

    def listener(_: Any, request: Any) -> None:
        seen.append((request.retry_attempt, request.retry_reason))

    client.socket_mode_request_listeners.append(listener)
    client.connect()
    assert sandbox.wait_for_socket()
    sandbox.world.update_user("U0BOB", title="x")
    assert wait_until(lambda: len(seen) == 2)
    client.close()
    assert seen == [(0, ""), (1, "http_timeout")]


def test_a_refreshed_or_dropped_connection_comes_back(
    sandbox: Sandbox, app: App, handler: SocketModeHandler
) -> None:
    heard = threading.Event()

    @app.event("user_change")
    def change(event: Any) -> None:
        heard.set()

    first = handler.client.session_id()
    sandbox.refresh_sockets("warning")
    sandbox.refresh_sockets()
    assert wait_until(lambda: handler.client.session_id() != first)
    assert sandbox.wait_for_socket()
    second = handler.client.session_id()
    sandbox.drop_sockets()
    assert wait_until(lambda: handler.client.session_id() != second)
    assert sandbox.wait_for_socket()
    sandbox.world.update_user("U0BOB", title="x")
    assert heard.wait(20)


def test_a_payload_lost_with_the_socket_is_an_error_for_the_person_and_a_retry_for_an_event(
    sandbox: Sandbox, app: App, handler: SocketModeHandler
) -> None:
    heard: list[str] = []

    @app.event("user_change")
    def change(body: Any) -> None:
        heard.append(body["event_id"])

    sandbox.faults.drop_socket("slash_commands", after_delivery=False, count=1)
    outcome = sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL")
    assert outcome.error == "dispatch_failed"
    assert sandbox.wait_for_socket()
    sandbox.faults.drop_socket("user_change", after_delivery=False, count=1)
    sandbox.world.update_user("U0BOB", title="x")
    assert wait_until(lambda: sandbox.delivery.sockets.count == 1 and len(heard) == 1, 8)


def test_each_payload_goes_to_one_of_the_connections(sandbox: Sandbox) -> None:
    clients = [
        SocketModeClient(
            app_token=sandbox.app_token, web_client=WebClient(base_url=sandbox.api_url)
        )
        for _ in range(2)
    ]
    counts = [0, 0]
    for number, client in enumerate(clients):

        def listener(which: Any, request: Any, number: int = number) -> None:
            counts[number] += 1
            which.send_socket_mode_response({"envelope_id": request.envelope_id})

        client.socket_mode_request_listeners.append(listener)
        client.connect()
    assert wait_until(lambda: sandbox.delivery.sockets.count == 2)
    for _ in range(6):
        assert sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL").ok
    closing = [threading.Thread(target=client.close) for client in clients]
    for one in closing:
        one.start()
    for one in closing:
        one.join()
    assert counts == [3, 3]


def test_socket_mode_that_the_manifest_does_not_enable(make_sandbox: MakeSandbox) -> None:
    settings = MANIFEST["settings"] | {"socket_mode_enabled": False}
    sandbox = make_sandbox(manifest=MANIFEST | {"settings": settings})
    with connect(sandbox.installation.issue_ticket(), proxy=None) as socket:
        said = json.loads(socket.recv(timeout=20))
        assert (said["type"], said["reason"]) == ("disconnect", "link_disabled")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
    assert sandbox.delivery.sockets.count == 0


def test_a_socket_is_opened_once_with_each_ticket(sandbox: Sandbox) -> None:
    url = WebClient(base_url=sandbox.api_url).apps_connections_open(app_token=sandbox.app_token)[
        "url"
    ]
    with connect(url, proxy=None) as socket:
        hello = json.loads(socket.recv(timeout=20))
        assert (hello["type"], hello["connection_info"]) == ("hello", {"app_id": "A0APP"})
    with pytest.raises(InvalidStatus):
        connect(url, proxy=None)


def test_without_an_app_nothing_is_lost_in_silence(sandbox: Sandbox) -> None:
    outcome = sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL")
    assert (outcome.ok, outcome.error) == (False, "dispatch_failed")
    assert outcome.text == '/helper failed with the error "dispatch_failed"'
