"""Business cases from tables: the estimates that hold for projects that go on already."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage.cases import queries
from storage.cases.tables import BusinessCase
from storage.enums import CaseState, Driver, ProjectCategory
from storage.money import money_text
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows.audit import service as audit
from workflows.cases import amounts, reads, revisions, rules
from workflows.cases.amounts import MOST_MONTHS
from workflows.cases.forms import Currency, Figure, Month, Share
from workflows.cases.records import Content, Line
from workflows.errors import InvalidInput
from workflows.sources.rows import Item, Table
from workflows.sources.tables import chosen, plausible_day, words_of
from workflows.sources.text import NAME, storable

_DRIVERS = words_of(
    Driver,
    {
        "savings": Driver.COST_SAVED,
        "cost savings": Driver.COST_SAVED,
        "sales": Driver.REVENUE,
        "risk": Driver.RISK_AVOIDED,
        "staff": Driver.PEOPLE,
        "cloud": Driver.COMPUTE,
        "gpu": Driver.COMPUTE,
        "licenses": Driver.LICENCES,
        "operations": Driver.RUNNING,
        "run": Driver.RUNNING,
    },
)


class CaseRow(BaseModel):
    """One row of a table of business cases: the estimate of one project. What is empty keeps what is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(min_length=1, max_length=80)
    title: str | None = Field(default=None, max_length=NAME)
    problem: str | None = Field(default=None, max_length=2000)
    starts: Month
    months: Annotated[int, Field(ge=1, le=MOST_MONTHS)]
    currency: Currency
    benefits: str = Field(min_length=1, max_length=2000)
    """Likely a month, a line, or low / likely / high, as people write it."""
    benefit_driver: Driver = Driver.COST_SAVED
    costs: str = Field(min_length=1, max_length=2000)
    cost_driver: Driver = Driver.RUNNING
    confidence: Share
    feasibility: Share = Decimal(1)
    tier: Annotated[int, Field(ge=1, le=3)] | None = None
    metric: str | None = Field(default=None, max_length=NAME)
    baseline: Figure | None = None
    baseline_on: date | None = None
    target: Figure | None = None

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str) -> str:
        return value.strip().casefold()

    @field_validator("starts", "baseline_on")
    @classmethod
    def _sensible(cls, value: date | None) -> date | None:
        return plausible_day(value)

    @field_validator("benefit_driver", "cost_driver", mode="before")
    @classmethod
    def _driver(cls, value: object) -> object:
        return chosen(value, _DRIVERS) if isinstance(value, str) else value

    @field_validator("benefit_driver")
    @classmethod
    def _is_benefit(cls, value: Driver) -> Driver:
        if value not in rules.BENEFITS or value is Driver.TIME_SAVED:
            names = ", ".join(
                each.value for each in rules.BENEFITS if each is not Driver.TIME_SAVED
            )
            raise ValueError(f"a benefit of a table is one of {names}")
        return value

    @field_validator("cost_driver")
    @classmethod
    def _is_cost(cls, value: Driver) -> Driver:
        if value not in rules.COSTS:
            raise ValueError(f"a cost is one of {', '.join(each.value for each in rules.COSTS)}")
        return value

    @property
    def lines(self) -> tuple[Line, Line]:
        """Its benefit and its cost, as the record keeps them."""
        return (
            Line(id=1, driver=self.benefit_driver, entered={"amount": self.benefits}),
            Line(id=2, driver=self.cost_driver, entered={"amount": self.costs}),
        )


@dataclass(slots=True)
class CaseItem(Item[CaseRow]):
    """A row of a table of business cases."""

    project: Project | None = None
    case: BusinessCase | None = None


