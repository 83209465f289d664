"""What the app answered to something that was sent to it."""

from dataclasses import dataclass, field
from typing import Any, Literal

Failure = Literal[
    "http_timeout", "too_many_redirects", "connection_failed", "ssl_error", "http_error", "no_app"
]
PayloadKind = Literal["interactive", "slash_commands", "events_api"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`failure` is None when the app answered in time and well; `status` is None over a socket.

    `body` is the answer as sent (over a socket: the envelope's payload, as JSON).
    """

    failure: Failure | None
    ms: float
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """Which repetition of an event this is, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A payload and how it goes: `name` is what faults and the log call it."""

    kind: PayloadKind
    name: str
    payload: dict[str, Any]
    retry: Retry | None = None
