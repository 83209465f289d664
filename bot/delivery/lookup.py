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
from workflows.delivery.records import Errand

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

    def find(
        self, slack: WebClient, errand: Errand, channel: str, real_now: datetime
    ) -> Outcome:
        """Whether the message stands in the conversation."""
        method = (
            "conversations.replies" if errand.thread_ts else "conversations.history"
        )
        try:
            if self._bot_id is None:
                self._bot_id = slack.auth_test().get("bot_id") or ""
            for message in self._messages(slack, errand, channel):
                if self._is_ours(message, errand):
                    return Done(real_now, channel, message["ts"], was_found=True)
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
        passed = real_now - errand.attempt_at - errand.jumped
        wait = timedelta(seconds=self._pace.late_accept) - passed
        return NotThere() if wait <= timedelta(0) else TooEarly(wait)

    def _messages(
        self, slack: WebClient, errand: Errand, channel: str
    ) -> Iterator[dict[str, Any]]:
        attempt = (
            errand.attempt_at if self._stamps == "real" else errand.attempt_governed_at
        )
        # By the clock as it is now, which may have been set back since the attempt.
        oldest = attempt - errand.lead - timedelta(seconds=self._pace.lookup_margin)
        asked: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{oldest.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": PAGE,
        }
        cursor: str | None = None
        while True:
            if errand.thread_ts:
                page = slack.conversations_replies(
                    ts=errand.thread_ts, cursor=cursor, **asked
                )
            else:
                page = slack.conversations_history(cursor=cursor, **asked)
            yield from page.get("messages") or ()
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return

    def _is_ours(self, message: dict[str, Any], errand: Errand) -> bool:
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") != EVENT_TYPE:
            return False
        if (metadata.get("event_payload") or {}).get("k") != mark(errand):
            return False
        return not self._bot_id or message.get("bot_id") in (None, self._bot_id)
