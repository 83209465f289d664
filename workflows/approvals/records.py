"""What reads of requests return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from storage.enums import ApprovalState, Ask, ConditionState, Verdict
from workflows.approvable import Moved, Words
from workflows.approvals.stages import Dropped, Mode, Way

# --- What people did about a request beside deciding, as reads return it


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


# --- What reads of requests return

__all__ = ["Card", "Condition", "Edit", "Extras", "Line", "Question", "Reader", "Round", "Someone"]


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
    instead_of: str | None = None
    """The name of the person for whom they decided, who was away."""
    taken_back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One of several groups of a stage, and how far it is."""

    name: str
    quorum: int
    asked: tuple[str, ...]
    approved: int


@dataclass(frozen=True, slots=True)
class Escalated:
    """What happens, or has happened, to a stage that nobody decides."""

    way: Way
    who: tuple[str, ...]
    at: datetime | None
    """When it comes; none once it has, or while the stage is not asked."""


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
    mode: Mode = "all"
    parts: tuple[Part, ...] = ()
    """Its groups, where there is more than one."""
    comment: bool = False
    """Whoever approves says why."""
    confirm: bool = False
    is_pinned: bool = False
    has_fallback: bool = False
    """Those whom the policy named were too few, so that others decide in their place."""
    escalation: Escalated | None = None
    remind_at: tuple[datetime, ...] = ()
    """When those who have not decided are reminded; empty while the stage is not asked."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How the person who reads a card stands to it."""

    person_id: str
    why: str
    """`you own this budget`, `you are in Finance partners`; empty when nothing entitles them now."""
    line: Line | None
    """Their own verdict."""
    is_requester: bool
    apart: str = ""
    """What they are to the subject that bars them from deciding: `developer`, `validator`, `contributor`."""
    group: str | None = None
    """The user group through which the stage asks them, by its name."""
    counts_from: datetime | None = None
    """From when their membership counts, where it is too new now."""
    is_part_done: bool = False
    """Their group of the stage has approved; others are waited for."""
    stands_in_for: str = ""
    """The name of the person who is away and whose place this is; empty when they are asked themselves."""
    may_break_glass: bool = False
    handed_to: str = ""
    """The name of the person to whom they gave their place in the stage that is asked now."""


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
    dropped: tuple[Dropped, ...] = ()
    """Stages that were left out, and why."""
    by_rule: str = ""
    """The condition by which it passed without being asked."""
    valid_until: datetime | None = None
    taken_back: tuple[Line, ...] = ()
    """Verdicts that count no more, oldest first."""
    paused_at: datetime | None = None
    """Since when it waits for the requester's answer."""
    nudged_at: datetime | None = None
    extras: Extras = field(default_factory=Extras)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is asked, as its subject type keeps it."""
    is_editable: bool = False
    """Whether the requester can change what they ask while it waits."""
    known: tuple[Mapping[str, Any], ...] = ()
    """What mlgov read of its own record when a stage opened, as `subjects.Known` stores it."""
    known_at: datetime | None = None
    changes: tuple[str, ...] = ()
    """What it rests on that is not as it was when it was asked, in words: `tier 3 → 1`."""
    moved_at: datetime | None = None
    """When that was seen last."""
    added: tuple[str, ...] = ()
    """Names of the stages that have to decide too since then."""
    bars: tuple[str, ...] = ()
    """What bars the step now, whoever approves it, in words."""
    stuck: str = ""
    """Why a stage that has to decide too could never pass."""
    moved: Moved | None = None
    """How what is asked about differs from what was shown, while it waits."""

    @property
    def question(self) -> Question | None:
        """The question that the requester has to answer before it goes on."""
        return next((item for item in self.extras.questions if item.is_open), None)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What the approval depends on, without what was dropped."""
        return tuple(item for item in self.extras.conditions if item.binds)

    @property
    def is_pending(self) -> bool:
        """Whether somebody may still decide."""
        return self.state is ApprovalState.PENDING

    @property
    def is_settled(self) -> bool:
        """Whether nothing about it can change any more."""
        waits = (ConditionState.OPEN, ConditionState.CLAIMED)
        bound = any(one.state in waits for one in self.conditions)
        review = self.extras.review
        unseen = review is not None and review.reviewed_at is None
        return not self.is_pending and not (
            self.state is ApprovalState.APPROVED and (bound or unseen)
        )

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
        return next((line for line in self.lines if line.verdict is Verdict.REJECT), None)


@dataclass(frozen=True, slots=True)
class Reminder:
    """What one reminder shows, the most urgent first."""

    cards: tuple[Card, ...]
    next_at: datetime | None
    """When the next one comes if nothing is decided; none when this was the last."""
