"""files.*: uploading in three steps, and asking what became of it."""

from email import message_from_bytes
from typing import Any

from sandbox.errors import SlackError
from sandbox.files import MOST_BYTES, File
from sandbox.installation import Installation
from sandbox.web_api.call import Answer, Call
from sandbox.web_api.chat import may_post

UPLOAD = "/upload/v1/"
"""Where bytes are sent to; the rest of the path is the secret of one file."""
MOST_ALT_TEXT = 1000


def get_upload_url(call: Call) -> Answer:
    """files.getUploadURLExternal."""
    name = call.needed("filename")
    try:
        length = int(call.needed("length", "missing_argument"))
    except ValueError:
        raise SlackError(
            "invalid_arguments", findings=["must provide an integer: length"]
        ) from None
    if length <= 0:
        raise SlackError("missing_argument")
    if length > MOST_BYTES:
        raise SlackError("file_upload_size_restricted")
    alt_text = call.text("alt_txt")
    if len(alt_text) > MOST_ALT_TEXT:
        raise SlackError("alt_txt_too_large")
    file = call.world.files.begin(name, length, alt_text)
    return {
        "ok": True,
        "upload_url": f"{call.installation.base_url}{UPLOAD}{file.secret}",
        "file_id": file.id,
    }


def complete_upload(call: Call) -> Answer:
    """files.completeUploadExternal: for private files, or shared in one conversation that the app is in."""
    if call.args.get("channels"):
        raise SlackError(
            "invalid_arguments",
            findings=["unsupported: channels (Slack's, not the sandbox's)"],
        )
    wanted = call.json("files", "invalid_arguments")
    if (
        not isinstance(wanted, list)
        or not wanted
        or not all(isinstance(one, dict) and one.get("id") for one in wanted)
    ):
        raise SlackError("invalid_arguments", findings=["must provide files: id"])
    files: list[tuple[File, str]] = []
    for one in wanted:
        file = call.world.files.find(str(one["id"]))
        if file is None or file.data is None:
            raise SlackError("file_not_found")
        if file.is_complete:
            raise SlackError("file_update_failed")
        files.append((file, str(one.get("title") or "")))
    channel = call.channel("channel_id") if call.args.get("channel_id") else None
    if channel is not None:
        may_post(call, channel)
    for file, title in files:
        call.world.files.complete(
            file, title=title, lag=call.installation.faults.file_lag
        )
        if channel is not None:
            file.shared_in.append(channel.id)
    if channel is not None:
        app = call.world.app
        call.world.messages.post(
            channel.id,
            app.bot_user_id,
            call.text("initial_comment"),
            bot_id=app.bot_id,
            app_id=app.id,
            file_ids=tuple(file.id for file, _ in files),
        )
    return {"ok": True, "files": [_shown(call, file) for file, _ in files]}


def info(call: Call) -> Answer:
    """files.info."""
    file = call.world.files.visible(call.needed("file", "file_not_found"))
    if file is None:
        raise SlackError("file_not_found")
    return {
        "ok": True,
        "file": _shown(call, file),
        "comments": [],
        "response_metadata": {"next_cursor": ""},
    }


def take(installation: Installation, secret: str, kind: str, body: bytes) -> str:
    """The bytes that came to an upload URL, bare or as the one part of a form; what Slack answers to them."""
    if kind.partition(";")[0].strip().lower() == "multipart/form-data":
        body = _first_part(kind, body)
    file = installation.world.files.take(secret, body)
    return f"OK - {file.length}"


def _first_part(kind: str, body: bytes) -> bytes:
    parsed = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    for part in parsed.walk():
        if not part.is_multipart():
            data = part.get_payload(decode=True)
            return data if isinstance(data, bytes) else b""
    return b""


def _shown(call: Call, file: File) -> dict[str, Any]:
    return call.world.files.as_json(file, call.installation.base_url)
