"""Files in three steps, and the image blocks that show them."""

import time
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from sandbox import Sandbox
from tests.sandbox.conftest import MANIFEST, MakeSandbox, client_of
from tests.sandbox.test_web_api import refused

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture"
TITLE = {"type": "plain_text", "text": "T"}


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """A sandbox whose app may write and read files."""
    return make_sandbox(manifest=allowing("files:read", "files:write"))


@pytest.fixture
def client(sandbox: Sandbox) -> WebClient:
    return client_of(sandbox)


def allowing(*more: str) -> dict[str, Any]:
    """The manifest with more scopes."""
    scopes = MANIFEST["oauth_config"]["scopes"]
    return MANIFEST | {"oauth_config": {"scopes": scopes | {"bot": [*scopes["bot"], *more]}}}


def upload(client: WebClient, data: bytes = PNG, name: str = "a.png") -> str:
    """The id of a file that went through all three steps."""
    answer = client.files_upload_v2(file=data, filename=name, alt_txt="a picture")
    return str(answer["files"][0]["id"])


def put(url: str, data: bytes, **more: Any) -> httpx.Response:
    """Send bytes to an upload URL."""
    with httpx.Client(trust_env=False) as sender:
        return sender.post(url, content=data, **more)


def image(file: dict[str, str]) -> dict[str, Any]:
    """An image block."""
    return {"type": "image", "alt_text": "a", "slack_file": file}


def announced(client: WebClient, length: int = len(PNG)) -> tuple[str, str]:
    """The id and the upload URL of a file whose bytes did not come yet."""
    answer = client.files_getUploadURLExternal(filename="a.png", length=length)
    return answer["file_id"], answer["upload_url"]


def test_an_uploaded_picture_is_described_fetched_and_shown(
    client: WebClient, sandbox: Sandbox
) -> None:
    file_id = upload(client)
    file = client.files_info(file=file_id)["file"]
    assert (file["mimetype"], file["filetype"]) == ("image/png", "png")
    assert (file["name"], file["title"], file["size"]) == ("a.png", "a.png", len(PNG))
    assert (file["alt_txt"], file["user"]) == ("a picture", "U0BOT")
    assert file["channels"] == []
    assert not file["is_public"]
    bearer = {"authorization": f"Bearer {sandbox.bot_token}"}
    with httpx.Client(trust_env=False) as fetch:
        assert fetch.get(file["url_private"], headers=bearer).content == PNG
        assert fetch.get(file["url_private"]).status_code == 302
        shown = fetch.get(f"{sandbox.url}/sandbox/files/{file_id}")
        assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
        for foreign in ({"host": "evil.test"}, {"origin": "http://evil.test"}):
            answer = fetch.get(f"{sandbox.url}/sandbox/files/{file_id}", headers=foreign)
            assert answer.status_code in (403, 421)
        assert fetch.get(f"{sandbox.url}/sandbox/files/F0NOBODY1").status_code == 404
    by_id, by_url = image({"id": file_id}), image({"url": file["url_private"]})
    by_link = image({"url": file["permalink"]})
    client.chat_postMessage(channel="C0GENERAL", text="x", blocks=[by_id, by_url, by_link])
    accessory = {"type": "section", "text": TITLE, "accessory": by_id}
    client.chat_postMessage(channel="C0GENERAL", text="x", blocks=[accessory])
    client.views_publish(user_id="U0ANA", view={"type": "home", "blocks": [by_id]})
    client.views_open(
        trigger_id=sandbox.installation.issue_trigger("U0ANA"),
        view={"type": "modal", "title": TITLE, "blocks": [by_id]},
    )


@pytest.mark.parametrize("part", [{"length": 0}, {"length": ""}], ids=["nothing", "missing"])
def test_a_file_without_length(client: WebClient, part: dict[str, Any]) -> None:
    assert (
        refused(client.files_getUploadURLExternal, filename="a.png", **part) == "missing_argument"
    )


def test_what_cannot_be_announced(client: WebClient) -> None:
    ask = client.files_getUploadURLExternal
    assert refused(ask, filename="", length=5) == "invalid_arguments"
    assert refused(ask, filename="a", length="much") == "invalid_arguments"
    assert refused(ask, filename="a", length=2**31) == "file_upload_size_restricted"
    assert refused(ask, filename="a", length=5, alt_txt="x" * 1001) == "alt_txt_too_large"
    ask(filename="a", length=5, alt_txt="x" * 1000)


