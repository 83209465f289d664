"""files.*: uploading in three steps, and asking what became of it."""

from email import message_from_bytes
from typing import Any

from sandbox.errors import SlackError
from sandbox.files import MOST_BYTES, File
from sandbox.installation import Installation
from sandbox.web_api.call import Answer, Call
from sandbox.web_api.chat import may_post, thread

UPLOAD = "/upload/v1/"
"""Where bytes are sent to; the rest of the path is the secret of one file."""
MOST_ALT_TEXT = 1000
_TYPES = {"all", "spaces", "snippets", "images", "gdocs", "zips", "pdfs"}


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
    wanted = call.json("files", "invalid_arguments")
    if (
        not isinstance(wanted, list)
        or not wanted
        or not all(isinstance(entry, dict) and entry.get("id") for entry in wanted)
    ):
        raise SlackError("invalid_arguments", findings=["must provide files: id"])
    files: list[tuple[File, str]] = []
    for entry in wanted:
        file = call.world.files.find(str(entry["id"]))
        if file is None or file.data is None:
            raise SlackError("file_not_found")
        if file.is_complete:
            raise SlackError("file_update_failed")
        files.append((file, str(entry.get("title") or "")))
    channel = call.channel("channel_id") if call.args.get("channel_id") else None
    thread_ts = None
    if channel is not None:
        may_post(call, channel)
        thread_ts = thread(call, channel)
    for file, title in files:
        call.world.files.complete(file, title=title, lag=call.installation.faults.file_lag)
        if channel is not None:
            file.shared_in.append(channel.id)
    if channel is not None:
        app = call.world.app
        call.world.messages.post(
            channel.id,
            app.bot_user_id,
            call.text("initial_comment"),
            thread_ts=thread_ts,
            bot_id=app.bot_id,
            app_id=app.id,
            file_ids=tuple(file.id for file, _ in files),
        )
        for file, _ in files:
            call.world.files.tell_shared(file, app.bot_user_id, channel.id)
    return {"ok": True, "files": [_shown(call, file) for file, _ in files]}


def info(call: Call) -> Answer:
    """files.info."""
    file_id = call.needed("file", "file_not_found")
    file = call.world.files.visible(file_id)
    if file is None:
        raise SlackError(_why_not(call, file_id))
    return {
        "ok": True,
        "file": _shown(call, file),
        "comments": [],
        "response_metadata": {"next_cursor": ""},
    }


def list_(call: Call) -> Answer:
    """files.list: the files that the app may see, newest first, by page and count."""
    call.needs_team()
    kinds = _kinds(call)
    user_id, channel_id = call.text("user"), call.text("channel")
    if user_id:
        call.user(user_id)
    since, until = _moment(call, "ts_from"), _moment(call, "ts_to")
    files = [
        file
        for file in reversed(call.world.files.all())
        if call.world.files.visible(file.id) is not None
        and user_id in ("", file.user_id)
        and (not channel_id or channel_id in file.shared_in)
        and (since is None or file.created >= since)
        and (until is None or file.created <= until)
        and (kinds is None or _kind(file) in kinds)
    ]
    count = call.whole("count", 100, 1, 1000)
    page = call.whole("page", 1, 1, 1_000_000)
    start = (page - 1) * count
    return {
        "ok": True,
        "files": [_shown(call, file) for file in files[start : start + count]],
        "paging": {
            "count": count,
            "total": len(files),
            "page": page,
            "pages": -(-len(files) // count),
        },
    }


def _kinds(call: Call) -> set[str] | None:
    """The types asked for; None for all. Raises `unknown_type`."""
    asked = {kind.strip() for kind in call.text("types", "all").split(",")}
    if not asked <= _TYPES:
        raise SlackError("unknown_type")
    return None if "all" in asked else asked


def _kind(file: File) -> str:
    mimetype, filetype, _ = file.kind
    if mimetype.startswith("image/"):
        return "images"
    return {"pdf": "pdfs", "zip": "zips"}.get(filetype, "")


def _moment(call: Call, name: str) -> float | None:
    value = call.text(name)
    try:
        return float(value) if value and value != "now" else None
    except ValueError:
        raise SlackError(
            "invalid_arguments", findings=[f"must provide a timestamp: {name}"]
        ) from None


def delete(call: Call) -> Answer:
    """files.delete: the app's own files; where they were shared, a tombstone stays."""
    file_id = call.needed("file", "file_not_found")
    file = call.world.files.visible(file_id)
    if file is None:
        raise SlackError(_why_not(call, file_id))
    if file.user_id != call.world.app.bot_user_id:
        raise SlackError("cant_delete_file")
    call.world.files.delete(file)
    return {"ok": True}


def _why_not(call: Call, file_id: str) -> str:
    """Why a file can't be used: `file_deleted` when the app could see it until then, else `file_not_found`."""
    file = call.world.files.find(file_id)
    gone = file is not None and file.is_deleted and call.world.files.reaches(file)
    return "file_deleted" if gone else "file_not_found"


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
