"""How an attempt ended, as the sender saw it. `settling` writes it down."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Done:
    """Slack took it. `began` is when the sending started, in real time; posts are paced from there."""

    began: datetime
    channel: str | None = None
    ts: str | None = None
    digest: str = ""
    is_final: bool = False
    was_found: bool = False
    """A look-up found it, so that what it shows is not known: the next edit is made, whatever it shows."""
    says: str = ""
    """What it says there, when a look-up found it."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The copy shows this already; no call was made."""

    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """There is nothing to send any more: the record is gone, or it expired."""

    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The copy that was to be edited does not stand in Slack any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Slack will never take this one."""

    why: str


@dataclass(frozen=True, slots=True)
class Limited:
    """HTTP 429: surely not done. `closes` means that the limit is the workspace's, not the channel's."""

    method: str
    retry_after: timedelta
    closes: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """The token, or a scope of it, was refused: surely not done, and nothing else by this method would be."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not done, for a reason that may pass. `counts` is False when no attempt was made at all."""

    why: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether Slack took it."""

    why: str


@dataclass(frozen=True, slots=True)
class TooEarly:
    """A look-up found nothing, but Slack may still publish it for so long."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class NotThere:
    """A look-up found nothing, long enough after the attempt: it may be sent again."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The look-up itself failed. `never` means that it will not succeed either: a scope is missing."""

    why: str
    never: bool = False


Outcome = (
    Done
    | Unchanged
    | Dropped
    | Gone
    | Refused
    | Limited
    | Locked
    | NotSent
    | Unknown
    | TooEarly
    | NotThere
    | LookupFailed
)
