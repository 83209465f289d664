"""Returns from tables: what came of projects, as somebody's own figures have it. A file never attests."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from storage.cases import returns as queries
from storage.cases.returns import ReturnRow
from storage.enums import ReturnSource
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from workflows.calendar import calendar_for
from workflows.cases import returns
from workflows.cases.forms import Currency
from workflows.cases.realisation import Span, describe_span
from workflows.cases.return_forms import ReportReturn, SignedAmount
from workflows.errors import InvalidInput, Stale
from workflows.sources.rows import Item, Table
from workflows.sources.tables import plausible_day
from workflows.sources.text import storable
from workflows.wording import money


class ReturnCells(BaseModel):
    """One row of a table of returns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(min_length=1, max_length=80)
    starts: date
    ends: date
    amount: SignedAmount
    currency: Currency | None = None
    """Where it stands there, it has to be that of the project's business case."""

    @field_validator("project")
    @classmethod
    def _folded(cls, value: str) -> str:
        return value.strip().casefold()

    @field_validator("starts", "ends")
    @classmethod
    def _sensible(cls, value: date) -> date:
        return plausible_day(value) or value

    @model_validator(mode="after")
    def _is_in_order(self) -> "ReturnCells":
        if self.ends < self.starts:
            raise ValueError("ends comes before the first day")
        return self


@dataclass(slots=True)
class ReturnItem(Item[ReturnCells]):
    """A row of a table of returns."""

    project: Project | None = None
    before: ReturnRow | None = None
    """The return of the same days, which the row corrects unless it says the same."""


class ReturnTable(Table[ReturnCells, ReturnItem]):
    """Reports what a file says. A row of the same days as a return that counts corrects it, where its amount differs."""

    form, item = ReturnCells, ReturnItem
    repeated = "{name} stands in line {line} already; keep one of them"
    repeated_field = "project"
    refusals = (InvalidInput, Stale)

    def load_records(self, rows: Sequence[ReturnCells]) -> None:
        """The projects of these rows, their currencies, and the returns that count."""
        keys = {row.project for row in rows}
        projects = project_queries.list_by_keys(self.ctx.session, keys, lock=self.writes)
        self._projects = {project.key: project for project in projects}
        ids = [project.id for project in projects]
        self._plans = queries.find_plans(self.ctx.session, ids)
        self._standing = {
            (row.project_id, row.starts, row.ends): row
            for row in queries.list_standing(self.ctx.session, ids)
        }

    def find_record(self, item: ReturnItem) -> Hashable:
        """A return is known by its project and its days."""
        row = item.row
        item.name = f"{row.project} {describe_span(Span(row.starts, row.ends))}"
        item.project = self._projects.get(row.project)
        if item.project is None:
            raise InvalidInput(
                f"there is no project {storable(row.project, 60)!r}; import it first, or mend the key",
                field="project",
            )
        item.before = self._standing.get((item.project.id, row.starts, row.ends))
        item.is_new = item.before is None
        return (item.project.id, row.starts, row.ends)

    def read_cells(self, item: ReturnItem) -> None:
        """Whether the amount is in the currency that the project's figures are in, and of days that have passed."""
        if item.row.ends > calendar_for(self.ctx.policy).day(self.ctx.now):
            item.fault("ends", "is still to come; say what came until today")
        currency = self._currency_of(item)
        if item.row.currency is not None and item.row.currency != currency:
            item.fault("currency", f"is not {currency}, in which this project's case is")

    def _currency_of(self, item: ReturnItem) -> str:
        plan = self._plans.get(item.project.id) if item.project is not None else None
        return plan.currency if plan is not None else self.ctx.policy.cases.currency

    def check_together(self, items: Sequence[ReturnItem]) -> None:
        """No day of a project is reported twice, by the rows and by what counts already."""
        corrected = {item.before.id for item in items if item.before is not None}
        taken: dict[int, list[tuple[Span, str]]] = {}
        for row in self._standing.values():
            if row.id not in corrected:
                span = Span(row.starts, row.ends)
                words = f"what was reported for {describe_span(span)}"
                taken.setdefault(row.project_id, []).append((span, words))
        for item in items:
            span = Span(item.row.starts, item.row.ends)
            of_project = taken.setdefault(item.project.id if item.project is not None else 0, [])
            clash = next((words for other, words in of_project if other.overlaps(span)), None)
            if clash is not None:
                item.fault("starts", f"has days of {clash}; report each day once")
            else:
                of_project.append((span, f"line {item.line}"))

    def write_record(self, item: ReturnItem) -> None:
        """Report it, or correct what stands there; the same amount again changes nothing."""
        row, before = item.row, item.before
        if item.project is None or (before is not None and before.amount == row.amount):
            return
        replaces = before.id if before is not None else None
        form = ReportReturn(
            project_id=item.project.id,
            starts=row.starts,
            ends=row.ends,
            amount=row.amount,
            replaces=replaces,
        )
        returns.report(self.ctx, form, source=ReturnSource.FILE)
        currency = self._currency_of(item)
        old = money(before.amount, before.currency) if before is not None else None
        item.change("amount", old, money(row.amount, currency))
