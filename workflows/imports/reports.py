"""What an import did, and how that is said on a terminal: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from workflows.sources.rows import RowChange, RowFault
from workflows.sources.text import storable

MOST = 50
"""Lines of one sort that are shown; the rest is counted."""


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
    uninvited: tuple[str, ...] = ()
    channels_unread: bool = False
    """Nobody has read yet which channels the bot is in."""
    reallocated: int = 0
    """Cost keys that belong to another project now."""
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
        yield f"Nothing was written: {_counted(bad, 'row')} of {report.rows:,} cannot be taken. Mend them, or take the others by --skip-bad-rows."
    elif report.is_dry_run:
        yield f"Nothing was written; {report.file} would do this to {report.kind}: {counts}."
    else:
        yield f"{report.kind.capitalize()}: {counts}."
    if bad and not report.refused:
        were = "would be" if report.is_dry_run else "was" if bad == 1 else "were"
        yield f"{_counted(bad, 'row')} {were} left out."
    for fault in report.faults[:MOST]:
        where = f"line {fault.line}" + (f", {fault.field}" if fault.field else "")
        yield f"  {where}: {storable(fault.sentence, 600)}"
    yield from _more(len(report.faults), "more fault")
    if report.refused:
        return
    for change in report.changes[:MOST]:
        yield f"  {_said(change)}"
    yield from _more(len(report.changes), "more change")
    yield from report.notes
    if report.reallocated:
        yield f"{_counted(report.reallocated, 'group')} of cost {'would belong' if report.is_dry_run else 'belong'} to another project now."
    if report.uninvited:
        if report.channels_unread:
            yield "mlgov hasn't read yet which channels it is in. It writes in these once it has (`mlgov run` and `mlgov sync` read them) and is a member; invite it with `/invite @mlgov` where it isn't:"
        else:
            yield "mlgov is not in these channels, so it cannot write there. Invite it in each with `/invite @mlgov`; it finds them then:"
        for channel in report.uninvited[:MOST]:
            yield f"  {storable(channel, 90)}"
        yield from _more(len(report.uninvited), "more channel")


def _said(change: RowChange) -> str:
    name = storable(change.name, 80)
    if change.is_new:
        return f"line {change.line}: {name} is new"
    fields = "; ".join(
        f"{one.field} {_value(one.old)} → {_value(one.new)}" for one in change.fields
    )
    return f"line {change.line}: {name}: {fields}"


def _value(text: str) -> str:
    return storable(text, 80) or "(none)"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _more(number: int, noun: str) -> Iterator[str]:
    if number > MOST:
        yield f"  …and {_counted(number - MOST, noun)}"
