"""Looking for a message whose sending has an unknown outcome, before it may be sent again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

from slack_sdk import WebClient

from bot.delivery.drafts import EVENT_TYPE, mark
from bot.slack_errors import Effect, classify
from workflows.delivery.outcomes import (
    Done,
    Limited,
    Locked,
    LookupFailed,
    NotThere,
    Outcome,
    TooEarly,
)
from workflows.delivery.pace import EVERYTHING, Pace
from workflows.delivery.records import Errand, Window

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
