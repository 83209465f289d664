"""Reading XLSX workbooks, guarded: what unpacks to too much, holds formulas or is damaged is refused in words."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from workflows.sources import extent
from workflows.sources.sheet import (
    MAX_COLUMNS,
    MAX_UNPACKED,
    CellFault,
    SheetRow,
    TableRefused,
    check_headings,
    check_rows,
    fit,
)

_MOST_PARTS = 2_000
_MOST_GROWTH = 200
"""How many times larger than the file its content may be."""
_WIDEST = 16_384
"""Columns that a sheet has in Excel."""


def read(name: str, raw: bytes) -> tuple[tuple[str, ...], tuple[SheetRow, ...]]:
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
                        extent.require(name, part)
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
        sheet: Any = visible[0]
        # Before anything is built of it: a sheet is as large as the last cell of each row says.
        with zipfile.ZipFile(io.BytesIO(raw)) as parts, parts.open(sheet._worksheet_path) as part:
            extent.require(name, part, whole=True)
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


def _rows(name: str, sheet: Any) -> Iterator[tuple[int, list[str], list[CellFault]]]:
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


def _is_rounded(value: Any) -> bool:
    """Whether a cell holds a number of which a spreadsheet keeps only the first digits, like a long id."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value == value
        and abs(value) >= 1e15
    )


def as_text(value: Any) -> str:
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
