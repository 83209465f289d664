"""What waits while everything is held, and which of it stands in Slack already. Asks Slack, sends nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient

from bot.delivery.rendering import mark
from bot.delivery.sender import Lookup, Stamps
from bot.slack.errors import Effect, classify
from storage.db import Database
from workflows import clock
from workflows.delivery import dead_letters, holding
from workflows.delivery.pace import Pace
from workflows.delivery.records import Address, HoldRecord, OutboxRow, Waits, Window

TRIES = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that waits. `ts` says that it stands in Slack already, `trouble` why that could not be found out."""

    row: OutboxRow
    channel: str | None
    ts: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What is held back, and why."""

    hold: HoldRecord
    messages: tuple[Seen, ...]
    waits: Waits


def review(
    database: Database,
    slack: WebClient,
    *,
    stamps: Stamps,
    pause: Callable[[float], None] = time.sleep,
) -> Review | None:
    """Look for everything that waits; None when nothing is held."""
    with database.read() as session:
        real, now = clock.both(session)
        hold = holding.find_current(session)
        if hold is None:
            return None
        window = holding.read_state(session, real).window or hold.window
        waits = holding.count_waits(session, now=now)
        rows = [dead_letters.show(session, row_id) for row_id in waits.posts]
        threads = {
            row.id: parent.ts
            for row in rows
            if row.thread_of is not None
            and (parent := dead_letters.show(session, row.thread_of)).ts
        }
    reader = _Reader(Lookup(Pace(), stamps), slack, window, pause)
    return Review(hold, tuple(reader.see(row, threads.get(row.id)) for row in rows), waits)


class _Reader:
    """Reads each conversation and each thread once."""

    def __init__(
        self, lookup: Lookup, slack: WebClient, window: Window, pause: Callable[[float], None]
    ) -> None:
        self._lookup = lookup
        self._slack = slack
        self._window = window
        self._pause = pause
        self._known: dict[tuple[str, str | None], dict[str, str] | str] = {}

    def see(self, row: OutboxRow, thread_ts: str | None) -> Seen:
        """Whether one message stands in Slack."""
        if row.thread_of is not None and thread_ts is None:
            return Seen(row, row.channel)  # its card does not stand there either
        channel = row.channel or self._open(Address.of(row.lane_key))
        if channel is None:
            return Seen(row, None, trouble="its conversation cannot be opened")
        place = (channel, thread_ts)
        if place not in self._known:
            self._known[place] = self._read(*place)
        known = self._known[place]
        if isinstance(known, str):
            return Seen(row, channel, trouble=known)
        return Seen(row, channel, ts=known.get(mark(row.dedupe_key)))

    def _open(self, address: Address) -> str | None:
        if not address.is_person:
            return address.slack_id
        answer = self._asked(lambda: self._slack.conversations_open(users=address.slack_id))
        return None if isinstance(answer, str) else str(answer["channel"]["id"])

    def _read(self, channel: str, thread_ts: str | None) -> dict[str, str] | str:
        review = self._asked(
            lambda: self._lookup.marks(self._slack, channel, thread_ts, self._window)
        )
        return review if isinstance(review, str) else dict(review)

    def _asked(self, ask: Callable[[], object]) -> Any:
        """What Slack answers, after it was waited for as it wants; its error's code when it refuses."""
        why = "ratelimited"
        for _ in range(TRIES):
            try:
                return ask()
            except Exception as error:
                failure = classify(error)
                why = failure.code
                if failure.effect is not Effect.LIMITED:
                    return why
                self._pause(failure.retry_after.total_seconds())
        return why
