"""A small company in a sandbox, and ways for an app to be there."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox import Faults, RateLimits, Sandbox, World, standalone
from tests.sandbox.apps import HttpApp, bolt_app

ORG: dict[str, Any] = {
    "teams": [
        {"id": "T0ACME", "name": "Acme", "domain": "acme"},
        {"id": "T0OTHER", "name": "Other Co", "domain": "other", "foreign": True},
    ],
    "app": {"id": "A0APP", "name": "Helper", "bot_user_id": "U0BOT", "bot_id": "B0BOT"},
    "users": [
        {"id": "U0ANA", "name": "ana", "real_name": "Ana Costa", "email": "ana@acme.test"},
        {"id": "U0BOB", "name": "bob", "real_name": "Bob Ito", "tz": "Asia/Tokyo"},
        {"id": "U0GUEST", "name": "gus", "is_restricted": True},
        {"id": "U0GONE", "name": "gone", "email": "gone@acme.test", "deleted": True},
        {"id": "U0STRANGER", "name": "sam", "team": "T0OTHER", "email": "sam@other.test"},
        {"id": "U0FAR", "name": "far", "team": "T0OTHER"},
    ],
    "channels": [
        {"id": "C0GENERAL", "name": "general", "members": ["U0ANA", "U0BOB"], "app": True},
        {"id": "C0OUTSIDE", "name": "outside", "members": ["U0ANA"]},
        {"id": "C0SECRET", "name": "secret", "members": ["U0ANA"], "is_private": True},
        {
            "id": "C0PRIVATE",
            "name": "private",
            "members": ["U0ANA"],
            "is_private": True,
            "app": True,
        },
        {"id": "C0OLD", "name": "old", "members": ["U0ANA"], "is_archived": True, "app": True},
        {
            "id": "C0SHARED",
            "name": "with-other",
            "teams": ["T0ACME", "T0OTHER"],
            "members": ["U0ANA", "U0STRANGER", "U0GUEST"],
            "app": True,
        },
    ],
    "usergroups": [
        {"id": "S0FIN", "handle": "finance", "name": "Finance", "users": ["U0ANA", "U0GONE"]},
        {"id": "S0OLD", "handle": "former", "name": "Former", "users": [], "date_delete": 1},
    ],
}

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Helper"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "bot_user": {"display_name": "Helper"},
        "slash_commands": [
            {"command": "/helper", "description": "Helps", "usage_hint": "[what]"},
            {"command": "/escape", "description": "Escapes", "should_escape": True},
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "channels:join",
                "channels:read",
                "chat:write",
                "groups:read",
                "im:read",
                "im:write",
                "mpim:read",
                "mpim:write",
                "usergroups:read",
                "users:read",
                "users:read.email",
            ],
            "bot_optional": ["channels:history", "groups:history", "im:history", "mpim:history"],
        }
    },
    "settings": {
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
        "event_subscriptions": {
            "bot_events": [
                "app_home_opened",
                "member_joined_channel",
                "member_left_channel",
                "message.channels",
                "message.im",
                "subteam_created",
                "subteam_members_changed",
                "subteam_updated",
                "user_change",
            ]
        },
    },
}


EVERYTHING: dict[str, Any] = MANIFEST | {
    "features": MANIFEST["features"] | {"unfurl_domains": ["example.com"]},
    "oauth_config": standalone.MANIFEST["oauth_config"],
    "settings": MANIFEST["settings"]
    | {"event_subscriptions": standalone.MANIFEST["settings"]["event_subscriptions"]},
}
"""The same app with every scope and event that is covered."""

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def make_sandbox() -> Iterator[MakeSandbox]:
    """Start sandboxes that stop with the test."""
    started: list[Sandbox] = []

    def make(
        org: dict[str, Any] = ORG,
        manifest: dict[str, Any] = MANIFEST,
        limits: RateLimits | bool = False,
        **more: Any,
    ) -> Sandbox:
        sandbox = Sandbox(World.from_dict(org), manifest, limits=limits, **more).start()
        started.append(sandbox)
        return sandbox

    yield make
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """The small company, without rate limits."""
    return make_sandbox(faults=Faults(seed=7), event_retries=(0.02, 0.05, 0.1))


@pytest.fixture
def whole(make_sandbox: MakeSandbox) -> Sandbox:
    """The small company with an app that may do everything."""
    return make_sandbox(manifest=EVERYTHING, event_retries=(0.02, 0.05, 0.1))


@pytest.fixture
def whole_app(whole: Sandbox) -> WebClient:
    """The client of the app that may do everything."""
    return client_of(whole)


@pytest.fixture
def heard(whole: Sandbox) -> Iterator[list[dict[str, Any]]]:
    """The events that this app is told of, in order of arrival."""
    events: list[dict[str, Any]] = []
    served = HttpApp(bolt_app(whole))

    def take(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        events.append(json.loads(body)["event"])
        return 200, {}, b""

    served.before = take  # not to Bolt, which drops what the app itself did
    whole.deliver_to(served.url)
    yield events
    whole.deliver_to(None)
    served.stop()


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The events of one type."""
    return [event for event in events if event["type"] == kind]


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """The error that a call is refused with."""
    with pytest.raises(SlackApiError) as raised:
        call(**arguments)
    return str(raised.value.response["error"])


@pytest.fixture
def client(sandbox: Sandbox) -> WebClient:
    """The app's client, without retries of its own."""
    return client_of(sandbox)


def client_of(sandbox: Sandbox, token: str | None = None, timeout: float = 5) -> WebClient:
    """A client for a sandbox."""
    client = WebClient(
        token=token or sandbox.bot_token, base_url=sandbox.api_url, retry_handlers=[]
    )
    client.timeout = timeout  # type: ignore[assignment] # declared int, but urllib takes fractions
    return client
