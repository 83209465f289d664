"""Message shortcuts: what a manifest may offer, what the app hears, how it answers."""

from typing import Any

import pytest
from slack_bolt import App

from sandbox import NotPossible, Sandbox
from sandbox.manifest import Manifest
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox

KEEP = {
    "name": "Keep this",
    "type": "message",
    "callback_id": "keep",
    "description": "Keeps what was said",
}
PLAIN = {"type": "plain_text", "text": "Keep this"}


def offering(*shortcuts: dict[str, Any]) -> dict[str, Any]:
    """The manifest with these shortcuts and the scope that they need."""
    scopes = MANIFEST["oauth_config"]["scopes"]
    return MANIFEST | {
        "features": MANIFEST["features"] | {"shortcuts": list(shortcuts)},
        "oauth_config": {"scopes": scopes | {"bot": [*scopes["bot"], "commands"]}},
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"type": "global"}, "must be message"),
        ({"name": "x" * 25}, "1 to 24"),
        ({"name": ""}, "1 to 24"),
        ({"description": "x" * 151}, "1 to 150"),
        ({"callback_id": None}, "1 to 255"),
    ],
)
def test_a_manifest_that_slack_would_refuse(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Manifest(offering(KEEP | wrong))


def test_shortcuts_are_few_told_apart_and_need_their_scope() -> None:
    with pytest.raises(ValueError, match="twice"):
        Manifest(offering(KEEP, KEEP))
    many = [KEEP | {"callback_id": str(n)} for n in range(11)]
    with pytest.raises(ValueError, match="no more than 10"):
        Manifest(offering(*many))
    without = offering(KEEP) | {"oauth_config": MANIFEST["oauth_config"]}
    with pytest.raises(ValueError, match="scope"):
        Manifest(without)


@pytest.fixture
def kept(make_sandbox: MakeSandbox) -> Any:
    """A sandbox with an app that opens a modal on a message and whispers about it."""
    sandbox = make_sandbox(manifest=offering(KEEP))
    app = bolt_app(sandbox)
    served = HttpApp(app)
    sandbox.deliver_to(served.url)
    yield sandbox, app, served
    served.stop()


def test_the_app_hears_of_the_message_and_opens_a_modal(kept: tuple[Sandbox, App, HttpApp]) -> None:
    sandbox, app, _ = kept
    heard: list[dict[str, Any]] = []

    @app.message_shortcut("keep")
    def keep(ack: Any, body: dict[str, Any], client: Any, respond: Any) -> None:
        ack()
        heard.append(body)
        client.views_open(
            trigger_id=body["trigger_id"], view={"type": "modal", "title": PLAIN, "blocks": []}
        )
        respond("kept")

    ana, bob = sandbox.seat("U0ANA"), sandbox.seat("U0BOB")
    said = bob.say("C0GENERAL", "by Friday")
    assert ana.shortcut("keep", "C0GENERAL", said.ts).ok
    (body,) = heard
    assert body["type"] == "message_action"
    assert body["user"]["id"] == "U0ANA"
    assert body["message"]["user"] == "U0BOB"
    assert body["message"]["text"] == "by Friday"
    assert body["message_ts"] == body["message"]["ts"] == said.ts
    assert body["channel"] == {"id": "C0GENERAL", "name": "general"}
    assert len(ana.modals()) == 1
    assert [one.text for one in ana.ephemerals("C0GENERAL")] == ["kept"]


def test_it_works_where_the_app_is_not(kept: tuple[Sandbox, App, HttpApp]) -> None:
    sandbox, app, _ = kept
    app.message_shortcut("keep")(lambda ack, respond: (ack(), respond("kept")))
    ana = sandbox.seat("U0ANA")
    said = ana.say("C0SECRET", "between us")
    assert ana.shortcut("keep", "C0SECRET", said.ts).ok
    assert [one.text for one in ana.ephemerals("C0SECRET")] == ["kept"]


def test_what_the_client_does_not_offer(kept: tuple[Sandbox, App, HttpApp]) -> None:
    sandbox, _, served = kept
    ana, guest = sandbox.seat("U0ANA"), sandbox.seat("U0GUEST")
    said = ana.say("C0GENERAL", "x")
    with pytest.raises(NotPossible, match="no shortcut other"):
        ana.shortcut("other", "C0GENERAL", said.ts)
    with pytest.raises(NotPossible, match="no message"):
        ana.shortcut("keep", "C0GENERAL", "1.000001")
    with pytest.raises(NotPossible, match="does not see"):
        guest.shortcut("keep", "C0GENERAL", said.ts)
    assert served.seen == []


def test_slackbot_says_when_the_app_fails(kept: tuple[Sandbox, App, HttpApp]) -> None:
    sandbox, _, served = kept
    served.before = lambda headers, body: (500, {}, b"")
    ana = sandbox.seat("U0ANA")
    said = ana.say("C0GENERAL", "x")
    assert not ana.shortcut("keep", "C0GENERAL", said.ts).ok
    (words,) = ana.ephemerals("C0GENERAL")
    assert words.author_id == "USLACKBOT"
    assert words.text.startswith("Keep this failed because")
