"""Doing one errand against Slack, and saying how it ended. Writes nothing."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from sqlalchemy.orm import Session

from bot import failpoints
from bot.charts import drawing
from bot.charts.drawing import Picture
from bot.delivery.rendering import EVENT_TYPE, Draft, Drafts, View, client_msg_id, mark, metadata
from bot.slack.client import Observer, web_client
from bot.slack.errors import Effect, Failure, classify
from bot.slack.files import Later, OutOfTime, Uploads
from bot.web import metrics
from storage.db import Database, DatabaseBusy
from storage.enums import Op
from workflows import clock
from workflows.delivery.pace import EVERYTHING, Pace
from workflows.delivery.reads import METHOD
from workflows.delivery.records import Address, Errand, Window
from workflows.delivery.settling import (
    Done,
    Dropped,
    Gone,
    Limited,
    Locked,
    LookupFailed,
    NotSent,
    NotThere,
    Outcome,
    Refused,
    TooEarly,
    Unchanged,
    Unknown,
)

# --- The Slack client that delivery sends with
#
# it never repeats a call by itself.


def client(
    token: str,
    *,
    base_url: str = "https://slack.com/api/",
    timeout: float = 10.0,
    observer: Observer | None = None,
) -> WebClient:
    """A client whose calls fail after `timeout` seconds and are tried once.

    slack_sdk's own default repeats a call whose connection broke, which posts twice when only the answer was lost.
    """
    return web_client(token, base_url=base_url, timeout=timeout, observer=observer)


def check(slack: Any) -> None:
    """Refuse a client that repeats calls. Raises ValueError."""
    if slack.retry_handlers:
        raise ValueError(
            "Delivery needs a WebClient(retry_handlers=[]): a client that repeats calls posts twice."
        )


# --- Sending with pictures, and without them when Slack will not have them
#
# the words are never held up.

REFUSED = {"invalid_blocks", "invalid_arguments"}
"""What Slack says to a message or a view whose file was deleted, or that it did not look at yet."""

PATIENCE = timedelta(seconds=30)
"""How long words wait for their pictures when Slack limits uploads; when it says longer, they go out alone."""

Send = Callable[[list[dict[str, Any]]], SlackResponse]


class Illustrator:
    """Puts files in the place of pictures."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def files(self, pictures: tuple[Picture, ...], is_over: OutOfTime) -> dict[str, str] | Outcome:
        """The files (key → id) of the pictures that can be shown; Limited when uploads have to wait."""
        if not pictures:
            return {}
        try:
            return self._uploads.files(pictures, is_over=is_over)
        except Later as later:
            if later.wait > PATIENCE:
                return {}
            return Limited(METHOD, later.wait, closes=later.was_refused)

    def send(
        self, draft: Draft, files: Mapping[str, str], call: Send
    ) -> tuple[SlackResponse, Draft]:
        """Send the draft with its files; what Slack answered, and the draft as people see it.

        When Slack refuses the blocks, which is certain, the files are forgotten and the words go out alone.
        """
        complete = draft.with_pictures(files)
        try:
            return call(drawing.place(complete.blocks, files)), complete
        except SlackApiError as error:
            if not files or classify(error).code not in REFUSED:
                raise
        self._uploads.forget(files)
        bare = draft.with_pictures({})
        return call(bare.blocks), bare


# --- Looking for a message whose sending has an unknown outcome, before it may be sent again

PAGE = 200

Stamps = Literal["real", "governed"]


