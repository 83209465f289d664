"""What check-ins look like to those who show them. Texts are unescaped."""

from dataclasses import dataclass, field
from datetime import date, datetime
from math import ceil

from storage.enums import Answer, AskedAs, CycleState, InvitationState, Level, SeenBy

SECONDS_PER_STATEMENT = 10
"""How long a statement takes those who know their place of work."""


def minutes(statements: int) -> int:
    """About how long so many statements take, in whole minutes."""
    return max(1, ceil(statements * SECONDS_PER_STATEMENT / 60))


@dataclass(frozen=True, slots=True)
class StatementPart:
    """A statement and what the person said about it."""

    id: str
    text: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class DimensionPart:
    """A dimension as one person sees it."""

    key: str
    name: str
    statements: tuple[StatementPart, ...]
    comment: str = ""
    link: str = ""

    @property
    def answered(self) -> int:
        """How many of its statements were answered."""
        return sum(one.answer is not None for one in self.statements)

    @property
    def is_done(self) -> bool:
        """Whether all of them were."""
        return self.answered == len(self.statements)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the first message of a check-in promised: who sees what, and from how many people on there are figures."""

    seen_by: SeenBy
    minimum_group: int


@dataclass(frozen=True, slots=True)
class MyCheckIn:
    """One person's check-in."""

    id: int
    cycle_id: int
    label: str
    """Which one it is: `January 2026`."""
    business_unit: str | None
    asked_as: AskedAs
    state: InvitationState
    cycle_state: CycleState
    closes_at: datetime
    closed_at: datetime | None
    terms: Terms
    dimensions: tuple[DimensionPart, ...]
    skip_reason: str = ""
    started_by: tuple[str | None, str] | None = None
    """Slack id and name of the leader who started it; None for the schedule."""

    @property
    def is_open(self) -> bool:
        """Whether answers can still be given and changed."""
        return self.cycle_state is CycleState.OPEN and self.state is not InvitationState.LEFT

    @property
    def waits(self) -> bool:
        """Whether mlgov still hopes for answers."""
        return self.is_open and self.state is InvitationState.INVITED

    @property
    def answered(self) -> int:
        """How many statements were answered."""
        return sum(one.answered for one in self.dimensions)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(len(one.statements) for one in self.dimensions)

    @property
    def done(self) -> int:
        """How many dimensions are complete."""
        return sum(one.is_done for one in self.dimensions)

    @property
    def minutes_left(self) -> int:
        """About how long the rest takes."""
        return minutes(self.total - self.answered)

    @property
    def next_dimension(self) -> int:
        """The position of the first dimension that is not complete; 0 when all are."""
        return next((i for i, one in enumerate(self.dimensions) if not one.is_done), 0)


@dataclass(frozen=True, slots=True)
class DimensionResult:
    """A dimension as a group sees it. `level` is None where too few answered to tell."""

    key: str
    name: str
    level: Level | None = None
    people: int = 0
    """How many answered all of it; 0 where that is too few to tell."""
    agreement: int | None = None
    """Per cent, to the nearest five; 80 stands for 80 or more."""
    differs: str | None = None
    """The statement on which people agree least, in words; None where nearly all, or all, agree on each."""
    toward: tuple[int, int] = (0, 0)
    """How many statements of the next level hold, of how many."""
    missing: tuple[str, ...] = ()
    """Those that do not hold yet, in words, nearest level first."""
    leaders: Level | None = None
    practitioners: Level | None = None
    before: Level | None = None
    """The level last time."""
    units: dict[str, Level] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a check-in found."""

    cycle_id: int
    label: str
    business_unit: str | None
    as_of: datetime
    is_early: bool
    invited: int
    answered: int
    """At least so many of those who were asked finished; 0 where telling it would tell of too few."""
    fewest: int
    dimensions: tuple[DimensionResult, ...]
    overall: Level | None
    """The lowest; None where a dimension could not be told."""
    median: Level | None
    before: Level | None
    before_label: str | None
    held_back: bool = False
    """Answers since an early result came from too few people to be counted without telling of them."""
    as_before: bool = False
    """Too few people say something else than last time, so that dimensions stay as they were told then."""

    @property
    def told(self) -> tuple[DimensionResult, ...]:
        """Dimensions that enough people answered."""
        return tuple(one for one in self.dimensions if one.level is not None)

    @property
    def weakest(self) -> tuple[DimensionResult, ...]:
        """Those at the lowest level that was told."""
        order = (Level.LOW, Level.MEDIUM, Level.HIGH)
        lowest = min((order.index(one.level) for one in self.told if one.level), default=None)
        if lowest is None:
            return ()
        return tuple(one for one in self.told if one.level is order[lowest])


@dataclass(frozen=True, slots=True)
class CycleStatus:
    """How a cycle goes: how many were asked, and how many of them at least have finished; 0 where that is not told."""

    cycle_id: int
    label: str
    business_unit: str | None
    state: CycleState
    opened_at: datetime
    closes_at: datetime
    invited: int
    finished: int
    fewest: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom a check-in would ask, before it is started."""

    business_unit: str | None
    leaders: int
    practitioners: int
    closes_at: datetime
    statements: int
    terms: Terms

    @property
    def people(self) -> int:
        """Everybody who would be asked."""
        return self.leaders + self.practitioners


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody does so that a statement holds: a milestone."""

    milestone_id: int
    title: str
    owner: tuple[str | None, str] | None
    """Slack id and name."""
    due: date
    is_done: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """A statement that does not hold yet, and what is done about it."""

    id: str
    text: str
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A dimension below its target, and the statements that do not hold on the way."""

    dimension: str
    name: str
    level: Level
    target: Level
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Targets:
    """What leaders aim for, and what is missing."""

    business_unit: str | None
    levels: dict[str, Level]
    names: dict[str, str]
    gaps: tuple[Gap, ...]
    result: CycleResult | None


@dataclass(frozen=True, slots=True)
class SingleAnswers:
    """One person's answers, for an assessor. `who` is None where the promise was that there are no names."""

    who: str | None
    dimensions: tuple[DimensionPart, ...]
