"""What administrators are told about delivery itself."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class LettersDied(Notice):
    """Messages to one destination could not be sent. Never announced about itself."""

    kind: ClassVar[str] = "delivery.dead"
    lane: str


@dataclass(frozen=True, slots=True)
class CopyRestored(Notice):
    """A copy of the database was put in place, and is served again in full."""

    kind: ClassVar[str] = "delivery.restored"
    hold: int


@dataclass(frozen=True, slots=True)
class ClockSetBack(Notice):
    """The clock by which mlgov goes was set back, at `at` by the clock after it."""

    kind: ClassVar[str] = "delivery.clock"
    at: str
    seconds: int