class Lookup:
    """Finds our own messages by the mark in their metadata.

    `stamps` says by which time message timestamps are made: Slack's are real, a stand-in's are governed.
    """

    def __init__(self, pace: Pace, stamps: Stamps) -> None:
        self._pace = pace
        self._stamps = stamps
        self._bot_id: str | None = None

    def find(self, slack: WebClient, errand: Errand, channel: str, real_now: datetime) -> Outcome:
        """Whether the message stands in the conversation."""
        method = "conversations.replies" if errand.thread_ts else "conversations.history"
        try:
            if self._bot_id is None:
                self._bot_id = slack.auth_test().get("bot_id") or ""
            for message in self._messages(slack, errand, channel):
                if self._mark(message) == mark(errand.dedupe_key):
                    return Done(
                        real_now,
                        channel,
                        message["ts"],
                        was_found=True,
                        says=str(message.get("text", "")),
                    )
        except Exception as error:
            failure = classify(error)
            match failure.effect:
                case Effect.LIMITED:
                    return Limited(method, failure.retry_after, closes=True)
                case Effect.TOKEN:
                    return Locked(EVERYTHING, failure.code)
                case Effect.SCOPE | Effect.PERMANENT:
                    return LookupFailed(failure.code, never=True)
                case _:
                    return LookupFailed(failure.code)
        sent_until = errand.attempt_at + errand.jumped
        if errand.window is not None:
            sent_until = max(sent_until, errand.window.real_until)
        wait = timedelta(seconds=self._pace.late_accept) - (real_now - sent_until)
        return NotThere() if wait <= timedelta(0) else TooEarly(wait)

    def marks(
        self, slack: WebClient, channel: str, thread_ts: str | None, window: Window
    ) -> dict[str, str]:
        """Everything of ours that was posted in a conversation or thread in a span: the ts by mark.

        Raises what the client raises.
        """
        if self._bot_id is None:
            self._bot_id = slack.auth_test().get("bot_id") or ""
        is_real = self._stamps == "real"
        messages = self._read(
            slack,
            channel,
            thread_ts,
            window.real_from if is_real else window.governed_from,
            window.real_until if is_real else window.governed_until,
        )
        return {
            marked: message["ts"]
            for message in messages
            if (marked := self._mark(message)) is not None
        }

    def _messages(self, slack: WebClient, errand: Errand, channel: str) -> Iterator[dict[str, Any]]:
        attempt = errand.attempt_at if self._stamps == "real" else errand.attempt_governed_at
        latest: datetime | None = None
        if (window := errand.window) is not None:
            latest = window.real_until if self._stamps == "real" else window.governed_until
        # By the clock as it is now, which may have been set back since the attempt.
        oldest = attempt - errand.lead
        yield from self._read(slack, channel, errand.thread_ts, oldest, latest)

    def _read(
        self,
        slack: WebClient,
        channel: str,
        thread_ts: str | None,
        oldest: datetime,
        latest: datetime | None,
    ) -> Iterator[dict[str, Any]]:
        margin = timedelta(seconds=self._pace.lookup_margin)
        asked: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{(oldest - margin).timestamp():.6f}",
            "include_all_metadata": True,
            "limit": PAGE,
        }
        if latest is not None:
            asked["latest"] = f"{(latest + margin).timestamp():.6f}"
        cursor: str | None = None
        while True:
            if thread_ts:
                page = slack.conversations_replies(ts=thread_ts, cursor=cursor, **asked)
            else:
                page = slack.conversations_history(cursor=cursor, **asked)
            yield from page.get("messages") or ()
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return

    def _mark(self, message: dict[str, Any]) -> str | None:
        """The mark of one of our own messages; None for anybody else's."""
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") != EVENT_TYPE:
            return None
        if self._bot_id and message.get("bot_id") not in (None, self._bot_id):
            return None
        marked = (metadata.get("event_payload") or {}).get("k")
        return str(marked) if marked is not None else None


# --- Doing one errand against Slack, and saying how it ended
#
# Writes nothing.

log = logging.getLogger(__name__)

T = TypeVar("T")

Courier = Callable[[Errand], Outcome]
"""Sends an event to a system outside."""

Home = Callable[[Session, str], View | None]
"""The App Home of a person, by their opaque id; None when there is nobody to show it to."""


