"""Files that people share with mlgov: asked about, fetched with the token, and never from anywhere but Slack.

`fetch` is the one way to a file, and it takes whose it is: the token sees what anybody shared where mlgov is, and nobody
reaches by an id what is not theirs.
"""

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import failpoints
from bot.charts.drawing import Picture
from bot.deps import Deps
from bot.slack.errors import Effect, Failure, classify
from storage.db import CannotWrite, Database
from workflows.delivery import reads
from workflows.delivery.pace import Pace
from workflows.delivery.reads import Upload
from workflows.errors import InvalidInput
from workflows.people import service as people
from workflows.sources import http
from workflows.sources.http import TooLong

MOST_BYTES = 10_000_000
"""As much as Slack takes in a form."""
SECONDS = 10.0
QUICK = 1.5
"""Seconds of silence while somebody waits for a form to close; Slack gives it three in all."""
NOT_YOURS = "Slack shows mlgov no such file of yours"
_NOT_THERE = ("file_not_found", "file_deleted", "access_denied", "not_visible")
"""Slack's codes for a file that is not there, or not for mlgov."""
_SLACK = (".slack.com", ".slack-gov.com")
_PERMALINK = re.compile(
    r"https://[a-z0-9-]+(?:\.enterprise)?\.slack(?:-gov)?\.com/files/[A-Z0-9]+/(F[A-Z0-9]+)/\S*"
)


class NotFetched(InvalidInput):
    """A file that cannot be had. Its sentence is for who hands it in; `why` alone is for others."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}. Nothing was kept; you can share it again.", field="file")
        self.why = why


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it was when it was fetched. Its name is a stranger's words."""

    id: str
    name: str
    permalink: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of its bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def file_id_of(permalink: str | None) -> str | None:
    """The id of the file that one of Slack's permalinks leads to; None for any other link."""
    match = _PERMALINK.fullmatch(permalink or "")
    return match.group(1) if match else None


def fetch(deps: Deps, file_id: str, *, owner: str | None, seconds: float = SECONDS) -> Fetched:
    """A file with its bytes. Raises NotFetched with what the person who shared it can do.

    `owner` is the Slack id of who has to have put it into Slack: whoever acts, or for evidence that is kept, whoever
    handed it in. Somebody else's file is told like one that Slack does not show. `seconds` is how long its server may be
    silent.
    """
    try:
        answer = deps.slack.files_info(file=file_id)
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code == "missing_scope":
            raise NotFetched(
                "mlgov may not read files here: an administrator adds the scope `files:read` to the app"
            ) from None
        if code in _NOT_THERE:
            raise NotFetched(NOT_YOURS) from None
        raise NotFetched(f"Slack does not show it to mlgov ({code[:60]})") from None
    except OSError:
        raise NotFetched("Slack did not answer") from None
    info = answer["file"]
    if owner is None or not _is(deps, str(info.get("user") or ""), owner):
        raise NotFetched(NOT_YOURS)
    name = str(info.get("name") or info.get("title") or "The file")[:120]
    url = str(info.get("url_private_download") or info.get("url_private") or "")
    if info.get("is_external") or not url:
        raise NotFetched(
            f"{name} does not lie in Slack. Share the file itself, or give its link by *Hand in evidence*"
        )
    if int(info.get("size") or 0) > MOST_BYTES:
        raise NotFetched(
            f"{name} is larger than {MOST_BYTES // 1_000_000} MB. Keep it where it is: `mlgov model evidence NAME:VERSION TYPE --file FILE` takes its digest"
        )
    if not is_slack(url, deps.settings.slack_api_url):
        raise NotFetched(f"{name} lies on another server than Slack's")
    data = _download(url, deps.slack.token or "", name, seconds)
    return Fetched(file_id, name, str(info.get("permalink") or ""), data)


def _is(deps: Deps, user_id: str, owner: str) -> bool:
    """Whether both are Slack ids of one person: on a Grid somebody can have two."""
    if user_id == owner:
        return True
    with deps.db.read() as session:
        person = people.find_by_slack_id(session, deps.team.org_key, user_id)
    return person is not None and person.slack_id == owner


def is_slack(url: str, api: str) -> bool:
    """Whether the token may go there: Slack's own hosts, or the very one whose Web API is called."""
    asked, known = urlsplit(url), urlsplit(api)
    host = asked.hostname or ""
    if asked.scheme == "https" and host.endswith(_SLACK):
        return True
    return (asked.scheme, asked.netloc) == (known.scheme, known.netloc)


