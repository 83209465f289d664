"""A table as it was read from a file, and why a file cannot be read as one."""

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator

from workflows.errors import GovernanceError
from workflows.sources.text import folded_email

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


# --- What people write into the cells of their tables, and how it is read

CLEAR = "-"
"""The cell that empties a field; an empty cell leaves it as it is."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)
_SLACK_ID = re.compile(r"^[UW][A-Z0-9]{2,31}$")
_MENTION = re.compile(r"^<@([UW][A-Z0-9]{2,31})(?:\|[^>]*)?>$")


def cleared(value: str) -> bool:
    """Whether the cell says that the field is to be emptied."""
    return value.strip() in {CLEAR, "–", "—"}


def listed(value: str) -> tuple[str, ...]:
    """The parts of a cell that holds several, each once: separated by `;` or a line break, ids also by a comma.

    Raises ValueError for a comma that may be part of a name; with a `;` anywhere in the cell commas belong to names.
    """
    parts = [" ".join(part.split()) for part in re.split(r"[;\r\n\v\u2028]", value)]
    cells = [part for part in parts if part]
    if len(parts) == 1 and "," in value:
        ids = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch(r"\S*\d\S*", one) for one in ids if one):
            raise ValueError(
                "could be one with a comma in its name or several; separate several by ; and end a single one with ;"
            )
        cells = [one for one in ids if one]
    return tuple(dict.fromkeys(cells))


def plausible_day(value: date | None) -> date | None:
    """A day as it is. Raises ValueError for years that are slips of the keyboard, like 0206."""
    if value is not None and not FIRST_DAY <= value < LAST_DAY:
        raise ValueError(f"{value} lies outside 2000 to 2099; is the year right?")
    return value


def slack_or_email(value: str) -> str | None:
    """A Slack id (also as `<@U…>`) in its own spelling, or a folded e-mail address; None for anything else."""
    text = value.strip()
    if match := _MENTION.match(text):
        return match[1]
    if _SLACK_ID.match(text.upper()) and any(char.isdigit() for char in text):
        return text.upper()
    return folded_email(text)


def _somebody(value: str) -> str:
    known = slack_or_email(value)
    if known is None:
        raise ValueError(f"{value!r} is neither a member id nor an e-mail address")
    return known


Somebody = Annotated[str, AfterValidator(_somebody)]
"""A Slack id or a folded e-mail address."""
SomebodyOrNobody = Annotated[
    str, AfterValidator(lambda value: value if cleared(value) else _somebody(value))
]
"""The same, or `-`."""


E = TypeVar("E", bound=StrEnum)


def words_of(kinds: type[E], others: Mapping[str, E]) -> dict[str, E]:
    """Every word for one of these kinds, folded: their own names, and what people call them otherwise."""
    return {_folded(kind.value): kind for kind in kinds} | {
        _folded(word): kind for word, kind in others.items()
    }


def chosen(value: str, words: Mapping[str, E]) -> E:
    """What a word stands for. Raises ValueError, with the nearest, for an unknown one."""
    folded = _folded(value)
    if folded not in words:
        near = difflib.get_close_matches(folded, words, n=1, cutoff=0.7)
        meant = f"; did you mean {words[near[0]].value}?" if near else ""
        known = ", ".join(dict.fromkeys(kind.value for kind in words.values()))
        raise ValueError(f"{value[:60]!r} is none of {known}{meant}")
    return words[folded]


def _folded(value: str) -> str:
    return " ".join(re.split(r"[\s_-]+", value.strip().casefold()))


# --- Amounts as people write them

MOST = Decimal(10) ** 15
_AMBIGUOUS = re.compile(r"^[1-9]\d{0,2}\.\d{3}$")
"""`40.000`: forty thousand to some readers, forty to others."""
_PLAIN = re.compile(r"^-?[0-9]+(\.[0-9]+)?$")
"""Digits alone: `1e9` is a slip of a key, and a number written in other digits is read by nobody."""
_GROUPED = re.compile(r"^\d{1,3}(?:[,  ']\d{3})+(?:\.\d+)?$")


def parse_amount(value: object) -> object:
    """`40,000.50`, `40 000` or `40000` as Decimal. Raises ValueError for anything that could mean two amounts, and for 0."""
    amount = read_number(value)
    if not 0 < amount <= MOST:
        raise ValueError("an amount is more than 0 and at most 1,000,000,000,000,000")
    return amount


def read_number(value: object) -> Decimal:
    """The same, of any size and sign. Raises ValueError for anything that could mean two numbers."""
    text = "" if value is None else str(value).strip()
    if isinstance(value, str) and _AMBIGUOUS.match(text):
        raise ValueError(
            f"{text} could be an amount in thousands or one with three decimals; write it like 40000 or 40,000.50"
        )
    if _GROUPED.match(text):
        text = re.sub(r"[,  ']", "", text)
    if isinstance(value, float | Decimal):
        text = f"{Decimal(text):f}"  # a number's own notation is nobody's slip
    if not _PLAIN.match(text):
        raise ValueError(f"{text[:40]!r} isn't an amount; write it like 40000 or 40,000.50")
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -6:
        raise ValueError("an amount has at most six decimals")
    return number


Amount = Annotated[Decimal, BeforeValidator(parse_amount)]


# --- Reading CSV
#
# which encoding, which separator, and where a cut-off file ends.

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


def read_csv(name: str, raw: bytes) -> tuple[tuple[str, ...], tuple[SheetRow, ...]]:
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
