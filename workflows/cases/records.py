"""Business cases as other parts of mlgov see them. Texts are unescaped; amounts are in the case's currency."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from storage.enums import CaseSide, CaseState, Driver, ProjectCategory
from workflows.cases.amounts import Range
from workflows.cases.rules import Outlook, find_side
from workflows.projects.records import PersonRef

# --- What stands in a case, as it was entered


class Line(BaseModel):
    """One benefit or cost as it was entered. `entered` holds the texts by field (`workflows.cases.forms.CaseLine`)."""

    model_config = ConfigDict(frozen=True)

    id: int
    """Names it within its case."""
    driver: Driver
    name: str = ""
    entered: dict[str, str]
    stamp: int = 0
    """The case's revision with which it came to be as it is."""

    @property
    def side(self) -> CaseSide:
        """Whether it is a benefit or a cost."""
        return find_side(self.driver)


class Content(BaseModel):
    """Everything that was entered, beside title, people, unit and category; what is None was not entered yet."""

    model_config = ConfigDict(frozen=True)

    problem: str = ""
    affected: str = ""
    """Who has the problem."""
    metric: str = ""
    baseline: Decimal | None = None
    baseline_on: date | None = None
    target: Decimal | None = None
    starts: date | None = None
    """The first day of the first month."""
    months: int | None = None
    currency: str | None = None
    lines: tuple[Line, ...] = ()
    confidence: Decimal | None = None
    """The probability that the benefits come as estimated, 0 to 1; used in the rank only."""
    feasibility: Decimal | None = None
    """The probability that it can be built at all, 0 to 1; used in the rank only."""
    tier: int | None = None
    """The risk tier that is expected of its models; 1 is gravest."""
    stamps: dict[str, int] = {}
    """By step, the case's revision with which it was kept last."""

    def stored(self) -> dict[str, object]:
        """As the record keeps it."""
        return self.model_dump(mode="json", exclude_defaults=True)


# --- As it is shown


@dataclass(frozen=True, slots=True)
class Figure:
    """A line with what its texts come to; `fault` says what is wrong where they don't fit the horizon any more."""

    line: Line
    estimate: Range
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """An estimate that somebody stood for. `benefits` and `costs` are the likely sums."""

    number: int
    made_at: datetime
    made_by: PersonRef | None
    approval_id: int | None
    agreed_at: datetime | None
    outlook: Outlook
    content: Content
    category: ProjectCategory
    changes: tuple[tuple[str, str, str], ...] = ()
    """What differs from the one that was agreed before: (what, before, now)."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A business case as it is being written, or as it holds."""

    id: int
    title: str
    state: CaseState
    step: int
    revision: int
    content: Content
    figures: tuple[Figure, ...]
    owner: PersonRef | None
    sponsor: PersonRef | None
    created_by: PersonRef | None
    business_unit: str | None
    category: ProjectCategory | None
    project_id: int | None
    project_key: str | None
    waiver: str
    """Why innovation is proposed although maturity is low; empty without."""
    agreed: int | None
    waits: int | None
    """The request that waits."""
    changed_by: PersonRef | None
    changed_at: datetime
    outlook: Outlook | None
    """What it comes to so far; None until there is an amount."""

    @property
    def benefits(self) -> tuple[Figure, ...]:
        """What it brings."""
        return tuple(each for each in self.figures if each.line.side is CaseSide.BENEFIT)

    @property
    def costs(self) -> tuple[Figure, ...]:
        """What it costs."""
        return tuple(each for each in self.figures if each.line.side is CaseSide.COST)


@dataclass(frozen=True, slots=True)
class CaseLineInList:
    """A case in a list of somebody's own."""

    id: int
    title: str
    state: CaseState
    step: int
    revision: int
    changed_at: datetime
    project_key: str | None


@dataclass(frozen=True, slots=True)
class Alike:
    """A project that may be about the same, with whoever owns it."""

    key: str
    name: str
    status: str
    owner: PersonRef | None


@dataclass(frozen=True, slots=True)
class Guard:
    """What the organisation's maturity says to a category. `sentence` is empty where there is nothing to say."""

    sentence: str = ""
    needs_waiver: bool = False
    is_unknown: bool = False
    """Nothing was assessed yet; an assessment can be started."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a case needs before it is asked about, and the step in which it is entered."""

    step: int
    sentence: str
