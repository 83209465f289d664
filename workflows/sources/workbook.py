"""Reading XLSX workbooks, guarded: what unpacks to too much, holds formulas or is damaged is refused in words."""

import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

from workflows.sources import tables
from workflows.sources.tables import (
    MAX_BYTES,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_UNPACKED,
    CellFault,
    Sheet,
    SheetRow,
    TableRefused,
    check_headings,
    check_rows,
    fit,
)

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

# --- How large a part of a workbook is, counted while it streams by
#
# nothing is built, whatever it claims or pads. A row counts as wide as its last cell: one cell
# in column XFD makes 16,384. What a sheet says of its own size isn't asked.

WIDEST = 16_384
"""Columns that a sheet has in Excel."""
MOST_MARKS = 100_000
"""Merged cells, rules, links and other settings of a sheet."""
MOST_IN_ONE = 200_000
"""Elements within one row, or one text."""
_PIECE = 65_536


class _Enough(Exception):
    """The rest of a part is not read by anybody."""


def require(name: str, part: IO[bytes], *, whole: bool = False) -> None:
    """Refuse a part that is larger than is read. Raises TableRefused, which names the bound.

    A sheet that says how large it is is not read any further, unless it is the one that is imported: `whole`. A part that
    is damaged is left to whoever reads it.
    """
    _Extent(name, whole=whole).measure(part)


class _Extent:
    def __init__(self, name: str, *, whole: bool) -> None:
        self._name = name
        self._whole = whole
        self._depth = 0
        self._is_sheet = False
        self._has_size = False
        self._in_data = False
        self._cells = 0
        """Of all rows that have ended."""
        self._column = 0
        self._widest = 0
        self._inside = 0
        """Elements within the row or text that is open."""
        self._marks = 0
        self._texts = 0

    def measure(self, part: IO[bytes]) -> None:
        """Read it piece by piece."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            while piece := part.read(_PIECE):
                parser.Parse(piece)
            parser.Parse(b"", True)
        except (_Enough, expat.ExpatError):
            return

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        self._depth += 1
        if self._depth == 1:
            self._is_sheet = tag == "worksheet"
        if tag == "si":
            self._texts += 1
            self._inside = 0
            self._check(self._texts)
        elif tag == "row":
            self._column = self._widest = self._inside = 0
        elif self._is_sheet and tag == "c":
            self._column = _column(attributes.get("r", "")) or self._column + 1
            self._widest = max(self._widest, self._column)
            self._check(self._cells + self._widest)
        elif self._is_sheet and tag == "dimension":
            self._has_size = True
        elif self._is_sheet and tag == "sheetData":
            self._in_data = True
            if self._has_size and not self._whole:
                raise _Enough
        elif self._is_sheet and not self._in_data:
            self._marks += 1
        self._inside += 1
        if self._marks > MOST_MARKS:
            raise TableRefused(
                f"{self._name} has more than {MOST_MARKS:,} merged cells, rules and other settings in its sheet. "
                "Save only the table, or save it as CSV."
            )
        if (self._in_data or self._texts) and self._inside > MOST_IN_ONE:
            raise TableRefused(
                f"{self._name} has a row or a text of more than {MOST_IN_ONE:,} parts. Save the table as CSV."
            )

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        self._depth -= 1
        if tag == "row":
            self._cells += self._widest
            self._widest = 0
        elif tag == "sheetData":
            self._in_data = False

    def _check(self, number: int) -> None:
        if number > MAX_CELLS:
            raise TableRefused(
                f"{self._name} has more than {MAX_CELLS:,} cells, with the empty ones before the last of each row; at most "
                "that many are read. Delete the columns and rows beside the table, or save it as CSV."
            )

    def _doctype(self, *_: Any) -> None:
        raise TableRefused(
            f"{self._name} holds definitions that no workbook needs. Save it anew as XLSX or CSV."
        )


def _column(reference: str) -> int:
    """The number of the column that a cell's reference like `XFD12` names; 0 for none."""
    number = 0
    for letter in reference[:8].upper():
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number


# --- Reading XLSX workbooks, guarded
#
# what unpacks to too much, holds formulas or is damaged is refused in words.

_MOST_PARTS = 2_000
_MOST_GROWTH = 200
"""How many times larger than the file its content may be."""
_WIDEST = 16_384
"""Columns that a sheet has in Excel."""


