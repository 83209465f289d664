"""What people must be told about milestones."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class MilestoneCard(Notice):
    """A milestone became somebody's, or was promised where people can read it.

    `why` is `handed` (by `by_id`, a person), `named` when it was added for its owner, or `promised` in a channel.
    """

    kind: ClassVar[str] = "milestones.card"
    milestone_id: int
    why: str
    by_id: str | None = None


@dataclass(frozen=True, slots=True)
class RemindersDue(Notice):
    """What a person is reminded of on one of their days, in one message."""

    kind: ClassVar[str] = "milestones.reminders_due"
    reminder_id: int


@dataclass(frozen=True, slots=True)
class OverdueFound(Notice):
    """A file brought milestones that were overdue already; nobody is reminded of them before somebody says so."""

    kind: ClassVar[str] = "milestones.overdue_found"
    import_id: int
