"""How large a part of a workbook is, counted while it streams by: nothing is built, whatever it claims or pads.

A row counts as wide as its last cell: one cell in column XFD makes 16,384. What a sheet says of its own size isn't asked.
"""

from typing import IO, Any
from xml.parsers import expat

from workflows.sources.sheet import MAX_CELLS, TableRefused

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
