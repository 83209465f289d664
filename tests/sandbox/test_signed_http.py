"""An app behind a request URL: commands, clicks, modals, events with their retries."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App

from sandbox import NotPossible, Sandbox
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MakeSandbox

pytestmark = pytest.mark.slow

BUTTON = {
    "type": "actions",
    "block_id": "row",
    "elements": [
        {
            "type": "button",
            "action_id": "go",
            "text": {"type": "plain_text", "text": "Go"},
            "value": "7",
            "style": "primary",
        },
        {
            "type": "static_select",
            "action_id": "pick",
            "options": [
                {"text": {"type": "plain_text", "text": name}, "value": name} for name in "ab"
            ],
        },
        {
            "type": "overflow",
            "action_id": "more",
            "options": [{"text": {"type": "plain_text", "text": "X"}, "value": "x"}],
        },
    ],
}


def modal(title: str = "Form", **more: Any) -> dict[str, Any]:
    """A modal with one required input and one select."""
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "why",
                "label": {"type": "plain_text", "text": "Why"},
                "element": {"type": "plain_text_input", "action_id": "text", "max_length": 20},
            },
            {
                "type": "input",
                "block_id": "how",
                "optional": True,
                "label": {"type": "plain_text", "text": "How"},
                "element": {
                    "type": "static_select",
                    "action_id": "choice",
                    "options": [
                        {"text": {"type": "plain_text", "text": name}, "value": name}
                        for name in "ab"
                    ],
                },
            },
        ],
        **more,
    }


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


def opened(sandbox: Sandbox, app: App, view: dict[str, Any] | None = None) -> str:
    """Let Ana open a modal; its id."""

    @app.command("/helper")
    def open_modal(ack: Any, body: Any, client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=view or modal())

    assert sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL").ok
    return sandbox.seat("U0ANA").modals()[-1].id


def test_a_command_arrives_as_slack_sends_it(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    heard: list[dict[str, Any]] = []

    @app.command("/helper")
    def helper(ack: Any, command: Any) -> None:
        heard.append(command)
        ack("at your service")

    outcome = sandbox.seat("U0ANA").slash("helper", "  do it ", "C0GENERAL")
    assert outcome.ok
    assert outcome.status == 200
    assert heard[0]["command"] == "/helper"
    assert heard[0]["text"] == "do it"
    assert heard[0]["user_id"] == "U0ANA"
    assert heard[0]["channel_name"] == "general"
    assert heard[0]["team_id"] == "T0ACME"
    assert [one.text for one in sandbox.seat("U0ANA").ephemerals()] == ["at your service"]


def test_commands_escape_names_when_the_manifest_says_so(
    sandbox: Sandbox, app: App, http: HttpApp
) -> None:
    texts: list[str] = []

    @app.command("/escape")
    def escape(ack: Any, command: Any) -> None:
        texts.append(command["text"])
        ack()

    sandbox.seat("U0ANA").slash("/escape", "@bob in #general, not @nobody", "C0GENERAL")
    assert texts == ["<@U0BOB|bob> in <#C0GENERAL|general>, not @nobody"]


def test_a_command_that_the_manifest_does_not_have(sandbox: Sandbox, http: HttpApp) -> None:
    outcome = sandbox.seat("U0ANA").slash("/nothing", "", "C0GENERAL")
    assert outcome.error == "invalid_command"
    assert outcome.text == "`/nothing` is not a valid command."
    assert http.seen == []


def test_an_app_that_answers_too_late(make_sandbox: MakeSandbox) -> None:
    assert make_sandbox().installation.ack_seconds == 3.0
    sandbox = make_sandbox(ack_seconds=0.2)
    app = bolt_app(sandbox)

    @app.command("/helper")
    def helper(ack: Any) -> None:
        time.sleep(0.4)
        ack()

    http = HttpApp(app)
    sandbox.deliver_to(http.url)
    outcome = sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL")
    http.stop()
    assert outcome.error == "operation_timeout"
    assert outcome.text == "/helper failed because the app did not respond."
    assert 190 < outcome.ms < 390
    assert sandbox.seat("U0ANA").ephemerals()[0].author_id == "USLACKBOT"


def test_an_app_that_breaks(sandbox: Sandbox, http: HttpApp) -> None:
    http.before = lambda headers, body: (500, {}, b"")
    outcome = sandbox.seat("U0ANA").slash("/helper", "", "C0GENERAL")
    assert (outcome.ok, outcome.status, outcome.error) == (False, 500, "dispatch_failed")


def test_a_click_on_a_message(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    bodies: list[dict[str, Any]] = []

    @app.action("go")
    def go(ack: Any, body: Any, respond: Any) -> None:
        ack()
        bodies.append(body)
        respond(text="done", replace_original=False)

    posted = app.client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[BUTTON])
    place = {"channel_id": "C0GENERAL", "ts": posted["ts"]}
    assert sandbox.seat("U0BOB").click(**place, action_id="go", value="7").ok
    body = bodies[0]
    assert body["user"] == {"id": "U0BOB", "username": "bob", "name": "bob", "team_id": "T0ACME"}
    assert body["container"] == {
        "type": "message",
        "message_ts": posted["ts"],
        "channel_id": "C0GENERAL",
        "is_ephemeral": False,
    }
    assert body["team"] == {"id": "T0ACME", "domain": "acme"}
    assert body["actions"][0]["value"] == "7"
    assert body["actions"][0]["block_id"] == "row"
    assert body["state"]["values"]["row"]["pick"]["selected_option"] is None
    assert body["message"]["ts"] == posted["ts"]
    assert body["is_enterprise_install"] is False
    assert [one.text for one in sandbox.seat("U0BOB").ephemerals()] == ["done"]
    with pytest.raises(NotPossible, match="no stop to use here; there are: go, pick, more"):
        sandbox.seat("U0BOB").click(**place, action_id="stop")


def test_selects_and_menus_say_what_was_chosen(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    chosen: list[Any] = []

    @app.action({"block_id": "row"})
    def pick(ack: Any, action: Any, body: Any) -> None:
        ack()
        chosen.append((action["type"], action["selected_option"]["value"]))
        chosen.append(body["state"]["values"]["row"]["pick"]["selected_option"])

    posted = app.client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[BUTTON])
    seat, place = sandbox.seat("U0ANA"), {"channel_id": "C0GENERAL", "ts": posted["ts"]}
    assert seat.click(**place, action_id="pick", selected="b").ok
    assert seat.click(**place, action_id="more", selected="x").ok
    assert chosen[0] == ("static_select", "b")
    assert chosen[1]["value"] == "b"
    assert chosen[2] == ("overflow", "x")
    with pytest.raises(NotPossible, match="no option 'z'"):
        seat.click(**place, action_id="pick", selected="z")


def test_a_stale_window_sends_what_it_shows(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    values: list[str] = []

    @app.action("go")
    def go(ack: Any, action: Any) -> None:
        ack()
        values.append(action["value"])

    posted = app.client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[BUTTON])
    seat = sandbox.seat("U0ANA")
    old = seat.messages("C0GENERAL")[0]
    app.client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="over")
    with pytest.raises(NotPossible):
        seat.click(channel_id="C0GENERAL", ts=posted["ts"], action_id="go")
    assert seat.click(message=old, action_id="go").ok
    assert values == ["7"]


def test_strangers_and_guests_click_where_they_are(
    sandbox: Sandbox, app: App, http: HttpApp
) -> None:
    users: list[tuple[str, str]] = []

    @app.action("go")
    def go(ack: Any, body: Any) -> None:
        ack()
        users.append((body["user"]["id"], body["user"]["team_id"]))

    there = app.client.chat_postMessage(channel="C0SHARED", text="t", blocks=[BUTTON])["ts"]
    here = app.client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[BUTTON])["ts"]
    for user in ("U0STRANGER", "U0GUEST"):
        assert sandbox.seat(user).click(channel_id="C0SHARED", ts=there, action_id="go").ok
        with pytest.raises(NotPossible):
            sandbox.seat(user).click(channel_id="C0GENERAL", ts=here, action_id="go")
    assert users == [("U0STRANGER", "T0OTHER"), ("U0GUEST", "T0ACME")]
    with pytest.raises(NotPossible, match="deactivated"):
        sandbox.seat("U0GONE").click(channel_id="C0GENERAL", ts=here, action_id="go")


def test_a_response_url_edits_an_ephemeral_message_and_wears_out(
    sandbox: Sandbox, app: App, http: HttpApp
) -> None:
    statuses: list[tuple[int, str]] = []

    @app.action("go")
    def go(ack: Any, body: Any, respond: Any) -> None:
        ack()
        assert body["container"]["is_ephemeral"] is True
        assert "message" not in body
        for number in range(6):
            answer = respond(text=f"now {number}", replace_original=True)
            statuses.append((answer.status_code, answer.body))

    app.client.chat_postEphemeral(channel="C0GENERAL", user="U0ANA", text="t", blocks=[BUTTON])
    seat = sandbox.seat("U0ANA")
    assert seat.click(ephemeral_id=seat.ephemerals()[0].id, action_id="go").ok
    assert [one.text for one in seat.ephemerals()] == ["now 4"]
    assert [status for status, _ in statuses] == [200] * 5 + [404]
    assert json.loads(statuses[5][1])["error"] == "used_url"


def test_a_response_url_posts_in_the_channel_and_deletes(
    sandbox: Sandbox, app: App, http: HttpApp
) -> None:
    @app.action("go")
    def go(ack: Any, respond: Any) -> None:
        ack()
        assert respond(text="all see", response_type="in_channel").status_code == 200
        assert respond(text="x", blocks=[{"type": "nonsense"}]).body == "invalid_blocks"
        respond(delete_original=True)

    posted = app.client.chat_postMessage(channel="C0GENERAL", text="t", blocks=[BUTTON])["ts"]
    seat = sandbox.seat("U0ANA")
    assert seat.click(channel_id="C0GENERAL", ts=posted, action_id="go").ok
    assert [one.text for one in seat.messages("C0GENERAL")] == ["all see"]


def test_a_submission_carries_the_state(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    states: list[Any] = []

    @app.view("form")
    def form(ack: Any, view: Any) -> None:
        states.append(view["state"]["values"])
        ack()

    view_id = opened(sandbox, app, modal(private_metadata="m"))
    seat = sandbox.seat("U0ANA")
    empty = seat.submit(view_id)
    assert (empty.ok, empty.errors) == (False, {"why": "Please complete this required field."})
    assert seat.submit(view_id, {"why": {"text": "x" * 21}}).errors == {
        "why": "Must be 20 characters or fewer."
    }
    assert states == []
    assert seat.submit(view_id, {"why": {"text": "so"}, "how": {"choice": "b"}}).ok
    assert states[0]["why"]["text"] == {"type": "plain_text_input", "value": "so"}
    assert states[0]["how"]["choice"]["selected_option"]["value"] == "b"
    assert seat.modals() == []


def test_response_actions(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    answers: list[dict[str, Any]] = [
        {"response_action": "errors", "errors": {"why": "too short"}},
        {"response_action": "update", "view": modal("Second")},
        {"response_action": "push", "view": modal("Third")},
        {"response_action": "errors", "errors": {"nowhere": "?"}},
        {"response_action": "update", "view": {"type": "modal"}},
        {"response_action": "clear"},
    ]

    @app.view("form")
    def form(ack: Any) -> None:
        ack(**answers.pop(0))

    view_id = opened(sandbox, app)
    seat = sandbox.seat("U0ANA")

    def titles() -> list[str]:
        return [view.body["title"]["text"] for view in seat.modals()]

    assert seat.submit(view_id, {"why": {"text": "so"}}).errors == {"why": "too short"}
    assert seat.submit(view_id).ok  # what was entered is still there
    assert titles() == ["Second"]
    assert seat.submit(view_id).ok
    assert titles() == ["Second", "Third"]
    with pytest.raises(NotPossible, match="not the one on top"):
        seat.submit(view_id)
    top = seat.modals()[-1].id
    assert seat.submit(top, {"why": {"text": "a"}}).error == "invalid_response"
    assert seat.submit(top).error == "invalid_arguments"
    assert titles() == ["Second", "Third"]
    assert seat.submit(top).ok
    assert titles() == []


def test_closing_a_modal_is_told_when_asked_for(sandbox: Sandbox, app: App, http: HttpApp) -> None:
    closed: list[bool] = []

    @app.view_closed("form")
    def form(ack: Any, body: Any) -> None:
        ack()
        closed.append(body["is_cleared"])

    @app.view("form")
    def push(ack: Any) -> None:
        ack(response_action="push", view=modal("Second", notify_on_close=True))

    seat = sandbox.seat("U0ANA")
    first = opened(sandbox, app)
    seat.submit(first, {"why": {"text": "so"}})
    second = seat.modals()[-1].id
    assert second != first
    assert seat.close(second).ok
    assert closed == [False]
    assert [view.id for view in seat.modals()] == [first]
    seat.submit(first)
    seat.close(seat.modals()[-1].id, clear=True)
    assert closed == [False, True]
    assert seat.modals() == []
