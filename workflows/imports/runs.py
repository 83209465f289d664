"""Importing a table: read the file, check every row, write all of it or nothing, and say what it did."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from storage.db import Database
from storage.imports import queries
from storage.people import readings
from workflows import clock
from workflows.actors import OPERATOR, Actor
from workflows.audit import service as audit
from workflows.budgets.forms import BudgetRow
from workflows.errors import GovernanceError
from workflows.imports import bringing
from workflows.imports.headings import (
    BUDGETS,
    MILESTONES,
    MODELS,
    PEOPLE,
    PROJECTS,
    Columns,
    Fields,
    find_columns,
)
from workflows.imports.reports import Report
from workflows.inventory.rows import ModelRow
from workflows.milestones.forms import MilestoneRow
from workflows.people.forms import PersonRow
from workflows.policy import Policy
from workflows.projects.forms import ProjectRow
from workflows.sources import github, tabular
from workflows.sources.rows import Outcome, RowFault, faults_of
from workflows.sources.sheet import Sheet, SheetRow
from workflows.sources.text import storable

F = TypeVar("F", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request:
    """A file to import. `mappings` say which of their headings stands for which field of ours."""

    kind: str
    """people, projects, budgets, milestones or models."""
    path: Path
    mappings: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    skip_bad_rows: bool = False
    project: str | None = None
    """The key of the project that GitHub milestones are of, where it is not the repository's name."""
    list_to: str | None = None
    """Slack id or e-mail address of whom milestones that are overdue already are shown to."""
    are_meant: bool = False
    """Whether amounts of budgets that are asked again are what whoever imports means (`workflows.budgets.doubts`)."""


class _NotWritten(Exception):
    """Ends the transaction of a preview, or of a file with faults, so that nothing of it stays."""

    def __init__(self, report: Report) -> None:
        self.report = report


def run(
    database: Database, request: Request, *, policy: Policy, org_key: str, actor: Actor = OPERATOR
) -> Report:
    """Import a file in one transaction. What is wrong with the file or its rows stands in the report; nothing is raised for it.

    Any faulty row means that nothing is written, unless `skip_bad_rows`. Importing the same file again writes nothing.
    """
    try:
        sheet, notes = _read(request, policy)
    except GovernanceError as error:
        return _unread(request, error)

    def work(session: Session) -> Report:
        report = _import(
            session, actor, sheet, request, policy=policy, org_key=org_key, now=clock.now(session)
        )
        report = replace(report, notes=(*report.notes, *notes))
        if report.refused or report.is_dry_run:
            raise _NotWritten(report)
        return report

    try:
        return database.run(work, patient=True)
    except _NotWritten as preview:
        return preview.report
    except GovernanceError as error:
        return _unread(request, error)


def _read(request: Request, policy: Policy) -> tuple[Sheet, tuple[str, ...]]:
    """The table in a file, and what was left out while it was read. GitHub's JSON is taken for milestones alone."""
    raw = tabular.content(request.path)
    if request.kind == "milestones" and github.is_json(raw):
        return github.read(
            request.path, raw, project=request.project, zone=policy.organisation.zone
        )
    return tabular.parse(request.path.name or str(request.path), raw), ()


def _unread(request: Request, error: GovernanceError) -> Report:
    return Report(
        request.kind,
        request.path.name,
        is_dry_run=request.dry_run,
        refused=True,
        problem=error.sentence,
    )


def _import(
    session: Session,
    actor: Actor,
    sheet: Sheet,
    request: Request,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> Report:
    bring = bringing.Bringing(session, actor, policy, org_key, now, are_meant=request.are_meant)
    outcome, columns = _bring(session, sheet, request, bring)
    faults = sorted(outcome.faults, key=lambda fault: fault.line)
    report = Report(
        kind=request.kind,
        file=storable(sheet.name, 80),
        rows=len(sheet.rows),
        changes=tuple(sorted(outcome.changes, key=lambda change: change.line)),
        unchanged=outcome.unchanged,
        faults=tuple(faults),
        notes=(*columns.notes, *outcome.notes),
        uninvited=tuple(dict.fromkeys(outcome.uninvited)),
        channels_unread=readings.WORDS["channels"] in readings.list_unread(session),
        is_dry_run=request.dry_run,
        refused=bool(faults) and not request.skip_bad_rows,
    )
    if not report.refused and request.kind == "projects" and report.changes:
        report = replace(report, reallocated=bring.reallocated())
    queries.remember(session, request.kind, columns.given)
    if report.changes:
        audit.record(
            session,
            actor,
            f"{request.kind}.imported",
            ("import", sheet.sha256),
            now=now,
            rows=report.rows,
            added=report.added,
            changed=report.changed,
            unchanged=report.unchanged,
            left_out=len({fault.line for fault in faults}),
        )
    return report


def _bring(
    session: Session, sheet: Sheet, request: Request, bring: bringing.Bringing
) -> tuple[Outcome, Columns]:
    kind = request.kind

    def columns(fields: Fields) -> Columns:
        known = queries.list_headings(session, kind)
        return find_columns(sheet.headings, fields, request.mappings, known)

    if kind == "people":
        found = columns(PEOPLE)
        return _checked(sheet, found, PersonRow, bring.people), found
    if kind == "projects":
        found = columns(PROJECTS)
        return _checked(sheet, found, ProjectRow, bring.projects), found
    if kind == "budgets":
        found = columns(BUDGETS)
        return _checked(sheet, found, BudgetRow, bring.budgets), found
    if kind == "models":
        found = columns(MODELS)
        return _checked(sheet, found, ModelRow, bring.models), found
    if kind == "milestones":
        found = columns(MILESTONES)

        def bring_milestones(rows: list[tuple[int, MilestoneRow]]) -> Outcome:
            return bring.milestones(
                rows, file=sheet.name, sha256=sheet.sha256, list_to=request.list_to
            )

        return _checked(sheet, found, MilestoneRow, bring_milestones), found
    raise GovernanceError(
        f"There is no import of {kind!r}; there is people, projects, budgets, milestones and models."
    )


def _checked(
    sheet: Sheet, columns: Columns, form: type[F], bring: Callable[[list[tuple[int, F]]], Outcome]
) -> Outcome:
    """Read every row by its form and bring in the good ones."""
    good: list[tuple[int, F]] = []
    faults: list[RowFault] = []
    names: dict[int | None, str] = {column: name for name, column in columns.at.items()}
    for row in sheet.rows:
        found = [
            RowFault(row.line, names.get(fault.column), fault.sentence)
            for fault in row.faults
            if fault.column is None or fault.column in names
        ]
        if not found:
            try:
                cells = _cells(row, columns, _lists(form))
                good.append((row.line, form.model_validate(cells)))
            except ValidationError as error:
                found = faults_of(row.line, error, form)
        faults += found
    outcome = bring(good)
    outcome.faults += faults
    return outcome


def _cells(row: SheetRow, columns: Columns, lists: Collection[str]) -> dict[str, str]:
    """The cells that hold something, without what no database can store. In `lists` a line break separates."""
    cells = {
        name: re.sub(r"[\r\n\v\u2028]+", ";", row.cells[column].strip())
        if name in lists
        else row.cells[column]
        for name, column in columns.at.items()
    }
    return {name: text for name, cell in cells.items() if (text := storable(cell, 10_000))}


def _lists(form: type[BaseModel]) -> set[str]:
    """The fields of which a cell can hold several."""
    return {name for name, field in form.model_fields.items() if "tuple" in str(field.annotation)}