class CaseTable(Table[CaseRow, CaseItem]):
    """Makes and changes the estimates that hold, as a file says: whoever imports stands for them, and nobody is asked.

    A project's case that somebody is writing, or that waits for a decision, is left alone.
    """

    form, item = CaseRow, CaseItem
    repeated_field = "project"
    repeated = "{name} stands in line {line} already; keep one of them"

    def load_records(self, rows: Sequence[CaseRow]) -> None:
        """The projects of these rows, and their cases."""
        keys = [row.project for row in rows]
        projects = project_queries.list_by_keys(self.ctx.session, keys, lock=self.writes)
        self._projects = {project.key: project for project in projects}
        self._cases = queries.list_of_projects(
            self.ctx.session, [project.id for project in projects]
        )

    def find_record(self, item: CaseItem) -> Hashable:
        """A case is known by its project."""
        item.name = item.row.project
        item.project = self._projects.get(item.name)
        if item.project is None:
            raise InvalidInput(
                f"there is no project {storable(item.row.project, 60)!r}; import it first, or mend the key",
                field="project",
            )
        item.case = self._cases.get(item.project.id)
        item.is_new = item.case is None or item.case.agreed is None
        return item.name

    def read_cells(self, item: CaseItem) -> None:
        """Whether the amounts can be read, and the case may be changed by a file."""
        row, project, case = item.row, item.project, item.case
        for field, text in (("benefits", row.benefits), ("costs", row.costs)):
            try:
                amounts.parse_range(text, row.months, row.starts)
            except ValueError as error:
                item.fault(field, str(error))
        if project is not None and project.category is None:
            item.fault(
                "project",
                "has no category, which its estimate is compared with; import it with one of "
                + ", ".join(each.value for each in ProjectCategory),
            )
        if case is not None and case.agreed is None and case.state != CaseState.DROPPED:
            item.fault(
                "project", "has a case that somebody is writing, or that waits for a decision"
            )

    def write_record(self, item: CaseItem) -> None:
        """Make the case, or another estimate of it; the same estimate again changes nothing."""
        row, project = item.row, item.project
        if project is None:
            return
        case = item.case
        content = self._content(row, case)
        if case is None:
            case = item.case = self._make(row, project)
        before = (
            queries.find_revision(self.ctx.session, case.id, case.agreed)
            if case.agreed is not None
            else None
        )
        case.business_unit, case.category = project.business_unit, project.category
        revision = revisions.build(self.ctx, case, content)
        if before is not None and (before.content, before.flows) == (
            revision.content,
            revision.flows,
        ):
            return
        revision.number = queries.find_last_number(self.ctx.session, case.id) + 1
        revision.agreed_at = self.ctx.now
        self.ctx.session.add(revision)
        case.title = row.title or case.title
        case.content, case.agreed, case.state = (
            content.stored(),
            revision.number,
            CaseState.APPROVED.value,
        )
        case.revision += 1
        case.changed_by, case.changed_at = None, self.ctx.now
        self.ctx.session.flush()
        self._note(item, content)
        audit.record(
            self.ctx,
            "case.imported",
            (reads.TYPE, case.id),
            number=revision.number,
            **revisions.list_figures(self.ctx, revision),
        )

    def _content(self, row: CaseRow, case: BusinessCase | None) -> Content:
        before = Content.model_validate(case.content) if case is not None else Content()
        entered = {
            "problem": row.problem,
            "metric": row.metric,
            "baseline": row.baseline,
            "baseline_on": row.baseline_on,
            "target": row.target,
            "tier": row.tier,
        }
        return before.model_copy(
            update={name: value for name, value in entered.items() if value is not None}
            | {
                "starts": row.starts,
                "months": row.months,
                "currency": row.currency,
                "confidence": row.confidence,
                "feasibility": row.feasibility,
                "lines": row.lines,
            }
        )

    def _make(self, row: CaseRow, project: Project) -> BusinessCase:
        case = BusinessCase(
            project_id=project.id,
            title=row.title or project.name,
            owner_id=project.owner_id,
            sponsor_id=project.sponsor_id,
            content={},
            state=CaseState.APPROVED.value,
            step=0,
            created_at=self.ctx.now,
            changed_at=self.ctx.now,
        )
        self.ctx.session.add(case)
        self.ctx.session.flush()
        return case

    def _note(self, item: CaseItem, content: Content) -> None:
        worth = reads.weigh(self.ctx, reads.read_figures(content)).likely
        currency = content.currency
        item.change("benefits", None, f"{money_text(worth.benefits)} {currency}")
        item.change("costs", None, f"{money_text(worth.costs)} {currency}")
