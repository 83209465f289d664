"""What is to be imported, what an import did, and how that is said on a terminal: pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workflows.sources.rows import RowChange, RowFault
from workflows.sources.text import storable

MOST = 50
"""Lines of one sort that are shown; the rest is counted."""


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
