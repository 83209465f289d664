"""What the stand-in doesn't play: refused with words that say so, and in one list that the page shows."""

import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import Sandbox, coverage
from sandbox.blocks.elements import ELEMENTS
from sandbox.blocks.layout import BLOCKS
from sandbox.faults import METHOD_TIER, SPECIAL
from sandbox.manifest import Manifest
from sandbox.web_api.endpoint import METHODS
from tests.sandbox.conftest import MANIFEST

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
NOT_PLAYED = (
    "assistant.threads.setStatus", "canvases.create", "conversations.canvases.create", "pins.add", "chat.scheduleMessage", "functions.completeSuccess",
    "entity.presentDetails", "usergroups.update", "bookmarks.list", "oauth.v2.access", "conversations.mark", "files.upload",
)  # fmt: skip
REQUIRED = {
    # Asked for by code, not by the table of methods or of events.
    "chat:write.customize",
    "chat:write.public",
    "commands",
    "links.embed:write",
    "users:read.email",
}


def subscribing(*events: str, **more: Any) -> dict[str, Any]:
    """A manifest that subscribes to these events and says more besides."""
    settings = MANIFEST["settings"] | {"event_subscriptions": {"bot_events": events}}
    return MANIFEST | {"settings": settings} | more


def refusal(client: WebClient, method: str, **arguments: Any) -> dict[str, Any]:
    """What a call that is refused answers."""
    with pytest.raises(SlackApiError) as raised:
        client.api_call(method, json=arguments)
    answer: dict[str, Any] = raised.value.response.data
    return answer


def test_every_method_of_slacks_own_client_is_played_or_on_the_list() -> None:
    source = inspect.getsource(WebClient)
    methods = set(re.findall(r'self\.api_call\(\s*"([\w.]+)"', source))
    assert len(methods) > 250  # the client's source is read as it should be
    silent = [name for name in methods - METHODS.keys() if not coverage.method(name)]
    assert not silent, f"play them or put them into sandbox/coverage.py: {silent}"
    assert not [name for name in METHODS if coverage.method(name)]


def test_the_list_says_everything_once_and_nothing_that_is_played() -> None:
    for field in ("methods", "arguments", "events", "scopes", "blocks", "manifest"):
        names = Counter(name for gap in coverage.GAPS for name in getattr(gap, field))
        assert not [name for name, times in names.items() if times > 1]
    for gap in coverage.GAPS:
        assert not coverage.EVENTS.keys() & set(gap.events)
        assert not coverage.SCOPES & set(gap.scopes)
        assert not (BLOCKS.keys() | ELEMENTS.keys()) & set(gap.blocks)
        assert {entry.split()[0] for entry in gap.arguments} <= METHODS.keys()


def test_the_scopes_are_those_of_methods_and_events() -> None:
    by_method = {scope for method in METHODS.values() for scope in method.scopes}
    by_event = {scope for scopes in coverage.EVENTS.values() for scope in scopes}
    assert by_method | by_event | REQUIRED == coverage.SCOPES


def test_every_method_has_a_tier() -> None:
    assert METHODS.keys() == METHOD_TIER.keys() | SPECIAL.keys()


def test_the_page_shows_the_list() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert coverage.table() in page, f"put this into {PAGE.name}:\n{coverage.table()}"
    for name in (*METHODS, *coverage.EVENTS, *BLOCKS, *ELEMENTS):
        assert f"`{name}`" in page, f"{PAGE.name} does not name {name}"


def test_a_method_that_is_not_covered_says_so(client: WebClient) -> None:
    answer = refusal(client, "chat.startStream", channel="C0GENERAL")
    assert answer["error"] == "not_covered"
    assert answer["req_method"] == "chat.startStream"
    (words,) = answer["response_metadata"]["messages"]
    assert "chat.startStream is Slack's" in words
    assert "streaming" in words
    for method in NOT_PLAYED:
        assert refusal(client, method)["error"] == "not_covered", method
    assert refusal(client, "chat.startStreams")["error"] == "unknown_method"