def read_workbook(name: str, raw: bytes) -> tuple[tuple[str, ...], tuple[SheetRow, ...]]:
    """Headings and rows of the first visible sheet. Raises TableRefused."""
    _check_parts(name, raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _read(name, raw)
        except TableRefused:
            raise
        except Exception as error:
            # What openpyxl raises for a damaged workbook is not documented: KeyError, ValueError, TypeError, ParseError…
            raise TableRefused(
                f"{name} is a damaged workbook ({type(error).__name__}). Open it, save it anew as XLSX, and try again."
            ) from error


def _check_parts(name: str, raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            infos = parts.infolist()
            if any(info.flag_bits & 1 for info in infos):
                raise TableRefused(f"{name} is protected by a password. Save it without one.")
            unpacked = sum(info.file_size for info in infos)
            if (
                len(infos) > _MOST_PARTS
                or unpacked > MAX_UNPACKED
                or (unpacked > 10_000_000 and unpacked > _MOST_GROWTH * len(raw))
            ):
                raise TableRefused(
                    f"{name} unpacks to {unpacked:,} bytes, which is more than a table needs. Save only the sheet with the table, as CSV."
                )
            names = {info.filename for info in infos}
            for info in infos:
                if info.filename.endswith((".xml", ".rels")):
                    with parts.open(info) as part:
                        require(name, part)
    except TableRefused:
        raise
    except Exception as error:
        raise TableRefused(
            f"{name} is a damaged or cut-off workbook ({type(error).__name__}). Open it, save it anew as XLSX, and try again."
        ) from error
    if not any(one.startswith("xl/") for one in names):
        raise TableRefused(f"{name} is a ZIP archive and no workbook. Give a CSV or XLSX file.")


def _read(name: str, raw: bytes) -> tuple[tuple[str, ...], tuple[SheetRow, ...]]:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
    try:
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise TableRefused(
                f"{name} has no visible sheet. Save the table as a sheet of its own."
            )
        sheet = visible[0]
        # Before anything is built of it: a sheet is as large as the last cell of each row says.
        with (
            zipfile.ZipFile(io.BytesIO(raw)) as parts,
            parts.open(vars(sheet)["_worksheet_path"]) as part,
        ):
            require(name, part, whole=True)
        sheet.reset_dimensions()
        headings: tuple[str, ...] = ()
        rows: list[SheetRow] = []
        for line, cells, faults in _rows(name, sheet):
            if not headings:
                if faults:
                    raise TableRefused(f"{name}, row {line}: a heading {faults[0].sentence}.")
                headings = check_headings(name, cells)
                continue
            row = fit(name, line, cells, len(headings))
            within = [fault for fault in faults if (fault.column or 0) < len(headings)]
            rows.append(SheetRow(row.line, row.cells, (*row.faults, *within)))
            check_rows(name, len(rows))
        return headings, tuple(rows)
    finally:
        book.close()


def _rows(name: str, sheet: "Worksheet") -> Iterator[tuple[int, list[str], list[CellFault]]]:
    """(row number, cells as text, faults) of every row that is not empty."""
    for line, row in enumerate(sheet.iter_rows(), start=1):
        check_rows(name, line - 1)
        if len(row) > MAX_COLUMNS and any(cell.value is not None for cell in row[MAX_COLUMNS:]):
            raise TableRefused(
                f"{name}, row {line} reaches column {min(len(row), _WIDEST):,}; at most {MAX_COLUMNS} columns are read. Leave out what is not imported."
            )
        cells: list[str] = []
        faults: list[CellFault] = []
        for at, cell in enumerate(row[:MAX_COLUMNS]):
            if getattr(cell, "data_type", "n") == "f":
                faults.append(CellFault(at, "holds a formula; paste its value instead"))
                cells.append("")
            elif getattr(cell, "data_type", "n") == "e":
                faults.append(CellFault(at, f"holds the error {cell.value}; write a value"))
                cells.append("")
            elif _is_rounded(cell.value):
                faults.append(
                    CellFault(
                        at,
                        "holds a number of more than 15 digits, which spreadsheets round; format the cell as text and enter it anew",
                    )
                )
                cells.append("")
            else:
                cells.append(as_text(cell.value))
        while (
            cells and not cells[-1] and not any(fault.column == len(cells) - 1 for fault in faults)
        ):
            cells.pop()
        if cells:
            yield line, cells, faults


def _is_rounded(value: object) -> bool:
    """Whether a cell holds a number of which a spreadsheet keeps only the first digits, like a long id."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value == value
        and abs(value) >= 1e15
    )


def as_text(value: object) -> str:
    """A cell's value as it would be typed: days as 2026-01-31, numbers in plain digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).strip()


# --- Reading tables that people bring
#
# CSV and XLSX, told apart by what is in them and not by their names.

_GIVE = "Give a CSV or XLSX file."
_OTHER = (
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel file (XLS), or one protected by a password. Save it as XLSX without a password",
    ),
    (b"\x1f\x8b", "compressed (gzip). Unpack it first"),
    (b"%PDF", "a PDF. Export the table as CSV or XLSX"),
    (b"PAR1", "a Parquet file. Export the table as CSV or XLSX"),
)


def read_table(path: Path) -> Sheet:
    """The table in a file. Raises TableRefused with what to do; nothing but this one file is opened."""
    return parse(path.name or str(path), content(path))


def content(path: Path) -> bytes:
    """What a file holds. Raises TableRefused for what is no file, too large, or empty."""
    return _bytes(path, path.name or str(path))


def parse(name: str, raw: bytes) -> Sheet:
    """The table in the content of a file called `name`. Raises TableRefused."""
    for magic, what in _OTHER:
        if raw.startswith(magic):
            raise TableRefused(f"{name} is {what}.")
    read = read_workbook if raw.startswith(b"PK\x03\x04") else tables.read_csv
    headings, rows = read(name, raw)
    if not headings:
        raise TableRefused(f"{name} holds no table: its first row must be headings. {_GIVE}")
    if not rows:
        raise TableRefused(f"{name} has headings and no rows.")
    return Sheet(name, hashlib.sha256(raw).hexdigest(), headings, rows)


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise TableRefused(f"{path} is a directory. {_GIVE}")
        if path.exists() and not path.is_file():
            raise TableRefused(f"{path} is no ordinary file. {_GIVE}")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TableRefused(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise TableRefused(f"{path} cannot be read ({why}).") from None
    if len(raw) > MAX_BYTES:
        raise TableRefused(
            f"{name} is larger than {MAX_BYTES:,} bytes. Split it, or leave out what is not imported."
        )
    if not raw.strip():
        raise TableRefused(f"{name} is empty. {_GIVE}")
    return raw
