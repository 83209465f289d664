"""Importing a table: read the file, check every row, write all of it or nothing, and say what it did.

A long file is written in several short transactions, so that others get to write in between. All of its rows are
checked before the first, and whoever is killed in between imports the file again: what is written already stays as it
is, the rest is taken up.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from storage.db import PATIENT_MS, Database
from storage.imports import queries
from workflows import clock
from workflows.actors import OPERATOR, Actor
from workflows.audit import service as audit
from workflows.errors import GovernanceError
from workflows.imports import bringing
from workflows.imports.headings import KINDS, Columns, find_columns
from workflows.imports.reports import Report, Request
from workflows.policy import Policy
from workflows.sources import github, tabular
from workflows.sources.rows import Outcome, RowFault, Table, faults_of
from workflows.sources.sheet import Sheet, SheetRow
from workflows.sources.text import storable

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
        table = bringing.table_of(request, sheet, actor, policy=policy, org_key=org_key)
        with database.read(within=PATIENT_MS / 1000) as session:
            known = queries.list_headings(session, request.kind)
        columns = find_columns(sheet.headings, KINDS[request.kind], request.mappings, known)
        running = _Import(database, request, sheet, columns, notes, table)
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
    raw = tabular.content(request.path)
    if request.kind == "milestones" and github.is_json(raw):
        return github.read(
            request.path, raw, project=request.project, zone=policy.organisation.zone
        )
    return tabular.parse(request.path.name or str(request.path), raw), ()


class _Import:
    """A file whose rows were read by their form."""

    def __init__(
        self,
        database: Database,
        request: Request,
        sheet: Sheet,
        columns: Columns,
        notes: tuple[str, ...],
        table: Table[Any, Any],
    ) -> None:
        self._database = database
        self._request = request
        self._sheet = sheet
        self._columns = columns
        self._notes = notes
        self._table = table
        self.rows, self._faults = _read_rows(sheet, columns, table.form)

    def write_at_once(self) -> Report:
        """Everything in one transaction. Raises _NotWritten where nothing of it is to stay."""

        def work(session: Session) -> Report:
            outcome = self._table.take_rows(session, self.rows, now=clock.now(session))
            report = self._conclude(session, outcome)
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
            checked = table.take_rows(session, self.rows, now=clock.now(session), writes=False)
            if (self._faults or checked.faults) and not self._request.skip_bad_rows:
                raise _NotWritten(self._report(Outcome(faults=checked.faults)))
        bad = {fault.line for fault in checked.faults}
        waiting = [row for row in self.rows if row[0] not in bad]
        done, size, in_vain = Outcome(faults=checked.faults), table.most or len(waiting), 0
        while len(waiting) > size:
            batch = waiting[:size]
            later: Rows[Any] = []
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
            outcome = table.take_rows(session, waiting, now=clock.now(session))
            return self._conclude(session, done + outcome, is_written=True)

        report = self._database.run(write_last, patient=True)
        progress(len(self.rows), len(self.rows))
        return report

    def _write_batch(self, session: Session, batch: Rows[Any]) -> Outcome:
        outcome = self._table.take_rows(session, batch, now=clock.now(session))
        if outcome.faults:
            raise _NotYet({fault.line for fault in outcome.faults})
        return outcome

    def _conclude(self, session: Session, outcome: Outcome, *, is_written: bool = False) -> Report:
        """What follows from the file as a whole, of which some is written for good already where it `is_written`."""
        report = self._report(outcome)
        if report.refused and not is_written:
            return report
        notes = (*self._columns.notes, *self._table.list_notes(), *self._notes)
        report = replace(report, notes=notes, refused=False)
        queries.remember(session, self._request.kind, self._columns.given)
        if report.changes:
            audit.record(
                session,
                self._table.actor,
                f"{report.kind}.imported",
                ("import", self._sheet.sha256),
                now=self._table.now,
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
