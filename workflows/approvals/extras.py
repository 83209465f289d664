"""What people did about a request beside deciding, as reads return it."""

from dataclasses import dataclass
from datetime import date, datetime

from storage.enums import ConditionState


@dataclass(frozen=True, slots=True)
class Someone:
    """A person, named. Without a Slack id they left or were erased."""

    id: str
    name: str
    slack_id: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wanted to know before deciding. An `answer` of None was not given (yet)."""

    id: int
    asker: Someone
    text: str
    asked_at: datetime
    answer: str | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the request waits for the answer."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Handover:
    """Somebody gave their place in a stage to somebody else."""

    id: int
    position: int
    giver: Someone
    taker: Someone
    note: str
    at: datetime
    principal: Someone | None = None
    """Whose place it was, where the giver stood in for somebody who was away."""

    @property
    def holder(self) -> Someone:
        """Whose place it was."""
        return self.principal or self.giver


@dataclass(frozen=True, slots=True)
class Edit:
    """What a request said before its requester changed it."""

    id: int
    editor: Someone
    is_material: bool
    asks: str
    """What was asked before, in plain words."""
    reason: str
    """The reason that was given before."""
    reopened: str
    """The stage from which on people were asked anew; empty when nobody was."""
    voided: int
    at: datetime
    revision: int | None = None
    """The revision that the request had before."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What an approval depends on."""

    id: int
    decision_id: int
    setter: Someone
    owner: Someone
    text: str
    due: date
    due_at: datetime
    state: ConditionState
    proof: str
    claimed_at: datetime | None
    ended_at: datetime | None
    revision: int

    @property
    def binds(self) -> bool:
        """Whether the approval still depends, or depended at its end, on it."""
        return self.state is not ConditionState.DROPPED


@dataclass(frozen=True, slots=True)
class Review:
    """Somebody broke the glass; `reviewer` is None until it was looked at."""

    breaker: Someone
    role: str
    reason: str
    broken_at: datetime
    due_at: datetime
    times_late: int
    reviewer: Someone | None
    is_fine: bool | None
    note: str
    reviewed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Extras:
    """All of it, oldest first."""

    questions: tuple[Question, ...] = ()
    handovers: tuple[Handover, ...] = ()
    conditions: tuple[Condition, ...] = ()
    review: Review | None = None
    edits: tuple[Edit, ...] = ()
