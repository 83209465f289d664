"""What a digest holds: its figures, the words made of them, and what reads return. All of it can be kept as JSON."""

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from storage.enums import CostBasis, DigestState, Level, ReleaseState
from storage.money import money_text
from workflows.approvals.records import Card

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERSION = 1


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """One budget's open round."""

    budget_id: int
    project_id: int
    project: str
    currency: str
    amount: Decimal
    spent: Decimal
    through: date | None


@dataclass(frozen=True, slots=True)
class MoneyFigures:
    """All open rounds of one currency, basis and span of days together; different ones are never added.

    `through` is the last day of which there is data, `lagging` how many of the projects have older data. `used` are
    the rounds by the share that is spent, highest first, at most 20.
    """

    currency: str
    basis: CostBasis
    words: str
    first: date
    last: date
    budgets: int
    amount: Decimal
    spent: Decimal
    through: date | None
    lagging: int
    over: tuple[BudgetFigure, ...]
    ahead: tuple[BudgetFigure, ...]
    used: tuple[BudgetFigure, ...]


@dataclass(frozen=True, slots=True)
class Movement:
    """Cost of the seven days up to `last`, and of the seven before, in one currency; who rose most, and by how much."""

    currency: str
    basis: CostBasis
    last: date
    cost: Decimal
    before: Decimal
    top: tuple[str, Decimal] | None


@dataclass(frozen=True, slots=True)
class ApprovalFigures:
    """Requests that ended in the week, those that wait, and how long decisions took in the last four weeks.

    `median` and `slowest` are None where they would tell of fewer than five people, or mostly of one.
    """

    approved: int = 0
    rejected: int = 0
    expired: int = 0
    withdrawn: int = 0
    waiting: int = 0
    measured: int = 0
    median: timedelta | None = None
    slowest: tuple[str, timedelta] | None = None


@dataclass(frozen=True, slots=True)
class MilestoneFigure:
    """A milestone of the week. `day` is when it was met, or is expected now; `slip` by how many days it came later."""

    milestone_id: int
    title: str
    project: str
    is_launch: bool
    day: date
    slip: int = 0
    is_overdue: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """Milestones met and slipped in the week, those due in the seven days from `today` on, and all that are overdue.

    Slipped is what was put off in the week, or fell due in it and was not met.
    """

    today: date
    met: tuple[MilestoneFigure, ...] = ()
    slipped: tuple[MilestoneFigure, ...] = ()
    due: tuple[MilestoneFigure, ...] = ()
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class LevelFigure:
    """One dimension of a check-in: its level and the one before; None where too few people answered."""

    name: str
    level: Level | None
    before: Level | None


@dataclass(frozen=True, slots=True)
class MaturityFigures:
    """A check-in that was closed in the week, as its result was told."""

    label: str
    overall: Level | None
    before: Level | None
    answered: int
    invited: int
    lowest: tuple[str, ...]
    dimensions: tuple[LevelFigure, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one person's digest tells of one week, over what they may see."""

    first_day: date
    as_of: datetime
    projects: int
    money: tuple[MoneyFigures, ...]
    movements: tuple[Movement, ...]
    crossed: tuple[int, ...]
    """Budgets that were found spent to the full in this week and are overspent now."""
    delivery: DeliveryFigures
    approvals: ApprovalFigures
    maturity: MaturityFigures | None
    waiting: int
    """Decisions that wait for this person."""

    @property
    def last_day(self) -> date:
        """The last of the seven days."""
        return self.first_day + timedelta(days=6)

    @property
    def week(self) -> int:
        """The number of the ISO week in which the seven days end."""
        return self.last_day.isocalendar().week


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the detail. `budget_id` or `milestone_id` lead further."""

    text: str
    budget_id: int | None = None
    milestone_id: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the digest, plain text: which part it belongs to, and what stands behind it."""

    part: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a picture: its name, its length, and its figures in words."""

    name: str
    value: float
    words: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """A picture: the title that states the answer, bars, and where a limit lies."""

    part: str
    title: str
    unit: str
    bars: tuple[Bar, ...]
    limit: float | None = None
    limit_words: str = ""

    @property
    def alt(self) -> str:
        """The numbers in words."""
        return "; ".join(f"{bar.name} {bar.words}" for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Content:
    """A digest as it is sent and kept: nothing changes it later.

    `lines` are those before "more", `details` all that stands behind them, by part.
    """

    first_day: date
    as_of: datetime
    tz: str
    headline: str
    footer: str
    lines: tuple[Line, ...]
    details: dict[str, tuple[Row, ...]]
    pictures: tuple[PictureFacts, ...]
    decisions: tuple[int, ...]
    """Ids of the requests shown with buttons."""
    more_decisions: int
    week: int
    figures: dict[str, Any]
    is_quiet: bool

    def stored(self) -> dict[str, Any]:
        """This as JSON."""
        return plain(self) | {"version": VERSION}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Content":
        """What `stored` made."""
        return cls(
            first_day=date.fromisoformat(stored["first_day"]),
            as_of=datetime.fromisoformat(stored["as_of"]),
            tz=stored["tz"],
            headline=stored["headline"],
            footer=stored["footer"],
            lines=tuple(Line(**line) for line in stored["lines"]),
            details={
                part: tuple(Row(**row) for row in rows) for part, rows in stored["details"].items()
            },
            pictures=tuple(
                PictureFacts(**picture | {"bars": tuple(Bar(**bar) for bar in picture["bars"])})
                for picture in stored["pictures"]
            ),
            decisions=tuple(stored["decisions"]),
            more_decisions=stored["more_decisions"],
            week=stored["week"],
            figures=stored["figures"],
            is_quiet=stored["is_quiet"],
        )


def plain(record: "DataclassInstance") -> dict[str, Any]:
    """A dataclass as JSON: money as text, days and instants as ISO text, durations in seconds."""
    return {field.name: _plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return value


@dataclass(frozen=True, slots=True)
class ShownDigest:
    """A digest as its reader sees it now: as sent, but for its decisions, which follow."""

    id: int | None
    content: Content
    decisions: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The first digests to an audience, as the card of their owner shows them."""

    id: int
    kind: str
    audience: str
    week: str
    state: ReleaseState
    readers: int
    content: Content | None
    decided_by: tuple[str | None, str] | None
    """Slack id and name of who sent or skipped them."""
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands to a kind of digest. `through` is the word of the policy, or `self`; None gets none."""

    kind: str
    through: str | None
    at_words: str
    tz: str
    last: tuple[str, DigestState] | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A week's digests that could not be built, or were missed, for the card of their owner."""

    kind: str
    week: str
    failing: int
    previews: int
    """Previews for owners that could not be built."""
    held: int
    missed: int
    sent: int
    last_error: str | None
    example: str | None
    """The opaque id of a reader whose digest fails, to look into it."""
