"""A table as it was read from a file, and why a file cannot be read as one."""

from dataclasses import dataclass

from workflows.errors import GovernanceError

MAX_BYTES = 20_000_000
"""Size of a file."""
MAX_UNPACKED = 200_000_000
"""Size of a workbook once it is unpacked."""
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELLS = 2_000_000
"""Cells of a workbook's sheet, with the empty ones before the last of each row; texts that its cells share."""
MAX_CELL = 10_000
"""Characters of one cell."""


class TableRefused(GovernanceError):
    """A file that is no table, or one that would take too much to read; nothing was written."""


@dataclass(frozen=True, slots=True)
class CellFault:
    """Something wrong with a row: the column at fault (from 0; None for the whole row), and what to do."""

    column: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row. `line` is the file's line, or the workbook's row, at which it begins; every heading has a cell."""

    line: int
    cells: tuple[str, ...]
    faults: tuple[CellFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: headings as they are written, rows, and the digest of the file."""

    name: str
    sha256: str
    headings: tuple[str, ...]
    rows: tuple[SheetRow, ...]


def fit(name: str, line: int, cells: list[str], width: int) -> SheetRow:
    """A row of a table with `width` headings. What does not fit is a fault of the row."""
    faults = [
        CellFault(at, f"holds {len(cell):,} characters; at most {MAX_CELL:,} fit")
        for at, cell in enumerate(cells[:width])
        if len(cell) > MAX_CELL
    ]
    if any(cells[width:]):
        faults.append(
            CellFault(
                None,
                f"has {len(cells)} cells under {width} headings; put a cell that holds the separator in quotation marks",
            )
        )
    kept = [cell[:MAX_CELL] for cell in cells[:width]]
    return SheetRow(line, tuple(kept + [""] * (width - len(kept))), tuple(faults))


def check_headings(name: str, headings: list[str]) -> tuple[str, ...]:
    """The headings of a table, without empty ones at the end. Raises TableRefused."""
    while headings and not headings[-1]:
        headings.pop()
    if len(headings) > MAX_COLUMNS:
        raise TableRefused(
            f"{name} has {len(headings):,} columns; at most {MAX_COLUMNS} are read. Leave out what is not imported."
        )
    return tuple(heading[:MAX_CELL] for heading in headings)


def check_rows(name: str, count: int) -> None:
    """Raises TableRefused for more rows than are read at once."""
    if count > MAX_ROWS:
        raise TableRefused(f"{name} has more than {MAX_ROWS:,} rows. Split it into several files.")
