"""Files that people share: what the app hears, what it may fetch; menus whose options the app looks up."""

from typing import Any

import httpx
import pytest
from slack_bolt import App

from sandbox import NotPossible, Sandbox
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox


def _manifest() -> dict[str, Any]:
    scopes = MANIFEST["oauth_config"]["scopes"]
    settings = MANIFEST["settings"]
    events = settings["event_subscriptions"]
    return MANIFEST | {
        "oauth_config": {"scopes": scopes | {"bot": sorted({*scopes["bot"], "files:read", "im:history"})}},
        "settings": settings | {"event_subscriptions": events | {"bot_events": sorted({*events["bot_events"], "file_shared", "message.im"})}},
    }  # fmt: skip


def _app(sandbox: Sandbox, heard: list[dict[str, Any]]) -> App:
    app = bolt_app(sandbox)

    @app.event("message")
    def _message(event: dict[str, Any]) -> None:
        heard.append(event)

    @app.event("file_shared")
    def _file(event: dict[str, Any]) -> None:
        heard.append(event)

    return app


def test_a_shared_file_is_heard_of_twice_and_fetched_with_the_token(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(manifest=_manifest())
    heard: list[dict[str, Any]] = []
    served = HttpApp(_app(sandbox, heard))
    sandbox.deliver_to(served.url)
    seat = sandbox.seat("U0ANA")
    seat.share(seat.dm().id, "groups.csv", b"sex,n\nf,1\n", "here")
    assert sandbox.wait_idle()
    served.stop()
    said = next(one for one in heard if one["type"] == "message")
    told = next(one for one in heard if one["type"] == "file_shared")
    assert (said["subtype"], said["text"], said["channel_type"]) == ("file_share", "here", "im")  # fmt: skip
    (file,) = said["files"]
    assert (file["name"], file["mimetype"], file["size"]) == ("groups.csv", "text/csv", 10)  # fmt: skip
    assert told["file_id"] == told["file"]["id"] == file["id"]
    assert told["user_id"] == "U0ANA"
    token = sandbox.bot_token
    url = file["url_private"]
    with_token = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)  # fmt: skip
    assert (with_token.status_code, with_token.content) == (200, b"sex,n\nf,1\n")
    assert httpx.get(url, trust_env=False, follow_redirects=False).status_code == 302


def test_nobody_shares_where_they_are_not(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(manifest=_manifest())
    seat = sandbox.seat("U0BOB")
    with pytest.raises(NotPossible):
        seat.share("C0SECRET", "x.csv", b"x")