def _download(url: str, token: str, name: str, seconds: float) -> bytes:
    try:
        # A redirect would carry the token elsewhere, and to Slack's sign-in page at best.
        with (
            http.make_client(timeout=seconds) as client,
            client.stream("GET", url, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            if answer.status_code != 200:
                raise NotFetched(f"Slack did not hand out {name} (HTTP {answer.status_code})")
            return b"".join(http.read_pieces(answer, MOST_BYTES))
    except TooLong:
        raise NotFetched(f"{name} is larger than {MOST_BYTES // 1_000_000} MB") from None
    except httpx.HTTPError as error:
        raise NotFetched(
            f"{name} could not be fetched from Slack ({type(error).__name__})"
        ) from None


# --- Files on their way to Slack
#
# Pictures are drawn, uploaded as private files, and remembered by what they show; a document is
# sent to one conversation.

log = logging.getLogger(__name__)

TRIES = 2
"""A picture is worth one more try at once; after that the message goes out with its words."""

OutOfTime = Callable[[], bool]


class Later(Exception):
    """No picture can be uploaded before `wait` is over. `was_refused` says that Slack said so, with a 429."""

    def __init__(self, wait: timedelta, *, was_refused: bool) -> None:
        super().__init__(f"uploads wait {wait}")
        self.wait = wait
        self.was_refused = was_refused


class _OutOfTime(Exception):
    """The message must go out now."""


def never() -> bool:
    """There is all the time in the world."""
    return False


class Uploads:
    """Uploads each picture once. One per process; safe to call from many threads, never inside a transaction."""

    def __init__(self, database: Database, slack: WebClient, *, org_key: str, pace: Pace) -> None:
        self._database = database
        self._slack = slack
        self._org_key = org_key
        self._pace = pace
        self._http = http.make_client(timeout=pace.http_timeout)
        self._closed_until = 0.0
        self._alone = [threading.Lock() for _ in range(16)]
        """One picture is uploaded by one thread at a time; the next finds it there."""

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def known(self, pictures: Iterable[Picture]) -> dict[str, str]:
        """The files (key → id) of the pictures that can be shown at once."""
        uploads = self._find(list(pictures))
        return {key: one.file_id for key, one in uploads.items() if one.is_ready}

    def files(self, pictures: Sequence[Picture], *, is_over: OutOfTime = never) -> dict[str, str]:
        """The files (key → id) of the pictures that can be shown, uploading what is missing while there is time.

        What cannot be drawn, uploaded or looked at in time is left out; its words must do. Raises Later when uploads
        have to wait for Slack's rate limit; what was uploaded until then is kept.
        """
        uploads = self._find(pictures)
        for key, picture in {one.key: one for one in pictures}.items():
            if key in uploads:
                continue
            with self._alone[int(key[:2], 16) % len(self._alone)]:
                upload = self._find([picture]).get(key)
                upload = upload or self._upload(key, picture, is_over)
            if upload is not None:
                uploads[key] = upload
        waiting = {key: one for key, one in uploads.items() if not one.is_ready}
        ready = {key: one.file_id for key, one in uploads.items() if one.is_ready}
        return ready | self._await(waiting, is_over)

    def share(self, channel: str, name: str, data: bytes, words: str) -> None:
        """Send a file into a conversation, once: an answer that is lost is not repeated.

        Raises Later when uploads have to wait, and what Slack or the network says.
        """
        self._take_turn()
        try:
            self._steps(name, data, name, {"channel_id": channel, "initial_comment": words})
        except Exception as error:
            failure = _failure(error)
            if failure.effect is Effect.LIMITED:
                raise Later(failure.retry_after, was_refused=True) from None
            raise

    def forget(self, files: Mapping[str, str]) -> None:
        """Slack would not show these files (key → id): they are uploaded anew when they are needed again."""
        with suppress(CannotWrite):
            self._database.run(lambda session: reads.forget(session, files))

    def _find(self, pictures: Sequence[Picture]) -> dict[str, Upload]:
        if not pictures:
            return {}
        with self._database.read() as session:
            return reads.find(session, [one.key for one in pictures])

    # --- the three steps

    def _upload(self, key: str, picture: Picture, is_over: OutOfTime) -> Upload | None:
        if time.monotonic() < self._closed_until:
            return None
        try:
            data = picture.chart.png()
        except Exception:
            log.exception("a picture could not be drawn: %s", picture.title)
            return None
        self._take_turn()
        for attempt in range(TRIES):
            try:
                file_id = self._send(key, picture, data, is_over)
            except _OutOfTime:
                return None
            except Exception as error:
                if not self._again(_failure(error)) or attempt == TRIES - 1:
                    return None
                continue
            failpoints.hit("upload.completed")
            try:
                kept = self._database.run(partial(reads.keep, key=key, file_id=file_id))
            except CannotWrite:
                kept = Upload(key, file_id, is_ready=False)
            failpoints.hit("upload.kept")
            return kept
        return None

    def _send(self, key: str, picture: Picture, data: bytes, is_over: OutOfTime) -> str:
        name, shared = f"{key[:12]}.png", dict[str, Any]()
        return self._steps(name, data, picture.title, shared, is_over, alt_txt=picture.alt[:1000])

    def _steps(
        self,
        name: str,
        data: bytes,
        title: str,
        shared: Mapping[str, Any],
        is_over: OutOfTime = never,
        **described: str,
    ) -> str:
        """The three calls of an upload; `shared` says in which conversation it ends, if in one."""

        def step() -> None:
            if is_over():
                raise _OutOfTime

        step()
        begun = self._slack.files_getUploadURLExternal(filename=name, length=len(data), **described)
        failpoints.hit("upload.begun")
        step()
        answer = self._http.post(str(begun["upload_url"]), content=data)
        answer.raise_for_status()
        failpoints.hit("upload.sent")
        step()
        file_id = str(begun["file_id"])
        self._slack.files_completeUploadExternal(
            files=[{"id": file_id, "title": title[:200]}], **shared
        )
        return file_id

    def _take_turn(self) -> None:
        try:
            wait = self._database.run(
                lambda session: reads.wait(session, self._org_key, self._pace)
            )
        except CannotWrite:
            return  # Slack says so itself when it is too fast
        if wait > timedelta(0):
            raise Later(wait, was_refused=False)

    def _again(self, failure: Failure) -> bool:
        """Whether another try may help. Raises Later for a 429."""
        log.warning("a picture was not uploaded: %s", failure.code)
        match failure.effect:
            case Effect.LIMITED:
                raise Later(failure.retry_after, was_refused=True)
            case Effect.SCOPE:
                self._closed_until = time.monotonic() + self._pace.auth_pause
                return False
            case Effect.PASSING | Effect.UNKNOWN:
                return True
            case _:
                return False

    # --- until Slack has looked at it

    def _await(self, waiting: Mapping[str, Upload], is_over: OutOfTime) -> dict[str, str]:
        """Those of the pictures that Slack can show before the polls end."""
        left, ready = dict(waiting), dict[str, str]()
        for pause in (0.0, *self._pace.file_polls):
            if not left or is_over():
                break
            time.sleep(pause)
            for key, upload in tuple(left.items()):
                if self._is_ready(upload):
                    ready[key] = left.pop(key).file_id
        if ready:
            with suppress(CannotWrite):
                self._database.run(lambda session: reads.mark_ready(session, ready))
        if left:
            log.warning("Slack was not ready to show %s pictures in time", len(left))
        return ready

    def _is_ready(self, upload: Upload) -> bool:
        try:
            answer: Any = self._slack.files_info(file=upload.file_id)
        except Exception as error:
            failure = classify(error)
            if failure.effect is Effect.LIMITED:
                raise Later(failure.retry_after, was_refused=True) from None
            if failure.effect is Effect.SCOPE:
                # Without files:read nobody can tell; a block that comes too early is sent again in words.
                return True
            if failure.code in {"file_not_found", "file_deleted"}:
                self.forget({upload.key: upload.file_id})
            return False
        return bool(answer["file"].get("mimetype"))


def _failure(error: Exception) -> Failure:
    """What an exception of any of the three steps means."""
    if isinstance(error, httpx.HTTPStatusError):
        return Failure(Effect.PASSING, f"HTTP {error.response.status_code}")
    if isinstance(error, httpx.HTTPError):
        return Failure(Effect.UNKNOWN, f"no answer ({type(error).__name__})")
    return classify(error)
