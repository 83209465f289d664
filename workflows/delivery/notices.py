"""Notices to administrators about delivery itself."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class LettersDied(Notice):
    """Messages of one lane are dead letters. One that is dead itself is not announced."""

    kind: ClassVar[str] = "delivery.dead"
    lane: str


@dataclass(frozen=True, slots=True)
class CopyRestored(Notice):
    """A copy of the database was put in place, and is served again in full."""

    kind: ClassVar[str] = "delivery.restored"
    hold: int


@dataclass(frozen=True, slots=True)
class ClockSetBack(Notice):
    """The clock was set back by `seconds`; `at` is governed time afterwards, ISO 8601."""

    kind: ClassVar[str] = "delivery.clock"
    at: str
    seconds: int
