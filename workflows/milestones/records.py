"""Milestones as other parts of mlgov see them. Texts are unescaped; days are calendar days."""

from dataclasses import dataclass, field
from datetime import date, datetime

from storage.enums import MilestoneStatus, MilestoneType


@dataclass(frozen=True, slots=True)
class PersonRef:
    """Somebody with a part in a milestone; an erased person has no Slack id."""

    id: str
    slack_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """A milestone that another one moves: from the day that was forecast to the first day that is possible now."""

    id: int
    project_key: str
    project: str
    title: str
    old: date
    new: date


@dataclass(frozen=True, slots=True)
class Needed:
    """A milestone that has to be met before."""

    id: int
    project_key: str
    project: str
    title: str
    expected: date
    is_done: bool


@dataclass(frozen=True, slots=True)
class AskedMove:
    """A later date that somebody asked for and that is not decided yet."""

    approval_id: int
    new: date
    requester: PersonRef


@dataclass(frozen=True, slots=True)
class Move:
    """A forecast that changed. `reason` is None when a file changed it, or when its author was erased."""

    old: date
    new: date
    reason: str | None
    by: PersonRef | None
    at: datetime
    approval_id: int | None


@dataclass(frozen=True, slots=True)
class MilestoneRecord:
    """A milestone as it stands.

    `expected` is the day on which it can be met: the forecast, today when that has passed, or later when what it
    needs comes later. `slip` is by how many days `expected` (or the actual day) lies after the baseline; negative
    when it is early.
    """

    id: int
    revision: int
    project_id: int
    project_key: str
    project: str
    title: str
    type: MilestoneType
    owner: PersonRef | None
    baseline: date
    forecast: date
    actual: date | None
    expected: date
    slip: int
    status: MilestoneStatus
    is_reminding: bool
    risk: str | None = None
    """Why it is at risk, as somebody said; empty when who said so was erased."""
    proof: str | None = None
    done_by: PersonRef | None = None
    is_dropped: bool = False
    needs: tuple[Needed, ...] = ()
    pushes: tuple[Pushed, ...] = ()
    """The milestones that this one moves, directly or through others, the earliest first."""
    asked: AskedMove | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be met."""
        return self.actual is None and not self.is_dropped

    def days_left(self, today: date) -> int:
        """Days until the forecast; negative when it has passed."""
        return (self.forecast - today).days


@dataclass(frozen=True, slots=True)
class Detail:
    """A milestone with its history, newest first."""

    milestone: MilestoneRecord
    moves: tuple[Move, ...]
    answering: tuple[PersonRef, ...]
    """Who may change it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One milestone in a reminder. `is_live` is False when a later message of the same person tells of it."""

    milestone: MilestoneRecord
    is_live: bool
    snoozed_until: date | None
    why: str
    """Why this person is told: `owner`, `manager` or `sponsor`."""
    next_on: date | None = None
    """When this person hears of it next if nothing changes."""
    next_also: PersonRef | None = None
    """Who else hears of it for the first time then."""


@dataclass(frozen=True, slots=True)
class ReminderCard:
    """What one message to one person tells, the earliest first; `today` is the person's own day."""

    id: int
    lines: tuple[Line, ...]
    today: date


@dataclass(frozen=True, slots=True)
class OverdueList:
    """What was overdue when a file was imported, the earliest first; only open ones."""

    id: int
    file: str
    milestones: tuple[MilestoneRecord, ...]
    handled: int
    """How many are done, dropped or moved since."""
    started_at: datetime | None
    started_by: PersonRef | None
    today: date


@dataclass(frozen=True, slots=True)
class SnoozeChoice:
    """A day until which reminders can be put off, and what that swallows: the days of the reminders before it."""

    until: date
    swallows: tuple[date, ...] = field(default=())
