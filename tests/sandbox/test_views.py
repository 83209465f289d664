"""Modals and Home tabs through views.*: trigger ids, the stack, hashes, external ids."""

import time
from typing import Any

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from sandbox import Sandbox
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox, client_of
from tests.sandbox.test_web_api import refused


def modal(title: str = "T", **more: Any) -> dict[str, Any]:
    """A modal with one text input."""
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "b",
                "label": {"type": "plain_text", "text": "L"},
                "element": {"type": "plain_text_input", "action_id": "a", "initial_value": "i"},
            }
        ],
        **more,
    }


HOME: dict[str, Any] = {
    "type": "home",
    "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "Hi"}}],
}


def trigger(sandbox: Sandbox, view_id: str | None = None) -> str:
    """A trigger id as Ana's doings would give the app."""
    return sandbox.installation.issue_trigger("U0ANA", view_id)


def test_a_trigger_id_opens_one_modal(sandbox: Sandbox, client: WebClient) -> None:
    one = trigger(sandbox)
    view = client.views_open(trigger_id=one, view=modal(callback_id="c"))["view"]
    assert view["callback_id"] == "c"
    assert view["state"]["values"]["b"]["a"] == {"type": "plain_text_input", "value": "i"}
    assert view["root_view_id"] == view["id"]
    assert [one.id for one in sandbox.seat("U0ANA").modals()] == [view["id"]]
    assert refused(client.views_open, trigger_id=one, view=modal()) == "exchanged_trigger_id"
    assert refused(client.views_open, trigger_id="1.2.3", view=modal()) == "invalid_trigger_id"


def test_a_trigger_id_expires(make_sandbox: MakeSandbox) -> None:
    assert make_sandbox().installation.trigger_seconds == 3.0
    sandbox = make_sandbox(trigger_seconds=0.05)
    one = trigger(sandbox)
    time.sleep(0.1)
    assert refused(client_of(sandbox).views_open, trigger_id=one, view=modal()) == (
        "expired_trigger_id"
    )


def test_a_refused_view_does_not_use_the_trigger_up(sandbox: Sandbox, client: WebClient) -> None:
    one = trigger(sandbox)
    assert refused(client.views_open, trigger_id=one, view={"type": "modal"}) == (
        "invalid_arguments"
    )
    client.views_open(trigger_id=one, view=modal())


def test_three_modals_stand_above_each_other_and_not_four(
    sandbox: Sandbox, client: WebClient
) -> None:
    view = client.views_open(trigger_id=trigger(sandbox), view=modal("1"))["view"]
    assert refused(client.views_push, trigger_id=trigger(sandbox), view=modal()) == (
        "invalid_trigger_id"  # not from a modal
    )
    for title in "23":
        below = view["id"]
        view = client.views_push(trigger_id=trigger(sandbox, below), view=modal(title))["view"]
        assert view["previous_view_id"] == below
    assert refused(client.views_push, trigger_id=trigger(sandbox, view["id"]), view=modal("4")) == (
        "push_limit_reached"
    )
    titles = [one.body["title"]["text"] for one in sandbox.seat("U0ANA").modals()]
    assert titles == ["1", "2", "3"]


def test_an_update_needs_the_right_hash_and_keeps_what_was_entered(
    sandbox: Sandbox, client: WebClient
) -> None:
    first = client.views_open(trigger_id=trigger(sandbox), view=modal())["view"]
    sandbox.seat("U0ANA").enter(first["id"], {"b": {"a": "typed"}})
    second = client.views_update(view_id=first["id"], hash=first["hash"], view=modal("2"))["view"]
    assert second["id"] == first["id"]
    assert second["hash"] != first["hash"]
    assert second["state"]["values"]["b"]["a"]["value"] == "typed"
    assert refused(client.views_update, view_id=first["id"], hash=first["hash"], view=modal()) == (
        "hash_conflict"
    )
    sandbox.seat("U0ANA").close(first["id"])
    assert refused(client.views_update, view_id=first["id"], view=modal()) == "not_found"


def test_an_external_id_is_given_once(sandbox: Sandbox, client: WebClient) -> None:
    view = client.views_open(trigger_id=trigger(sandbox), view=modal(external_id="x"))["view"]
    client.views_update(external_id="x", view=modal("again", external_id="x"))
    assert refused(
        client.views_push, trigger_id=trigger(sandbox, view["id"]), view=modal(external_id="x")
    ) == ("duplicate_external_id")
    sandbox.seat("U0ANA").close(view["id"])
    client.views_open(trigger_id=trigger(sandbox), view=modal(external_id="x"))


def test_a_home_tab_is_published_per_person(sandbox: Sandbox, client: WebClient) -> None:
    first = client.views_publish(user_id="U0ANA", view=HOME)["view"]
    assert first["type"] == "home"
    assert sandbox.seat("U0BOB").home() is None
    second = client.views_publish(user_id="U0ANA", view=HOME, hash=first["hash"])["view"]
    assert second["id"] == first["id"]
    assert refused(client.views_publish, user_id="U0ANA", view=HOME, hash=first["hash"]) == (
        "hash_conflict"
    )
    assert refused(client.views_publish, user_id="U0NOBODY", view=HOME) == "invalid_arguments"


def test_without_a_home_tab_nothing_is_published(make_sandbox: MakeSandbox) -> None:
    features = MANIFEST["features"] | {"app_home": {"messages_tab_enabled": False}}
    sandbox = make_sandbox(manifest=MANIFEST | {"features": features})
    client = client_of(sandbox)
    assert refused(client.views_publish, user_id="U0ANA", view=HOME) == "not_enabled"
    assert refused(client.chat_postMessage, channel="U0ANA", text="x") == "messages_tab_disabled"


def test_a_menu_of_channels_brings_a_response_url_for_the_chosen_one(
    sandbox: Sandbox, client: WebClient
) -> None:
    app = bolt_app(sandbox)
    payloads: list[dict[str, Any]] = []

    @app.view("share")
    def share(ack: Any, body: dict[str, Any]) -> None:
        payloads.append(body)
        ack()

    http = HttpApp(app)
    sandbox.deliver_to(http.url)
    element = {"type": "conversations_select", "action_id": "where", "response_url_enabled": True}
    label = {"type": "plain_text", "text": "Where"}
    block = {"type": "input", "block_id": "b", "label": label, "element": element}
    view = modal(callback_id="share") | {"blocks": [block]}
    opened = client.views_open(trigger_id=trigger(sandbox), view=view)["view"]
    ana = sandbox.seat("U0ANA")
    assert ana.submit(opened["id"], {"b": {"where": "C0GENERAL"}}).ok
    sandbox.deliver_to(None)
    http.stop()
    (url,) = payloads[0]["response_urls"]
    assert (url["block_id"], url["action_id"]) == ("b", "where")
    assert url["channel_id"] == "C0GENERAL"
    hook = WebhookClient(url["response_url"])
    assert hook.send(text="shared", response_type="in_channel").status_code == 200
    assert ana.messages("C0GENERAL")[-1].text == "shared"
    refusal = hook.send_dict({"text": "<@U0ANA>", "link_names": True})
    assert (refusal.status_code, refusal.body) == (400, "not_covered")