@dataclass(frozen=True, slots=True)
class Anchor(Generic[T]):
    """The place outside that keeps the ledger's heads and who was erased: `read` it now, then `keep` it, outside any
    transaction. What reads as None has nothing to tell.

    `keep` must bear being called twice with one thing.
    """

    read: Callable[[Session, Errand, datetime], T | None]
    keep: Callable[[T], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How an errand ended, and the conversation that was opened for it."""

    outcome: Outcome
    opened: str | None = None


class Sender:
    """Does errands. Thread-safe; `slack` is shared by all workers."""

    def __init__(
        self,
        database: Database,
        slack: WebClient,
        drafts: Drafts,
        uploads: Uploads,
        *,
        home: Home,
        anchor: Anchor[Any] | None,
        pace: Pace,
        stamps: Stamps,
        guards: bool = True,
        courier: Courier | None = None,
    ) -> None:
        self._database = database
        self._courier = courier
        self._slack = slack
        self._drafts = drafts
        self._pictures = Illustrator(uploads)
        self._home = home
        self._anchor = anchor
        self._pace = pace
        self._guards = guards
        self._lookup = Lookup(pace, stamps)
        self._lock = threading.Lock()
        self._limited: dict[str, float] = {}

    def perform(self, errand: Errand, claimed_at: float) -> Result:
        """Send it, or look it up first. `claimed_at` is the monotonic time before the claim."""
        match errand.op:
            case Op.POST:
                return self._post(errand, claimed_at)
            case Op.UPDATE:
                return Result(self._update(errand, claimed_at))
            case Op.DELETE:
                return Result(self._delete(errand, claimed_at))
            case Op.HOME:
                return Result(self._publish(errand, claimed_at))
            case Op.ANCHOR:
                return Result(self._keep_outside(errand))
            case Op.WEBHOOK:
                return Result(
                    self._courier(errand)
                    if self._courier
                    else NotSent("webhooks are not sent here")
                )

    def _is_late(self, claimed_at: float) -> bool:
        """Whether the lease might run out before a call that starts now is over."""
        return self._guards and time.monotonic() - claimed_at >= self._pace.guard

    def _files(self, pictures: tuple[Picture, ...], claimed_at: float) -> dict[str, str] | Outcome:
        """The files of a message's pictures, as many as could be had in time; a refusal when it must wait for them."""
        end = claimed_at + min(self._pace.upload_budget, self._pace.guard - self._pace.http_timeout)
        return self._pictures.files(pictures, lambda: self._guards and time.monotonic() >= end)

    def _real(self, errand: Errand, claimed_at: float) -> datetime:
        return errand.real_now + timedelta(seconds=time.monotonic() - claimed_at)

    def _post(self, errand: Errand, claimed_at: float) -> Result:
        channel, opened = errand.channel, None
        if channel is None:
            address = Address.of(errand.lane)
            channel = address.slack_id
            if address.is_person:
                try:
                    answer = self._slack.conversations_open(users=address.slack_id)
                    channel = opened = str(answer["channel"]["id"])
                except Exception as error:
                    return Result(self._not_opened(errand, classify(error)))
                failpoints.hit("open.after")
            else:
                opened = channel
        if errand.is_unknown:
            failpoints.hit("lookup.before")
            outcome = self._lookup.find(
                self._slack, errand, channel, self._real(errand, claimed_at)
            )
            failpoints.hit("lookup.after")
            if isinstance(outcome, Done) and errand.window and errand.subject is None:
                outcome = self._accept_found(errand, channel, outcome)
            return Result(outcome, opened)
        return Result(self._send(errand, channel, claimed_at), opened)

    def _send(self, errand: Errand, channel: str, claimed_at: float) -> Outcome:
        draft = self._draft(errand, channel)
        if not isinstance(draft, Draft):
            return draft
        files = self._files(draft.pictures, claimed_at)
        if not isinstance(files, dict):
            return files
        if self._is_late(claimed_at):
            return NotSent("the lease was nearly over", counts=False)
        began = self._real(errand, claimed_at)

        def post(blocks: list[dict[str, Any]]) -> SlackResponse:
            return self._slack.chat_postMessage(
                channel=channel,
                text=draft.text,
                blocks=blocks,
                thread_ts=errand.thread_ts,
                metadata=metadata(errand),
                client_msg_id=client_msg_id(errand),
                unfurl_links=False,
                unfurl_media=False,
            )

        failpoints.hit("send.before")
        try:
            answer, posted = self._pictures.send(draft, files, post)
        except Exception as error:
            failpoints.hit("send.after")
            return self._not_posted(errand, classify(error))
        failpoints.hit("send.after")
        return Done(
            began,
            str(answer.get("channel") or channel),
            str(answer["ts"]),
            posted.digest,
            posted.is_final,
        )

    def _accept_found(self, errand: Errand, channel: str, posted: Done) -> Outcome:
        """A message from a time that this database does not know says what was true then; it follows no record, so that
        it is corrected here where something else is true now."""
        draft = self._draft(errand, channel)
        if not isinstance(draft, Draft) or draft.text == posted.says or not posted.ts:
            return posted
        bare = draft.with_pictures({})
        try:
            self._slack.chat_update(
                channel=channel, ts=posted.ts, text=bare.text, blocks=bare.blocks
            )
        except Exception as error:
            failure = classify(error)
            if failure.effect is Effect.LIMITED:
                return Limited("chat.update", failure.retry_after, closes=True)
            log.warning(
                "message %s stands in Slack as it was said before the copy came back, and cannot be corrected (%s)",
                errand.id,
                failure.code,
            )
        return posted

    def _not_posted(self, errand: Errand, failure: Failure) -> Outcome:
        """Posting is limited by channel; when a second channel is limited as well, the limit is the workspace's."""
        closes = False
        if failure.effect is Effect.LIMITED:
            now = time.monotonic()
            recent = now - max(failure.retry_after.total_seconds(), 60 * self._pace.scale)
            with self._lock:
                closes = any(
                    at >= recent for lane, at in self._limited.items() if lane != errand.lane
                )
                self._limited = {lane: at for lane, at in self._limited.items() if at >= recent}
                self._limited[errand.lane] = now
        return _failed("chat.postMessage", failure, closes=closes)

    def _update(self, errand: Errand, claimed_at: float) -> Outcome:
        copy = errand.copy
        if copy is None:
            return Dropped("its message is gone")
        draft = self._draft(errand, copy.channel)
        if not isinstance(draft, Draft):
            return draft
        if draft.digest == copy.shown_hash and not errand.is_unknown:
            return Unchanged(draft.is_final)
        files = self._files(draft.pictures, claimed_at)
        if not isinstance(files, dict):
            return files
        as_far = draft.with_pictures(files)
        if as_far.digest == copy.shown_hash and not errand.is_unknown:
            return Unchanged(draft.is_final)
        if self._is_late(claimed_at):
            return NotSent("the lease was nearly over", counts=False)
        began = self._real(errand, claimed_at)

        def edit(blocks: list[dict[str, Any]]) -> SlackResponse:
            return self._slack.chat_update(
                channel=copy.channel, ts=copy.ts, text=draft.text, blocks=blocks
            )

        failpoints.hit("send.before")
        try:
            _, edited = self._pictures.send(draft, files, edit)
        except Exception as error:
            failpoints.hit("send.after")
            return _failed("chat.update", classify(error))
        failpoints.hit("send.after")
        return Done(began, copy.channel, copy.ts, edited.digest, edited.is_final)

    def _delete(self, errand: Errand, claimed_at: float) -> Outcome:
        copy = errand.copy
        if copy is None:
            return Dropped("its message is gone")
        if self._is_late(claimed_at):
            return NotSent("the lease was nearly over", counts=False)
        try:
            self._slack.chat_delete(channel=copy.channel, ts=copy.ts)
        except Exception as error:
            return _failed("chat.update", classify(error))
        return Gone("deleted")

    def _publish(self, errand: Errand, claimed_at: float) -> Outcome:
        person_id = str(errand.notice.get("person_id", ""))
        try:
            with self._database.read() as session:
                view = self._home(session, person_id)
        except DatabaseBusy:
            raise
        except Exception:
            log.exception("the App Home of %s cannot be rendered", person_id)
            return NotSent("cannot be rendered")
        if view is None:
            return Dropped("there is nobody to show it to")
        files = self._files(view.pictures, claimed_at)
        if not isinstance(files, dict):
            return files
        draft = Draft("", view.view["blocks"], False, view.pictures)
        if self._is_late(claimed_at):
            return NotSent("the lease was nearly over", counts=False)
        began = self._real(errand, claimed_at)

        def publish(blocks: list[dict[str, Any]]) -> SlackResponse:
            return self._slack.views_publish(
                user_id=Address.of(errand.lane).slack_id, view={**view.view, "blocks": blocks}
            )

        failpoints.hit("send.before")
        try:
            self._pictures.send(draft, files, publish)
        except Exception as error:
            failpoints.hit("send.after")
            return _failed("views.publish", classify(error))
        failpoints.hit("send.after")
        return Done(began)

    def _keep_outside(self, errand: Errand) -> Outcome:
        if self._anchor is None:
            return Dropped("no anchor is set")
        with self._database.read() as session:
            now = clock.now(session)
            noted = self._anchor.read(session, errand, now)
        if noted is None:
            return Dropped("there is nothing to keep any more")
        try:
            self._anchor.keep(noted)
        except Exception as error:
            metrics.ANCHOR_FAILURES.inc()
            log.warning("the anchor did not take what it should keep: %s", error)
            return NotSent(f"the anchor did not take it ({type(error).__name__})")
        return Done(now)

    def _draft(self, errand: Errand, channel: str) -> Draft | Outcome:
        try:
            with self._database.read() as session:
                draft = self._drafts.draft(session, errand, channel)
        except DatabaseBusy:
            raise
        except Exception as error:
            log.exception("message %s (%s) cannot be rendered", errand.id, errand.kind)
            return NotSent(f"cannot be rendered ({type(error).__name__})")
        return draft if draft is not None else Dropped("there is nothing to show any more")

    def _not_opened(self, errand: Errand, failure: Failure) -> Outcome:
        """Opening a direct message sends nothing, so that a failure of it is never in doubt."""
        if failure.effect is Effect.UNKNOWN:
            failure = Failure(Effect.PASSING, failure.code)
        outcome = _failed("conversations.open", failure)
        if errand.is_unknown and isinstance(outcome, NotSent | Refused):
            return LookupFailed(failure.code, never=isinstance(outcome, Refused))
        return outcome


def _failed(method: str, failure: Failure, *, closes: bool = True) -> Outcome:
    match failure.effect:
        case Effect.PERMANENT:
            return Refused(failure.code)
        case Effect.TOKEN:
            return Locked(EVERYTHING, failure.code)
        case Effect.SCOPE:
            return Locked(method, failure.code)
        case Effect.GONE:
            return Gone(failure.code)
        case Effect.LIMITED:
            return Limited(method, failure.retry_after, closes)
        case Effect.PASSING:
            return NotSent(failure.code)
        case Effect.UNKNOWN:
            return Unknown(failure.code)
