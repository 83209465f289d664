"""The feed of changes: what a page needs to stay fresh."""

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Any

FeedItem = dict[str, Any]


class Feed:
    """A bounded, numbered list of changes that readers follow.

    An item is `{"n": int, "type": str, "user": id of the only person who may see it (if any), …}`.
    Types: `message`, `message_changed`, `message_deleted` (channel, ts, thread_ts),
    `ephemeral`, `ephemeral_changed`, `ephemeral_deleted` (user, channel, id),
    `modals` (user; the stack changed: view, change is open, push, update or close),
    `home` (user, view), `channel` (channel), `user` (who), `usergroup` (usergroup),
    `read` (user, channel), `exchange` (exchange: number in the inspector), `clock`.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._items: deque[FeedItem] = deque(maxlen=keep)
        self._changed = Condition()
        self._last = 0
        self._closed = False
        self._listeners: list[Callable[[FeedItem], None]] = []

    @property
    def last(self) -> int:
        """The number of the newest item; 0 before the first."""
        return self._last

    def append(self, type_: str, **data: Any) -> FeedItem:
        """Add a change and wake the readers."""
        with self._changed:
            self._last += 1
            item: FeedItem = {"n": self._last, "type": type_, **data}
            self._items.append(item)
            self._changed.notify_all()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(item)
        return item

    def listen(self, listener: Callable[[FeedItem], None]) -> Callable[[], None]:
        """Call `listener` (quick, never blocking) with each new item; returns how to stop."""
        with self._changed:
            self._listeners.append(listener)

        def stop() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def since(self, n: int, timeout: float = 0.0) -> list[FeedItem]:
        """The items after number `n`; waits up to `timeout` seconds for the first one."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._last <= n and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            fresh: list[FeedItem] = []
            for item in reversed(self._items):
                if item["n"] <= n:
                    break
                fresh.append(item)
        fresh.reverse()
        return fresh

    def close(self) -> None:
        """Let waiting readers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
