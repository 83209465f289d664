"""What people are told about check-ins."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class CheckInAsked(Notice):
    """Somebody is invited; the message follows how far they are."""

    kind: ClassVar[str] = "maturity.asked"
    invitation_id: int


@dataclass(frozen=True, slots=True)
class CheckInReminder(Notice):
    """Somebody was invited and has not finished; the first or the second time that they are reminded."""

    kind: ClassVar[str] = "maturity.reminder"
    invitation_id: int
    number: int


@dataclass(frozen=True, slots=True)
class CheckInResult(Notice):
    """A cycle was closed."""

    kind: ClassVar[str] = "maturity.result"
    cycle_id: int
