"""Importing a table: read the file, check every row, write all of it or nothing, and say what it did.

A long file is written in several short transactions, so that others get to write in between. All of its rows are
checked before the first, and whoever is killed in between imports the file again: what is written already stays as it
is, the rest is taken up.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from storage.db import PATIENT_MS, Database
from storage.enums import ProjectCategory
from storage.imports import queries
from storage.people import queries as people_queries
from storage.people import readings
from storage.people.lookups import find_channel
from workflows import clock
from workflows.audit import service as audit
from workflows.budgets import costs
from workflows.budgets.imports import BudgetTable
from workflows.cases.imports import CaseTable
from workflows.cases.return_imports import ReturnTable
from workflows.context import OPERATOR, Actor, Context
from workflows.errors import GovernanceError
from workflows.imports.headings import KINDS, Columns, find_columns
from workflows.inventory.imports import ModelItem, ModelRow, ModelTable
from workflows.maturity import targets
from workflows.milestones.forms import MilestoneRow
from workflows.milestones.imports import MilestoneItem, MilestoneTable
from workflows.people.imports import NamesPeople, PeopleTable
from workflows.policy import Policy
from workflows.projects.forms import ProjectRow
from workflows.projects.imports import ProjectItem, ProjectTable
from workflows.sources import github, workbook
from workflows.sources.rows import Outcome, RowChange, RowFault, Table, faults_of
from workflows.sources.tables import Sheet, SheetRow
from workflows.sources.text import storable

# --- What is to be imported, what an import did, and how that is said on a terminal
#
# pure.

MOST = 50
"""Lines of one sort that are shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Request:
    """A file to import. `mappings` say which of their headings stands for which field of ours."""

    kind: str
    """people, projects, budgets, milestones, models, cases or returns."""
    path: Path
    mappings: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    skip_bad_rows: bool = False
    project: str | None = None
    """The key of the project that GitHub milestones are of, where it is not the repository's name."""
    list_to: str | None = None
    """Slack id or e-mail address of whom milestones that are overdue already are shown to."""
    are_meant: bool = False
    """Whether amounts of budgets that are asked again are what whoever imports means (`workflows.budgets.increase`)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a file did, or would do. With `refused` nothing was written: there are faults, or no table was found."""

    kind: str
    file: str
    rows: int = 0
    changes: tuple[RowChange, ...] = ()
    unchanged: int = 0
    faults: tuple[RowFault, ...] = ()
    notes: tuple[str, ...] = ()
    is_dry_run: bool = False
    refused: bool = False
    problem: str | None = None
    """Why the file as a whole could not be read."""

    @property
    def added(self) -> int:
        """How many records are new."""
        return sum(change.is_new for change in self.changes)

    @property
    def changed(self) -> int:
        """How many records differ from before."""
        return len(self.changes) - self.added