def test_bytes_come_once_and_as_many_as_announced(client: WebClient) -> None:
    file_id, url = announced(client)
    assert put(url, PNG + b"x").status_code == 400
    assert put(url, PNG[:-1]).status_code == 400
    assert put(f"{url}x", PNG).status_code == 400
    finish = client.files_completeUploadExternal
    assert refused(finish, files=[{"id": file_id}]) == "file_not_found"
    answer = put(url, PNG)
    assert (answer.status_code, answer.text) == (200, f"OK - {len(PNG)}")
    assert put(url, PNG).status_code == 400
    finish(files=[{"id": file_id, "title": "Named"}])
    assert client.files_info(file=file_id)["file"]["title"] == "Named"
    assert refused(finish, files=[{"id": file_id}]) == "file_update_failed"
    assert refused(finish, files=[{"id": "F0NOBODY1"}]) == "file_not_found"
    assert refused(finish, files=[]) == "invalid_arguments"
    assert refused(finish, files=[{"id": file_id}], channels="C0GENERAL") == "not_covered"


def test_bytes_may_come_as_a_form(client: WebClient) -> None:
    file_id, url = announced(client)
    with httpx.Client(trust_env=False) as sender:
        assert sender.post(url, files={"filename": ("a.png", PNG)}).status_code == 200
    client.files_completeUploadExternal(files=[{"id": file_id}])
    assert client.files_info(file=file_id)["file"]["mimetype"] == "image/png"


def why(call: Any, **arguments: Any) -> str:
    """The finding of a refusal."""
    with pytest.raises(SlackApiError) as raised:
        call(**arguments)
    return str(raised.value.response["response_metadata"]["messages"][0])


def test_a_block_shows_only_pictures_that_are_ready_and_the_apps(
    client: WebClient, sandbox: Sandbox
) -> None:
    post = client.chat_postMessage
    wrong = "[ERROR] invalid slack file [json-pointer:/blocks/0/slack_file]"
    announced_only, url = announced(client)
    put(url, PNG)
    foreign = sandbox.world.files.add("U0ANA", "a.png", PNG, "C0SECRET").id
    words = upload(client, b"only words", "a.txt")
    lying = upload(client, b"only words", "a.png")
    for file_id in (announced_only, foreign, words, lying, "F0NOBODY1"):
        block = image({"id": file_id})
        assert why(post, channel="C0GENERAL", text="x", blocks=[block]) == wrong
        view = {"type": "home", "blocks": [block]}
        place = "[json-pointer:/view/blocks/0/slack_file]"
        assert place in why(client.views_publish, user_id="U0ANA", view=view)
    assert refused(client.files_info, file=foreign) == "file_not_found"
    shared = sandbox.world.files.add("U0ANA", "a.gif", b"GIF89a..", "C0GENERAL").id
    post(channel="C0GENERAL", text="x", blocks=[image({"id": shared})])
    assert (
        refused(post, channel="C0GENERAL", text="x", blocks=[image({"id": "f1"})])
        == "invalid_blocks"
    )


def test_a_file_is_ready_only_after_a_while(client: WebClient, sandbox: Sandbox) -> None:
    sandbox.faults.file_lag = 0.2
    file_id = upload(client)
    assert client.files_info(file=file_id)["file"]["mimetype"] == ""
    block = image({"id": file_id})
    ask = {"channel": "C0GENERAL", "text": "x", "blocks": [block]}
    assert refused(client.chat_postMessage, **ask) == "invalid_blocks"
    time.sleep(0.25)
    assert client.files_info(file=file_id)["file"]["mimetype"] == "image/png"
    client.chat_postMessage(**ask)


def test_uploads_go_wrong_when_ordered(client: WebClient, sandbox: Sandbox) -> None:
    sandbox.faults.fail_before("upload", count=1)
    _, url = announced(client)
    assert put(url, PNG).status_code == 503
    assert put(url, PNG).status_code == 200
    sandbox.faults.lose_answer("upload", count=1)
    file_id, url = announced(client)
    with pytest.raises(httpx.TransportError):
        put(url, PNG)
    client.files_completeUploadExternal(files=[{"id": file_id}])
    sandbox.faults.refuse("files.completeUploadExternal", error="internal_error", count=1)
    with pytest.raises((SlackApiError, SlackRequestError)):
        upload(client)


def test_files_need_their_scopes(make_sandbox: MakeSandbox) -> None:
    client = client_of(make_sandbox())
    ask = client.files_getUploadURLExternal
    assert refused(ask, filename="a", length=1) == "missing_scope"
    assert refused(client.files_completeUploadExternal, files=[{"id": "F"}]) == ("missing_scope")
    assert refused(client.files_info, file="F") == "missing_scope"


def test_the_log_keeps_no_pictures(client: WebClient, sandbox: Sandbox) -> None:
    upload(client)
    (sent,) = sandbox.inspector.calls("upload")
    assert sent.body == f"({len(PNG)} bytes)"
