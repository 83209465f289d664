"""Files that were uploaded: their three steps, who may show them, and when they are ready."""

import mimetypes
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.errors import SlackError
from sandbox.ids import new_id

if TYPE_CHECKING:
    from sandbox.world import World

MOST_BYTES = 1_073_741_824
"""Slack takes files of up to a gigabyte."""
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png", "PNG"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg", "JPEG"),
    (b"GIF87a", "image/gif", "gif", "GIF"),
    (b"GIF89a", "image/gif", "gif", "GIF"),
)
_OTHER = ("application/octet-stream", "binary", "Binary")
_IN_URL = re.compile(r"\b(F[A-Z0-9]{8,})/[^/?#]+$")


@dataclass(slots=True)
class File:
    """A file. It is announced, then its bytes come, then it is completed, and some time later it is ready.

    `shared_in` are the conversations that it was shared in; without any, only who uploaded it may use it, and the app
    where it was handed to it in a form (`is_given`).
    """

    id: str
    name: str
    length: int
    user_id: str
    created: int
    alt_text: str = ""
    title: str = ""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    data: bytes | None = None
    ready_at: float | None = None
    """Real monotonic time from which Slack knows what it is; None before it was completed."""
    shared_in: list[str] = field(default_factory=list)
    is_given: bool = False
    is_deleted: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether files.completeUploadExternal was called."""
        return self.ready_at is not None

    @property
    def is_ready(self) -> bool:
        """Whether Slack has looked at the file: before that it has no type, and no block can show it."""
        return self.ready_at is not None and time.monotonic() >= self.ready_at

    @property
    def kind(self) -> tuple[str, str, str]:
        """MIME type, Slack's file type and its name, by what the file begins with; three empty texts until ready."""
        if not self.is_ready:
            return ("", "", "")
        begins = self.data or b""
        for signature, *kind in _SIGNATURES:
            if begins.startswith(signature):
                return (kind[0], kind[1], kind[2])
        mimetype, _ = mimetypes.guess_type(self.name)
        ending = self.name.rpartition(".")[2].lower()
        if mimetype is None or mimetype.startswith("image/"):
            return _OTHER
        return (mimetype, ending, ending.upper())

    @property
    def is_picture(self) -> bool:
        """Whether an image block can show it: PNG, JPEG or GIF."""
        return self.kind[0].startswith("image/")


class Files:
    """The files of a world. Its methods trust the caller: the Web API checks first."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._files: dict[str, File] = {}

    def begin(self, name: str, length: int, alt_text: str = "") -> File:
        """Announce a file of the app's; its bytes come to the URL that holds its secret."""
        with self._world.lock:
            file = File(
                id=new_id("F"),
                name=name,
                length=length,
                user_id=self._world.app.bot_user_id,
                created=self._world.now_seconds(),
                alt_text=alt_text,
            )
            self._files[file.id] = file
            return file

    def take(self, secret: str, data: bytes) -> File:
        """The bytes of an announced file; raises SlackError for an unknown or used URL, and for a wrong length."""
        with self._world.lock:
            for file in self._files.values():
                if secrets.compare_digest(file.secret.encode(), secret.encode()):
                    break
            else:
                raise SlackError("file_not_found")
            if file.data is not None:
                raise SlackError("file_already_uploaded")
            if len(data) != file.length:
                raise SlackError("length_mismatch")
            file.data = data
            return file

    def complete(self, file: File, *, title: str, lag: float) -> None:
        """Finish an upload; the file is ready `lag` seconds (real) later."""
        with self._world.lock:
            file.title = title or file.name
            file.ready_at = time.monotonic() + lag

    def add(self, user_id: str, name: str, data: bytes, *shared_in: str) -> File:
        """A file that somebody else uploaded, for tests; who may use it depends on where it was shared."""
        with self._world.lock:
            file = self.begin(name, len(data))
            file.user_id, file.data, file.shared_in = user_id, data, list(shared_in)
            self.complete(file, title=name, lag=0)
            return file

    def tell_shared(self, file: File, user_id: str, channel_id: str) -> None:
        """Let the app hear that a file was shared where it is: a file_shared."""
        self._world.happen(
            {
                "type": "file_shared",
                "file_id": file.id,
                "user_id": user_id,
                "file": {"id": file.id},
                "channel_id": channel_id,
            },
            channel_id=channel_id,
        )

    def give(self, file_ids: Iterable[str]) -> None:
        """Let the app use files that came to it in a form."""
        with self._world.lock:
            for file_id in file_ids:
                if file_id in self._files:
                    self._files[file_id].is_given = True

    def all(self) -> list[File]:
        """Every file, oldest first."""
        with self._world.lock:
            return list(self._files.values())

    def delete(self, file: File) -> None:
        """Delete a file, as its owner can; a file_deleted. Messages that it was shared in keep a tombstone."""
        with self._world.lock:
            file.is_deleted, file.data = True, None
            self._world.happen({"type": "file_deleted", "file_id": file.id})

    def delete_all(self) -> None:
        """Delete every file, as an administrator or a retention rule would."""
        with self._world.lock:
            self._files.clear()

    def find(self, file_id: str) -> File | None:
        """A file by its id, in any state, or None."""
        return self._files.get(file_id)

    def visible(self, file_id: str) -> File | None:
        """A completed file that the app may use, or None: its own, one given to it, or one shared where it is."""
        with self._world.lock:
            file = self._files.get(file_id)
            if file is None or not file.is_complete or file.is_deleted:
                return None
            return file if self.reaches(file) else None

    def reaches(self, file: File) -> bool:
        """Whether the app could ever see a file: its own, one given to it, or one shared where it is."""
        bot = self._world.app.bot_user_id
        channels = self._world.channels
        shared = any(bot in channels[channel].members for channel in file.shared_in)
        return file.user_id == bot or file.is_given or shared

    def shows(self, slack_file: dict[str, Any]) -> bool:
        """Whether an image block of the app's may show this `slack_file`, given by `id` or by `url`."""
        file_id = slack_file.get("id")
        if file_id is None:
            match = _IN_URL.search(str(slack_file.get("url") or ""))
            file_id = match.group(1) if match else ""
        file = self.visible(str(file_id))
        return file is not None and file.is_picture

    def url(self, file: File, base_url: str) -> str:
        """Where the app may fetch the file with its token."""
        return f"{base_url}/files-pri/{self._world.app.team_id}-{file.id}/{file.id}/{file.name}"

    def as_json(self, file: File, base_url: str) -> dict[str, Any]:
        """The file as in files.info; of a deleted one only its id."""
        if file.is_deleted:
            return {"id": file.id, "mode": "tombstone"}
        mimetype, filetype, pretty = file.kind
        domain = self._world.home_team.domain
        content: dict[str, Any] = {
            "id": file.id,
            "created": file.created,
            "timestamp": file.created,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": mimetype,
            "filetype": filetype,
            "pretty_type": pretty,
            "user": file.user_id,
            "mode": "hosted",
            "editable": False,
            "is_external": False,
            "external_type": "",
            "size": file.length,
            "url_private": self.url(file, base_url),
            "permalink": f"https://{domain}.slack.com/files/{file.user_id}/{file.id}/{file.name}",
            "is_public": False,
            "public_url_shared": False,
            "channels": list(file.shared_in),
            "groups": [],
            "ims": [],
            "shares": {},
            "has_rich_preview": False,
            "file_access": "visible",
        }
        if file.alt_text:
            content["alt_txt"] = file.alt_text
        return content
