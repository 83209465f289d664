"""What the front door shows. Texts are unescaped, money is exact; `now` is the governed instant that it is true for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

from workflows.approvals.records import Card
from workflows.budgets.records import Burn
from workflows.inventory.records import Need
from workflows.maturity.records import CycleResult, MyCheckIn
from workflows.milestones.records import MilestoneRecord
from workflows.projects.records import ProjectRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a longer list: its entries, which page that is (from 0), and how many entries there are in all."""

    items: tuple[T, ...]
    number: int
    size: int
    total: int

    @property
    def first(self) -> int:
        """The place of the first entry in the whole list, from 1."""
        return self.number * self.size + 1

    @property
    def last(self) -> int:
        """The place of the last entry shown."""
        return self.number * self.size + len(self.items)

    @property
    def has_previous(self) -> bool:
        """Whether there is a page before."""
        return self.number > 0

    @property
    def has_next(self) -> bool:
        """Whether there is a page after."""
        return self.last < self.total


def turned(number: int, size: int, total: int) -> int:
    """The page of that number, or the last one when the list has become shorter."""
    return max(0, min(number, (total - 1) // size))


def page(entries: Sequence[T], number: int, size: int) -> Page[T]:
    """One page of a list."""
    at = turned(number, size, len(entries))
    entries_shown = tuple(entries[at * size : (at + 1) * size])
    return Page(entries_shown, at, size, len(entries))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a project stands: its open budgets, how many requests about it wait, and how many milestones are overdue."""

    id: int
    name: str
    """Unescaped."""
    burns: tuple[Burn, ...]
    waiting: int = 0
    overdue: int = 0

    @property
    def share(self) -> Decimal:
        """How much of its most used budget is spent, 1 being all of it; 0 without a budget."""
        return max(
            (burn.spent / burn.amount for burn in self.burns if burn.amount), default=Decimal(0)
        )

    @property
    def is_over(self) -> bool:
        """Whether more was spent than an open budget allows."""
        return any(burn.is_over for burn in self.burns)

    @property
    def importance(self) -> tuple[bool, bool, bool, Decimal, str]:
        """Sorts lists: over budget first, then overdue milestones, then requests that wait, then the most used budget."""
        return (
            not self.is_over,
            not self.overdue,
            not self.waiting,
            -self.share,
            self.name.casefold(),
        )


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project and how it stands."""

    project: ProjectRecord
    standing: Standing

    @property
    def name(self) -> str:
        """The project's name, unescaped."""
        return self.project.name

    @property
    def burns(self) -> tuple[Burn, ...]:
        """How its open budgets stand."""
        return self.standing.burns

    @property
    def waiting(self) -> int:
        """Requests about it that wait."""
        return self.standing.waiting

    @property
    def overdue(self) -> int:
        """Its milestones that are overdue."""
        return self.standing.overdue

    @property
    def share(self) -> Decimal:
        """How much of its most used budget is spent."""
        return self.standing.share

    @property
    def is_over(self) -> bool:
        """Whether more was spent than an open budget allows."""
        return self.standing.is_over


@dataclass(frozen=True, slots=True)
class Summary:
    """One look: how much waits, how many requests are with others, and the person's own projects."""

    waiting: int
    due: int
    """Milestones of their own that are overdue or due soon."""
    models: int
    """Models that need them."""
    has_check_in: bool
    asked: int
    projects: tuple[Standing, ...]
    sees_all: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Everything about one project."""

    line: ProjectLine
    pending: tuple[Card, ...]
    milestones: tuple[MilestoneRecord, ...]
    """Open ones, the earliest first."""
    today: date
    """The organisation's own day, by which a milestone is late or not."""
    caution: str | None
    """A word where business-model innovation is planned while the last check-in found a low level."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Several projects at once, the most important first; with `is_all` every one in sight, and not only one's own."""

    lines: Page[ProjectLine]
    over: int
    overdue: int
    """Milestones that are overdue, in all of the projects."""
    waiting: int
    maturity: CycleResult | None
    """The newest result of a check-in, in a look at everything."""
    is_all: bool
    sees_all: bool
    """Whether every project there is lies in this person's sight."""
    now: datetime


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """What App Home shows."""

    waiting: Page[Card]
    due: Page[MilestoneRecord]
    """Milestones of this person's own that are overdue or due soon, the earliest first."""
    today: date
    models: tuple[Need, ...]
    """Models that need this person: to validate, to mend, to review."""
    check_in: MyCheckIn | None
    """The check-in that waits for this person's answers."""
    asked: Page[Card]
    pending: int
    """Requests of this person that are with others."""
    first_answer: datetime | None
    """When the first of those expires."""
    projects: Page[ProjectLine]
    over: int
    maturity: CycleResult | None
    """The newest result of a check-in that this person may see."""
    introduces: "Part | None"
    """What mlgov does for this person, while App Home is where they have just met it."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """What somebody is in the governance, so that mlgov can say what it does for them."""

    decides: bool
    projects: tuple[str, ...]
    """Names of the projects that they own, sponsor or manage."""
    leads: bool
    administers: bool
