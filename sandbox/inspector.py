"""A bounded log of every request between the stand-in and the app, both ways, without secrets."""

import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Lock
from typing import Any, Literal
from urllib.parse import parse_qsl

# --- The feed of changes
#
# what a page needs to stay fresh.

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


# --- A bounded log of every request between the stand-in and the app, both ways, without
#     secrets

Direction = Literal["to_slack", "to_app"]
_SECRET_HEADERS = frozenset({"authorization", "x-slack-signature", "cookie"})
_SECRET_FIELDS = frozenset({"token", "client_secret"})
_SECRET_TEXT = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+")
_REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    `body` and `answer` are parsed where they were forms or JSON. `status` is None when no answer
    came (or over a socket). `note` says which fault was played, if any.
    """

    n: int
    at: datetime
    direction: Direction
    transport: Literal["http", "socket"]
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int | None
    answer: Any
    ms: float
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Raw:
    n: int
    at: datetime
    direction: Direction
    transport: Literal["http", "socket"]
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None
    answer: bytes
    ms: float
    note: str | None


class Inspector:
    """Keeps the last `keep` exchanges. What is kept raw is read and redacted when it is shown."""

    def __init__(self, keep: int = 1000) -> None:
        self._items: deque[_Raw] = deque(maxlen=keep)
        self._lock = Lock()
        self._last = 0

    def record(
        self,
        direction: Direction,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        body: bytes,
        status: int | None,
        answer: bytes,
        ms: float,
        transport: Literal["http", "socket"] = "http",
        note: str | None = None,
    ) -> int:
        """Log an exchange; returns its number."""
        at = datetime.now(UTC)
        with self._lock:
            self._last += 1
            raw = _Raw(
                self._last,
                at,
                direction,
                transport,
                method,
                path,
                headers,
                body,
                status,
                answer,
                ms,
                note,
            )
            self._items.append(raw)
            return raw.n

    def since(self, n: int = 0, limit: int = 200) -> list[Exchange]:
        """The newest `limit` exchanges after number `n`, oldest first."""
        with self._lock:
            raws = [raw for raw in self._items if raw.n > n][-limit:]
        return [_shown(raw) for raw in raws]

    def find(self, n: int) -> Exchange | None:
        """One exchange by its number, or None when it is forgotten."""
        with self._lock:
            raw = next((raw for raw in self._items if raw.n == n), None)
        return _shown(raw) if raw else None

    def calls(self, path: str) -> list[Exchange]:
        """What the app asked of one Web API method (`chat.postMessage`), oldest first."""
        with self._lock:
            raws = [raw for raw in self._items if raw.path in (path, f"/api/{path}")]
        return [_shown(raw) for raw in raws]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()


def _shown(raw: _Raw) -> Exchange:
    headers = {
        name: _REDACTED if name.lower() in _SECRET_HEADERS else _without_tokens(value)
        for name, value in raw.headers.items()
    }
    kind = next((v for k, v in raw.headers.items() if k.lower() == "content-type"), "")
    return Exchange(
        raw.n,
        raw.at,
        raw.direction,
        raw.transport,
        raw.method,
        _without_tokens(raw.path),
        headers,
        _parsed(raw.body, kind),
        raw.status,
        _parsed(raw.answer, "application/json"),
        raw.ms,
        raw.note,
    )


def _parsed(data: bytes, kind: str) -> Any:
    text = data.decode("utf-8", "replace")
    if not text:
        return None
    if "x-www-form-urlencoded" in kind:
        return {
            key: _REDACTED if key in _SECRET_FIELDS else _json_or_text(value)
            for key, value in parse_qsl(text, keep_blank_values=True)
        }
    return _redacted(_json_or_text(text))


def _json_or_text(text: str) -> Any:
    if text[:1] in "{[":
        try:
            return _redacted(json.loads(text))
        except ValueError:
            pass
    return _without_tokens(text)


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _REDACTED if key in _SECRET_FIELDS else _redacted(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_redacted(one) for one in value]
    return _without_tokens(value) if isinstance(value, str) else value


def _without_tokens(text: str) -> str:
    return _SECRET_TEXT.sub(_REDACTED, text) if "x" in text else text
