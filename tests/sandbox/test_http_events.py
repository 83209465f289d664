"""Events over signed HTTP: what the app is told, sent again when it fails, signed, and shown to the inspector."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_bolt import App

from sandbox import Sandbox
from sandbox.outgoing.delivery import signed_headers
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MakeSandbox


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait for something to become true; whether it did."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def app(sandbox: Sandbox) -> App:
    """A Bolt app for the sandbox."""
    return bolt_app(sandbox)


@pytest.fixture
def http(sandbox: Sandbox, app: App) -> Iterator[HttpApp]:
    """The app behind a request URL that the sandbox delivers to."""
    served = HttpApp(app)
    sandbox.deliver_to(served.url)
    yield served
    sandbox.deliver_to(None)
    served.stop()


def test_home_and_messages_tell_the_app(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    said: list[str] = []

    @app.event("app_home_opened")
    def home(event: Any, client: Any) -> None:
        client.views_publish(
            user_id=event["user"],
            view={
                "type": "home",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Hi"}}],
            },
        )

    @app.event("message")
    def message(event: Any, say: Any) -> None:
        assert event["channel_type"] == "im"
        said.append(event["text"])
        say(text="you said it", thread_ts=event["ts"])

    seat = sandbox.seat("U0ANA")
    assert seat.home() is None
    seat.open_home()
    written = seat.say(seat.dm().id, "budget please")
    assert sandbox.wait_idle()
    home_view = seat.home()
    assert home_view is not None
    assert home_view.blocks[0]["text"]["text"] == "Hi"
    assert said == ["budget please"]
    assert [one.text for one in seat.replies(seat.dm().id, written.ts)] == ["you said it"]


def test_people_and_groups_that_change_are_told(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    heard: dict[str, Any] = {}
    for name in ("user_change", "subteam_members_changed", "subteam_updated"):

        @app.event(name)
        def tell(event: Any) -> None:
            heard[event["type"]] = event

    @app.event("member_joined_channel")
    def joined(event: Any) -> None:
        heard["joined"] = (event["user"], event["channel"])

    @app.event("member_left_channel")
    def left(event: Any) -> None:
        heard["left"] = (event["user"], event["channel"])

    sandbox.world.update_user("U0BOB", deleted=True)
    sandbox.world.set_usergroup_members("S0FIN", ["U0BOB"])
    sandbox.world.join("C0GENERAL", "U0GUEST")
    sandbox.world.leave("C0GENERAL", "U0BOB")
    sandbox.world.join("C0OUTSIDE", "U0GUEST")  # the app is not there
    assert sandbox.wait_idle()
    assert heard["user_change"]["user"]["deleted"] is True
    changed = heard["subteam_members_changed"]
    assert (changed["added_users"], changed["removed_users"]) == (["U0BOB"], ["U0ANA", "U0GONE"])
    assert heard["subteam_updated"]["subteam"]["users"] == ["U0BOB"]
    assert heard["joined"] == ("U0GUEST", "C0GENERAL")
    assert heard["left"] == ("U0BOB", "C0GENERAL")


def test_an_event_is_sent_again_three_times(sandbox: Sandbox, http: HttpApp) -> None:
    http.before = lambda headers, body: (500, {}, b"")
    sandbox.world.update_user("U0BOB", title="x")
    deadline = time.monotonic() + 5
    while len(http.seen) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [headers.get("x-slack-retry-num") for headers, _ in http.seen] == [None, "1", "2", "3"]
    assert http.seen[1][0]["x-slack-retry-reason"] == "http_error"
    assert len({json.loads(body)["event_id"] for _, body in http.seen}) == 1


def test_an_event_is_sent_again_at_once_after_a_minute_and_after_five(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox()  # with Slack's own times
    http = HttpApp(bolt_app(sandbox))
    http.before = lambda headers, body: (500, {}, b"")
    sandbox.deliver_to(http.url)
    try:
        sandbox.world.update_user("U0BOB", title="x")
        for sent, minutes in ((2, 1), (3, 5)):
            assert until(lambda sent=sent: len(http.seen) == sent)  # type: ignore[misc]
            assert until(lambda: bool(sandbox.events.waiting()))
            (waiting,) = sandbox.events.waiting()
            assert waiting.event_type == "user_change"
            assert (waiting.number, waiting.reason) == (sent, "http_error")
            assert 60 * minutes - 30 < waiting.seconds <= 60 * minutes
            sandbox.events.hasten()
        assert until(lambda: len(http.seen) == 4)
        assert sandbox.wait_idle()
        assert sandbox.events.waiting() == []
    finally:
        sandbox.deliver_to(None)
        http.stop()
    numbers = [headers.get("x-slack-retry-num") for headers, _ in http.seen]
    assert numbers == [None, "1", "2", "3"]


def test_why_an_event_is_sent_again(sandbox: Sandbox, http: HttpApp) -> None:
    http.before = lambda headers, body: (307, {"location": http.url}, b"")
    sandbox.world.update_user("U0BOB", title="x")
    assert until(lambda: len(http.seen) >= 4)
    retried = [headers.get("x-slack-retry-reason") for headers, _ in http.seen]
    assert retried[:4] == [None, None, None, "too_many_redirects"]
    # Plain HTTP where TLS was expected.
    sandbox.deliver_to(http.url.replace("http://", "https://"))
    sandbox.world.update_user("U0BOB", title="y")
    assert until(
        lambda: (
            "ssl_error" in {waiting.reason for waiting in sandbox.events.waiting()}
            or "ssl_error" in {exchange.note for exchange in sandbox.inspector.since()}
        )
    )


def test_an_app_can_ask_not_to_be_sent_an_event_again(sandbox: Sandbox, http: HttpApp) -> None:
    http.before = lambda headers, body: (500, {"x-slack-no-retry": "1"}, b"")
    sandbox.world.update_user("U0BOB", title="x")
    assert sandbox.wait_idle()
    time.sleep(0.1)
    assert len(http.seen) == 1


def test_the_request_url_is_verified(sandbox: Sandbox, http: HttpApp) -> None:
    assert sandbox.verify_url().ok
    http.before = lambda headers, body: (200, {}, b'{"challenge":"another"}')
    assert sandbox.verify_url().error == "challenge_failed"


def test_the_signature_is_what_bolt_checks(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    @app.command("/helper")
    def helper(ack: Any) -> None:
        ack()

    body, form = (
        b"command=%2Fhelper&team_id=T0ACME&user_id=U0ANA",
        "application/x-www-form-urlencoded",
    )
    good = signed_headers(sandbox.signing_secret, body, form)
    late = signed_headers(sandbox.signing_secret, body, form, int(time.time()) - 400)
    wrong = signed_headers("another", body, form)
    assert sandbox.send_raw(body, good)[0] == 200
    assert sandbox.send_raw(body, late)[0] == 401
    assert sandbox.send_raw(body, wrong)[0] == 401


def test_the_inspector_shows_both_ways_without_secrets(
    sandbox: Sandbox, app: App, http: HttpApp
) -> None:
    @app.command("/helper")
    def helper(ack: Any, client: Any) -> None:
        client.chat_postMessage(channel="C0GENERAL", text="hello")
        ack()

    sandbox.seat("U0ANA").slash("/helper", "x", "C0GENERAL")
    exchanges = sandbox.inspector.since()
    by_direction = {one.direction: one for one in exchanges}
    assert by_direction["to_app"].body["command"] == "/helper"
    assert by_direction["to_slack"].path == "/api/chat.postMessage"
    assert by_direction["to_slack"].answer["ok"] is True
    shown = repr(exchanges)
    for secret in (sandbox.bot_token, sandbox.signing_secret, sandbox.app_token):
        assert secret not in shown
    assert sandbox.installation.verification_token not in shown
    assert "v0=" not in shown