def test_an_argument_that_is_not_covered_says_so(
    make_sandbox: Any, sandbox: Sandbox, client: WebClient
) -> None:
    answer = refusal(client, "chat.postMessage", channel="C0GENERAL", text="@ana", link_names=True)
    assert answer["error"] == "not_covered"
    assert "link_names" in answer["response_metadata"]["messages"][0]
    assert sandbox.seat("U0ANA").messages("C0GENERAL") == []
    client.chat_postMessage(channel="C0GENERAL", text="plain", link_names=False, parse="none")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("assistant_thread_started", "agents and assistants"),
        ("function_executed", "workflow steps"),
        ("pin_added", "pins"),
        ("tokens_revoked", "token rotation"),
        ("app_mentioned", "no event that a bot can subscribe to"),
        ("message", "no event that a bot can subscribe to"),
    ],
)
def test_a_manifest_that_subscribes_to_what_is_not_covered(event: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"bot_events: {event} .*{why}"):
        Manifest(subscribing("app_home_opened", event))


@pytest.mark.parametrize(
    ("scopes", "why"),
    [
        ({"bot": ["chat:write", "assistant:write"]}, "bot: assistant:write is Slack's"),
        ({"bot": [], "bot_optional": ["pins:read"]}, "bot_optional: pins:read is Slac"),
        ({"bot": ["chat:shout"]}, "chat:shout is no scope that a bot can have"),
        ({"bot": ["commands"], "user": ["chat:write"]}, "oauth_config.scopes.user is"),
    ],
)
def test_a_manifest_with_scopes_that_are_not_covered(
    scopes: dict[str, list[str]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Manifest(MANIFEST | {"oauth_config": {"scopes": scopes}})


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"features": {"assistant_view": {"assistant_description": "x"}}}, "assistant"),
        ({"features": {"workflow_steps": [{"name": "x"}]}}, "workflow"),
        ({"functions": {"sum": {}}}, "functions is Slack's"),
        ({"settings": {"token_rotation_enabled": True}}, "token_rotation_enabled"),
        ({"features": {"unfurl_domains": ["a b"]}}, "no domain such as"),
        ({"features": {"unfurl_domains": ["example.com"] * 6}}, "no more than 5"),
    ],
)
def test_a_manifest_with_parts_that_are_not_covered(part: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Manifest(MANIFEST | part)


def test_blocks_and_elements_that_are_not_covered_say_so(client: WebClient) -> None:
    answer = refusal(
        client, "chat.postMessage", channel="C0GENERAL", blocks=[{"type": "task_card"}]
    )
    assert answer["error"] == "invalid_blocks"
    assert "task_card (Slack's, not the sandbox's)" in answer["errors"][0]
    element = {"type": "rich_text_input", "action_id": "a"}
    label = {"type": "plain_text", "text": "Why"}
    block = {"type": "input", "label": label, "element": element}
    answer = refusal(client, "chat.postMessage", channel="C0GENERAL", blocks=[block], text="x")
    assert "rich_text_input (Slack's, not the sandbox's)" in answer["errors"][0]
    answer = refusal(client, "chat.postMessage", channel="C0GENERAL", blocks=[{"type": "tabel"}])
    assert "sandbox" not in answer["errors"][0]


def test_legacy_actions_and_work_objects_say_so(client: WebClient) -> None:
    attachment = {"text": "x", "callback_id": "c", "actions": [{"type": "button"}]}
    answer = refusal(client, "chat.postMessage", channel="C0GENERAL", attachments=[attachment])
    assert answer["error"] == "invalid_attachments"
    assert "Slack's, not the sandbox's" in answer["response_metadata"]["messages"][0]
    metadata = {"event_type": "e", "event_payload": {}, "entities": [{"url": "x"}]}
    answer = refusal(client, "chat.postMessage", channel="C0GENERAL", text="x", metadata=metadata)
    assert answer["error"] == "invalid_metadata_schema"
