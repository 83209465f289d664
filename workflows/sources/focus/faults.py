"""Bad rows: why DuckDB could not split or use them, and on which line they stand."""

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack

from workflows.sources.accounts import is_rounded
from workflows.sources.focus import sql
from workflows.sources.focus.content import CsvLayout
from workflows.sources.focus.records import BadRow
from workflows.sources.focus.wording import shown

_SPLITTING = {
    "MISSING COLUMNS": "has fewer fields than the heading",
    "TOO MANY COLUMNS": "has more fields than the heading",
    "UNQUOTED VALUE": "has a quotation mark that is not closed or not doubled",
    "INVALID ENCODING": "is not UTF-8 text (it looks like Latin-1 or Windows-1252); save the file as UTF-8",
    "LINE SIZE OVER MAXIMUM": f"is longer than {sql.MAX_LINE_BYTES:,} bytes",
}
_SLASHED = re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*")


def split_reason(error_type: str) -> str:
    """Why DuckDB's CSV reader put a row among the rejects."""
    return _SPLITTING.get(error_type, "cannot be split into fields")


def reason(column: str, value: str | None) -> str:
    """Why a value cannot be used, with what to do where that is not plain."""
    if value is None or value in sql.NULL_WORDS:
        return "is empty, but FOCUS requires a value in every row"
    if column in {"BillingAccountId", "SubAccountId"} and is_rounded(value):
        return (
            "is a long id that a spreadsheet program has rounded, so that several accounts look the same; export again and "
            "give the export itself"
        )
    if column in {"BillingPeriodStart", "ChargePeriodStart"}:
        if _SLASHED.fullmatch(value.strip()):
            return (
                "is a date in a local style, which can mean two days; FOCUS writes 2024-09-01T00:00:00Z "
                "(a spreadsheet program may have changed it: export again and do not save it from one)"
            )
        return "is not a date and time like 2024-09-01T00:00:00Z"
    if column == "BillingCurrency":
        return "is not a currency code of three letters, like USD"
    plain = value.strip()
    if re.fullmatch(r"[+-]?[\d.]*,\d+", plain) or re.fullmatch(r"[+-]?[\d,]*,\d{3}(\.\d*)?", plain):
        return "has a comma; FOCUS writes amounts with a point and no separators, like 1234.56"
    if re.fullmatch(r"[+-]?[\d_]*\.?[\d_]*([eE][+-]?\d+)?", plain) and any(
        c.isdigit() for c in plain
    ):
        if re.search(r"[eE]", plain) or len(plain.partition(".")[2]) > sql.SCALE:
            return (
                f"has more than {sql.SCALE} decimals or is too large; it would have to be rounded"
            )
        return "is larger than any cost (10^15)"
    return "is not a number"


def lines_of(
    descriptor: int,
    file: str,
    layout: CsvLayout,
    positions: dict[str, int],
    faulty: set[tuple[str, str | None]],
) -> Iterator[BadRow]:
    """The rows of a CSV file with a faulty value, by line. DuckDB judged the values; only their places are looked up here."""
    width = len(layout.heading)
    columns = [name for name in sql.CHECKS if name in positions]
    for line, row in _records(descriptor, layout):
        if line == 1 or len(row) != width:
            continue
        for column in columns:
            raw = row[positions[column]]
            value = None if raw in sql.NULL_WORDS else raw
            if (column, value) in faulty:
                yield bad_row(file, line, column, value)
                break


def bad_row(file: str, line: int, column: str, value: str | None) -> BadRow:
    """A row with a value that cannot be used."""
    text = None if value is None or value in sql.NULL_WORDS else shown(value)
    return BadRow(file, line, column, text, reason(column, value))


def count_rows(descriptor: int, layout: CsvLayout) -> int:
    """Rows of a CSV file without its heading, by a second parser."""
    return sum(1 for _, row in _records(descriptor, layout) if row) - 1


def _records(descriptor: int, layout: CsvLayout) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it starts; ends quietly at what the csv module cannot split."""
    with ExitStack() as stack:
        stored = stack.enter_context(os.fdopen(os.dup(descriptor), "rb"))
        stored.seek(0)
        raw: io.BufferedReader | gzip.GzipFile = stored
        if layout.gzip:
            raw = stack.enter_context(gzip.GzipFile(fileobj=stored))
        lines = stack.enter_context(
            io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        )
        reader = csv.reader(lines, delimiter=layout.delimiter)
        start = 1
        try:
            for row in reader:
                yield start, row
                start = reader.line_num + 1
        except (csv.Error, OSError, EOFError):
            return
