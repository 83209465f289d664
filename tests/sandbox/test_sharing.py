"""Files that people share: what the app hears, what it may fetch; menus whose options the app looks up."""

from typing import Any

import httpx
import pytest
from slack_bolt import App

from sandbox import NotPossible, Sandbox
from sandbox.blocks import layout
from sandbox.errors import SlackError
from tests.sandbox.apps import HttpApp, bolt_app
from tests.sandbox.conftest import MANIFEST, MakeSandbox, client_of
from tests.sandbox.test_web_api import refused


def _manifest() -> dict[str, Any]:
    scopes = MANIFEST["oauth_config"]["scopes"]
    settings = MANIFEST["settings"]
    events = settings["event_subscriptions"]
    return MANIFEST | {
        "oauth_config": {
            "scopes": scopes | {"bot": sorted({*scopes["bot"], "files:read", "im:history"})}
        },
        "settings": settings
        | {
            "event_subscriptions": events
            | {"bot_events": sorted({*events["bot_events"], "file_shared", "message.im"})}
        },
    }


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
    assert (said["subtype"], said["text"], said["channel_type"]) == ("file_share", "here", "im")
    (file,) = said["files"]
    assert (file["name"], file["mimetype"], file["size"]) == ("groups.csv", "text/csv", 10)
    assert told["file_id"] == told["file"]["id"] == file["id"]
    assert told["user_id"] == "U0ANA"
    token = sandbox.bot_token
    url = file["url_private"]
    with_token = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert (with_token.status_code, with_token.content) == (200, b"sex,n\nf,1\n")
    assert httpx.get(url, trust_env=False, follow_redirects=False).status_code == 302


def test_nobody_shares_where_they_are_not(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(manifest=_manifest())
    seat = sandbox.seat("U0BOB")
    with pytest.raises(NotPossible):
        seat.share("C0SECRET", "x.csv", b"x")


FORM = {
    "type": "modal", "callback_id": "form", "title": {"type": "plain_text", "text": "Form"}, "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [{
        "type": "input", "block_id": "file", "label": {"type": "plain_text", "text": "File"},
        "element": {"type": "file_input", "action_id": "it", "filetypes": ["csv"], "max_files": 1},
    }],
}  # fmt: skip


def test_a_file_in_a_form_goes_to_the_app_with_the_form(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(manifest=_manifest())
    app = bolt_app(sandbox)
    heard: list[dict[str, Any]] = []

    @app.view("form")
    def _form(ack: Any, view: dict[str, Any]) -> None:
        heard.append(view["state"]["values"]["file"]["it"])
        ack()

    served = HttpApp(app)
    sandbox.deliver_to(served.url)
    seat = sandbox.seat("U0ANA")
    opened = sandbox.world.views.open("U0ANA", layout.view(FORM, "modal"))
    csv, text = seat.upload("a.csv", b"x\n1\n"), seat.upload("a.txt", b"x")
    client = client_of(sandbox)
    assert refused(client.files_info, file=csv["id"]) == "file_not_found", "not yet"

    def sent(*files: dict[str, Any]) -> dict[str, str]:
        return seat.submit(opened.id, {"file": {"it": list(files)}}).errors

    assert sent() == {"file": "Please complete this required field."}
    assert sent(text) == {"file": "Please add files of these types: csv."}
    assert sent(csv, csv) == {"file": "Please add no more than 1 file."}
    assert heard == []
    assert sent(csv) == {}
    served.stop()
    assert heard == [{"type": "file_input", "files": [csv]}]
    assert client.files_info(file=csv["id"])["file"]["name"] == "a.csv"


def test_a_file_is_put_into_modals_only() -> None:
    with pytest.raises(SlackError) as raised:
        layout.message_blocks(FORM["blocks"])
    assert "file_input (not in a message)" in raised.value.findings[0]


def test_the_app_sends_a_file_into_a_conversation_that_it_is_in(make_sandbox: MakeSandbox) -> None:
    scopes = MANIFEST["oauth_config"]["scopes"]
    sandbox = make_sandbox(
        manifest=MANIFEST
        | {
            "oauth_config": {
                "scopes": scopes | {"bot": [*scopes["bot"], "files:write", "files:read"]}
            }
        }
    )
    client, seat = client_of(sandbox), sandbox.seat("U0ANA")
    made = client.files_upload_v2(
        channel="C0GENERAL", content="<p>hi</p>", filename="page.html", initial_comment="Here it is"
    )
    (shown,) = seat.messages("C0GENERAL")
    assert (shown.text, shown.user_id) == ("Here it is", "U0BOT")
    assert shown.file_ids == (made["files"][0]["id"],)
    begun = client.files_getUploadURLExternal(filename="a.txt", length=1)
    httpx.post(begun["upload_url"], content=b"x", trust_env=False)
    elsewhere = {"files": [{"id": begun["file_id"]}], "channel_id": "C0OUTSIDE"}
    assert refused(client.files_completeUploadExternal, **elsewhere) == "not_in_channel"