def lines(report: Report) -> list[str]:
    """The report for a terminal: the news first, then what to mend, then what changed."""
    return list(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    if report.problem is not None:
        yield f"Nothing was written. {report.problem}"
        return
    counts = (
        f"{report.added:,} added, {report.changed:,} changed, {report.unchanged:,} as they were"
    )
    bad = len({fault.line for fault in report.faults})
    if report.refused:
        yield f"Nothing was written: {counted(bad, 'row')} of {report.rows:,} cannot be taken. Mend them, or take the others by --skip-bad-rows."
    elif report.is_dry_run:
        yield f"Nothing was written; {report.file} would do this to {report.kind}: {counts}."
    else:
        yield f"{report.kind.capitalize()}: {counts}."
    if bad and not report.refused:
        were = "would be" if report.is_dry_run else "was" if bad == 1 else "were"
        yield f"{counted(bad, 'row')} {were} left out."
    yield from list_some([_fault_line(fault) for fault in report.faults], "fault")
    if not report.refused:
        yield from list_some([_change_line(change) for change in report.changes], "change")
        yield from report.notes


def _fault_line(fault: RowFault) -> str:
    where = f"line {fault.line}" + (f", {fault.field}" if fault.field else "")
    return f"{where}: {storable(fault.sentence, 600)}"


def _change_line(change: RowChange) -> str:
    name = storable(change.name, 80)
    if change.is_new:
        return f"line {change.line}: {name} is new"
    fields = "; ".join(
        f"{one.field} {_value(one.old)} → {_value(one.new)}" for one in change.fields
    )
    return f"line {change.line}: {name}: {fields}"


def _value(text: str) -> str:
    return storable(text, 80) or "(none)"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def list_some(lines_: Sequence[str], noun: str) -> Iterator[str]:
    """The first lines of a list; the rest is counted."""
    yield from (f"  {line}" for line in lines_[:MOST])
    if len(lines_) > MOST:
        yield f"  …and {counted(len(lines_) - MOST, f'more {noun}')}"


# --- Each noun's table, with what it needs of other nouns


class _Projects(ProjectTable, NamesPeople[ProjectRow, ProjectItem]):
    is_dry_run = False

    def __init__(self) -> None:
        super().__init__()
        self._planned: dict[str, None] = {}
        self._has_changed = False

    def find_channel(self, word: str) -> tuple[str | None, bool]:
        """By the mirror: nothing is asked inside a transaction. An id is taken as it is; a name has to be known."""
        slack_id = find_channel(self.ctx.session, self.ctx.org, word)
        if slack_id is None:
            return (None if word.startswith("#") else word), False
        channel = people_queries.find_channel_by_id(self.ctx.session, self.ctx.org, slack_id)
        return slack_id, channel is not None and channel.bot_is_member

    def follow_up(self, items: Sequence[ProjectItem]) -> None:
        super().follow_up(items)
        innovation = ProjectCategory.INNOVATION.value
        for item in items:
            self._has_changed |= item.is_new or bool(item.fields)
            if any(
                change.field == "category" and change.new == innovation for change in item.fields
            ):
                self._planned[item.name] = None

    def list_notes(self) -> Iterator[str]:
        yield from super().list_notes()
        low = targets.find_caution(
            self.ctx, ProjectCategory.INNOVATION.value if self._planned else None
        )
        if low is not None:
            yield targets.describe_caution(low, list(self._planned))
            # The cost that is there goes to the projects that it belongs to now.
        if self._has_changed and (moved := costs.reallocate(self.ctx.session, self.ctx.policy)):
            yield f"{counted(moved, 'group')} of cost {'would belong' if self.is_dry_run else 'belong'} to another project now."
        if self.uninvited:
            if readings.WORDS["channels"] in readings.list_unread(self.ctx.session):
                yield "mlgov hasn't read yet which channels it is in. It writes in these once it has (`mlgov run` and `mlgov sync` read them) and is a member; invite it with `/invite @mlgov` where it isn't:"
            else:
                yield "mlgov is not in these channels, so it cannot write there. Invite it in each with `/invite @mlgov`; it finds them then:"
            yield from list_some([storable(word, 90) for word in self.uninvited], "channel")


class _Milestones(MilestoneTable, NamesPeople[MilestoneRow, MilestoneItem]):
    pass


class _Models(ModelTable, NamesPeople[ModelRow, ModelItem]):
    pass


def table_of(request: Request, sheet: Sheet) -> Table[Any, Any]:
    """The table that takes the rows of a file. Raises GovernanceError for a kind that there isn't."""
    match request.kind:
        case "people":
            return PeopleTable()
        case "projects":
            projects = _Projects()
            projects.is_dry_run = request.dry_run
            return projects
        case "budgets":
            return BudgetTable(are_meant=request.are_meant)
        case "cases":
            return CaseTable()
        case "returns":
            return ReturnTable()
        case "models":
            return _Models()
        case "milestones":
            return _Milestones(file=sheet.name, sha256=sheet.sha256, list_to=request.list_to)
        case _:
            raise GovernanceError(
                f"There is no import of {request.kind!r}; there is people, projects, budgets, milestones, models, cases and returns."
            )


# --- Importing a table
#
# read the file, check every row, write all of it or nothing, and say what it did. A long file
# is written in several short transactions, so that others get to write in between. All of its
# rows are checked before the first, and whoever is killed in between imports the file again:
# what is written already stays as it is, the rest is taken up.

F = TypeVar("F", bound=BaseModel)
Rows = list[tuple[int, F]]
Progress = Callable[[int, int], None]
"""Told after each transaction: rows that are done, of how many."""


class _NotWritten(Exception):
    """Ends the transaction of a preview, or of a file with faults, so that nothing of it stays."""

    def __init__(self, report: Report) -> None:
        self.report = report


class _NotYet(Exception):
    """Undoes a batch of which some lines name what is not there yet."""

    def __init__(self, lines: set[int]) -> None:
        self.lines = lines


def run(
    database: Database,
    request: Request,
    *,
    policy: Policy,
    org_key: str,
    actor: Actor = OPERATOR,
    progress: Progress = lambda done, total: None,
    probe: Callable[[str], None] = lambda name: None,
) -> Report:
    """Import a file. What is wrong with the file or its rows stands in the report; nothing is raised for it.

    Any faulty row means that nothing is written, unless `skip_bad_rows`. Importing the same file again writes nothing.
    """
    try:
        sheet, notes = _read(request, policy)
        table = table_of(request, sheet)
        with database.read(within=PATIENT_MS / 1000) as session:
            known = queries.list_headings(session, request.kind)
        columns = find_columns(sheet.headings, KINDS[request.kind], request.mappings, known)
        world = partial(_world, policy, org_key, actor)
        running = _Import(database, request, sheet, columns, notes, table, world)
        if table.most is None or len(running.rows) <= table.most or request.dry_run:
            return running.write_at_once()
        return running.write_in_batches(progress, probe)
    except _NotWritten as preview:
        return preview.report
    except GovernanceError as error:
        return Report(
            request.kind,
            request.path.name,
            is_dry_run=request.dry_run,
            refused=True,
            problem=error.sentence,
        )


def _read(request: Request, policy: Policy) -> tuple[Sheet, tuple[str, ...]]:
    """The table in a file, and what was left out while it was read. GitHub's JSON is taken for milestones alone."""
    raw = workbook.content(request.path)
    if request.kind == "milestones" and github.is_json(raw):
        return github.read(
            request.path, raw, project=request.project, zone=policy.organisation.zone
        )
    return workbook.parse(request.path.name or str(request.path), raw), ()


def _world(policy: Policy, org_key: str, actor: Actor, session: Session) -> Context:
    return Context(session, actor, policy, org_key, clock.now(session))


class _Import(Generic[F]):
    """A file whose rows were read by their form."""

    def __init__(
        self,
        database: Database,
        request: Request,
        sheet: Sheet,
        columns: Columns,
        notes: tuple[str, ...],
        table: Table[F, Any],
        world: Callable[[Session], Context],
    ) -> None:
        self._database = database
        self._request = request
        self._sheet = sheet
        self._columns = columns
        self._notes = notes
        self._table = table
        self._world = world
        self.rows, self._faults = _read_rows(sheet, columns, table.form)

    def write_at_once(self) -> Report:
        """Everything in one transaction. Raises _NotWritten where nothing of it is to stay."""

        def work(session: Session) -> Report:
            outcome = self._table.take_rows(self._world(session), self.rows)
            report = self._conclude(outcome)
            if report.refused or report.is_dry_run:
                raise _NotWritten(report)
            return report

        return self._database.run(work, patient=True)

    def write_in_batches(self, progress: Progress, probe: Callable[[str], None]) -> Report:
        """Everything in transactions of a few rows. Raises _NotWritten for a file with faults.

        A row that names what a later one brings is a fault in its batch: that is undone, and the row waits until others
        are written. Once that helps no more (two projects swap accounts), all that wait go together.
        """
        table = self._table
        with self._database.read(within=PATIENT_MS / 1000) as session:
            checked = table.take_rows(self._world(session), self.rows, writes=False)
            if (self._faults or checked.faults) and not self._request.skip_bad_rows:
                raise _NotWritten(self._report(Outcome(faults=checked.faults)))
        bad = {fault.line for fault in checked.faults}
        waiting = [row for row in self.rows if row[0] not in bad]
        done, size, in_vain = Outcome(faults=checked.faults), table.most or len(waiting), 0
        while len(waiting) > size:
            batch = waiting[:size]
            later: Rows[F] = []
            while batch:
                try:
                    done += self._database.in_turn(partial(self._write_batch, batch=batch))
                except _NotYet as early:
                    later += [row for row in batch if row[0] in early.lines]
                    batch = [row for row in batch if row[0] not in early.lines]
                else:
                    break
            waiting = waiting[size:] + later
            in_vain = 0 if batch else in_vain + size
            if in_vain >= len(waiting):
                size = len(waiting)
            if batch:
                probe("imports.batch")
                progress(len(self.rows) - len(waiting), len(self.rows))

        def write_last(session: Session) -> Report:
            outcome = table.take_rows(self._world(session), waiting)
            return self._conclude(done + outcome, is_written=True)

        report = self._database.run(write_last, patient=True)
        progress(len(self.rows), len(self.rows))
        return report

    def _write_batch(self, session: Session, batch: Rows[F]) -> Outcome:
        outcome = self._table.take_rows(self._world(session), batch)
        if outcome.faults:
            raise _NotYet({fault.line for fault in outcome.faults})
        return outcome

    def _conclude(self, outcome: Outcome, *, is_written: bool = False) -> Report:
        """What follows from the file as a whole, of which some is written for good already where it `is_written`."""
        report = self._report(outcome)
        if report.refused and not is_written:
            return report
        notes = (*self._columns.notes, *self._table.list_notes(), *self._notes)
        report = replace(report, notes=notes, refused=False)
        queries.remember(self._table.ctx.session, self._request.kind, self._columns.given)
        if report.changes:
            audit.record(
                self._table.ctx,
                f"{report.kind}.imported",
                ("import", self._sheet.sha256),
                rows=report.rows,
                added=report.added,
                changed=report.changed,
                unchanged=report.unchanged,
                left_out=len({fault.line for fault in report.faults}),
            )
        return report

    def _report(self, outcome: Outcome) -> Report:
        faults = [*outcome.faults, *self._faults]
        return Report(
            kind=self._request.kind,
            file=storable(self._sheet.name, 80),
            rows=len(self._sheet.rows),
            changes=tuple(sorted(outcome.changes, key=lambda change: change.line)),
            unchanged=outcome.unchanged,
            faults=tuple(sorted(faults, key=lambda fault: fault.line)),
            is_dry_run=self._request.dry_run,
            refused=bool(faults) and not self._request.skip_bad_rows,
        )


def _read_rows(sheet: Sheet, columns: Columns, form: type[F]) -> tuple[Rows[F], list[RowFault]]:
    """Every row by its form: the good ones with their lines, and what is wrong with the others."""
    rows: Rows[F] = []
    faults: list[RowFault] = []
    names: dict[int | None, str | None] = {None: None}
    names |= {column: name for name, column in columns.at.items()}
    lists = {name for name, one in form.model_fields.items() if "tuple" in str(one.annotation)}
    for row in sheet.rows:
        wrong = [
            RowFault(row.line, names[fault.column], fault.sentence)
            for fault in row.faults
            if fault.column in names
        ]
        if not wrong:
            try:
                rows.append((row.line, form.model_validate(_cells(row, columns, lists))))
            except ValidationError as error:
                wrong = faults_of(row.line, error, form)
        faults += wrong
    return rows, faults


def _cells(row: SheetRow, columns: Columns, lists: Collection[str]) -> dict[str, str]:
    """The cells that hold something, without what no database can store. In `lists` a line break separates."""
    cells = {
        name: re.sub(r"[\r\n\v\u2028]+", ";", row.cells[column].strip())
        if name in lists
        else row.cells[column]
        for name, column in columns.at.items()
    }
    return {name: text for name, cell in cells.items() if (text := storable(cell, 10_000))}
