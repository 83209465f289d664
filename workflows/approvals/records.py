"""What reads of requests return."""

from dataclasses import dataclass
from datetime import datetime

from storage.enums import ApprovalState, Ask, Verdict
from workflows.subjects import Words


@dataclass(frozen=True, slots=True)
class Someone:
    """A person, named. Without a Slack id they left or were erased."""

    id: str
    name: str
    slack_id: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One verdict, with why it counted."""

    id: int
    person: Someone
    position: int
    verdict: Verdict
    reason: str
    at: datetime
    rule: str
    group: str | None
    """The user group through which the rule reached them, by its name."""
    read_at: datetime | None
    """When the membership behind the rule was read from Slack (real time)."""


@dataclass(frozen=True, slots=True)
class Round:
    """A stage as people see it: who is asked, in words, and how far it is."""

    position: int
    name: str
    quorum: int
    ask: Ask
    asked: tuple[str, ...]
    """Groups and people by name."""
    approved: int


@dataclass(frozen=True, slots=True)
class Reader:
    """How the person who reads a card stands to it."""

    person_id: str
    why: str
    """`you own this budget`, `you are in Finance partners`; empty when nothing entitles them now."""
    line: Line | None
    """Their own verdict."""
    is_requester: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A request, its words, its stages and its verdicts, as they stand now."""

    id: int
    gate: str
    subject_type: str
    state: ApprovalState
    revision: int
    stage: int
    words: Words
    reason: str
    requester: Someone
    rounds: tuple[Round, ...]
    lines: tuple[Line, ...]
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    policy_id: int
    reader: Reader | None = None

    @property
    def is_pending(self) -> bool:
        """Whether somebody may still decide."""
        return self.state is ApprovalState.PENDING

    @property
    def round(self) -> Round:
        """The stage that is asked now, or that was asked last."""
        return self.rounds[self.stage]

    @property
    def approvers(self) -> tuple[Line, ...]:
        """Who approved, in order."""
        return tuple(line for line in self.lines if line.verdict is Verdict.APPROVE)

    @property
    def rejection(self) -> Line | None:
        """The verdict that ended a rejected request."""
        return next(
            (line for line in self.lines if line.verdict is Verdict.REJECT), None
        )
