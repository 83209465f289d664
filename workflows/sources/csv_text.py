"""Reading CSV: which encoding, which separator, and where a cut-off file ends."""

import csv
import io
import re
from collections.abc import Iterator

from workflows.sources.sheet import (
    MAX_COLUMNS,
    CellFault,
    SheetRow,
    TableRefused,
    check_headings,
    check_rows,
    fit,
)

SEPARATORS = (",", ";", "\t", "|")
_HOW = "In Excel: File, Save As, “CSV UTF-8”; in a text editor: save with encoding UTF-8."
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2}")
_SAMPLE = 20


def decode(name: str, raw: bytes) -> str:
    """The text of a file. Raises TableRefused that names the encoding it seems to have, and how to save it as UTF-8."""
    if raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise TableRefused(f"{name} is UTF-32, and only UTF-8 is read. {_HOW}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or raw[:200].count(0) > 20:
        raise TableRefused(
            f"{name} looks like UTF-16 (“Unicode text”), and only UTF-8 is read. {_HOW}"
        )
    if b"\x00" in raw:
        raise TableRefused(f"{name} is no text: it holds zero bytes. Give a CSV or XLSX file.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TableRefused(
            f"{name} is not UTF-8: line {line} looks like {_guess(raw)}. {_HOW}"
        ) from None


def _guess(raw: bytes) -> str:
    for codec, label in (("cp932", "Shift-JIS"), ("euc_jp", "EUC-JP")):
        try:
            if _JAPANESE.search(raw.decode(codec)):
                return label
        except UnicodeDecodeError:
            continue
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return "another encoding"
    return "Windows-1252 (also called ANSI or Latin-1)"


def read(name: str, raw: bytes) -> tuple[tuple[str, ...], tuple[SheetRow, ...]]:
    """Headings and rows of a CSV file. Raises TableRefused."""
    text = decode(name, raw)
    separator, first_line = _separator(text)
    records = _records(name, text, separator, first_line)
    headings: tuple[str, ...] = ()
    rows: list[SheetRow] = []
    for line, cells in records:
        if not headings:
            headings = check_headings(name, cells)
            continue
        if len(cells) > MAX_COLUMNS * 5:
            raise TableRefused(
                f"{name}, line {line} has {len(cells):,} cells; that is no table that can be read."
            )
        row = fit(name, line, cells, len(headings))
        if len(cells) < len(headings):
            row = _with(
                row,
                CellFault(
                    None, f"has {len(cells)} of {len(headings)} cells; the file may be cut off here"
                ),
            )
        for at, cell in enumerate(row.cells):
            if cell.startswith("="):
                row = _with(row, CellFault(at, "holds a formula; write its value instead"))
        rows.append(row)
        check_rows(name, len(rows))
    return headings, tuple(rows)


def _with(row: SheetRow, fault: CellFault) -> SheetRow:
    return SheetRow(row.line, row.cells, (*row.faults, fault))


def _separator(text: str) -> tuple[str, int]:
    """The character between cells, and the line where the table begins (Excel may say `sep=;` in the first)."""
    first, _, _ = text.partition("\n")
    if match := re.fullmatch(r'"?sep=(.)"?\r?', first, re.IGNORECASE):
        return match[1], 2
    best, best_score = SEPARATORS[0], (0, 0)
    for candidate in SEPARATORS:
        score = _score(text, candidate)
        if score > best_score:
            best, best_score = candidate, score
    return best, 1


def _score(text: str, separator: str) -> tuple[int, int]:
    """How well a separator explains the first rows: how many have as many cells as the headings, and how many that is."""
    widths: list[int] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if any(row):
                widths.append(len(row))
            if len(widths) == _SAMPLE:
                break
    except csv.Error:
        pass
    if not widths or widths[0] < 2:
        return (0, 0)
    return (widths.count(widths[0]), widths[0])


def _records(
    name: str, text: str, separator: str, first_line: int
) -> Iterator[tuple[int, list[str]]]:
    """(line at which it begins, cells) of every row that is not empty."""
    lines = io.StringIO(text, newline="")
    for _ in range(first_line - 1):
        lines.readline()
    reader = csv.reader(lines, delimiter=separator, strict=True)
    begins = first_line
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableRefused(f"{name}, line {begins}: {_what_is_wrong(str(error))}") from None
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield begins, cells
        begins = first_line + reader.line_num


def _what_is_wrong(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quotation mark is opened and never closed; the file may be cut off"
    if "field larger" in error:
        return "one cell holds more than 131,072 characters; a quotation mark may be open"
    return (
        "a quotation mark stands inside a cell; double it, or put the whole cell in quotation marks"
    )
