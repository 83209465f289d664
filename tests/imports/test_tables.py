"""Reading tables: whatever is in the file comes out as it was written, or the file is refused in words."""

import csv
import gzip
import io
import os
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from workflows.sources import tables as sheets
from workflows.sources import workbook
from workflows.sources.tables import Sheet, TableRefused

TEXT = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\ufeff"), max_size=12
)
CELLS = TEXT.filter(lambda text: not text.strip().startswith("="))
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.lists(CELLS, min_size=width, max_size=width).filter(
            lambda row: any(cell.strip() for cell in row)
        ),
        min_size=1,
        max_size=6,
    )
)


def written(tmp_path: Path, raw: bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(raw)
    return path


def read(tmp_path: Path, text: str) -> Sheet:
    return workbook.read_table(written(tmp_path, text.encode()))


def refused(path: Path) -> str:
    with pytest.raises(TableRefused) as error:
        workbook.read_table(path)
    return error.value.sentence


def book(tmp_path: Path, *rows: list[Any]) -> Path:
    made = Workbook()
    for row in rows:
        made.active.append(row)
    made.save(tmp_path / "table.xlsx")
    return tmp_path / "table.xlsx"


@settings(max_examples=150, deadline=None)
@given(TABLES, st.sampled_from(",;\t|"), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_csv_comes_out_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    separator: str,
    mark: bool,
    end: str,
) -> None:
    headings = [f"h{at}" for at in range(len(table[0]))]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(
        [headings, *table]
    )
    raw = (b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode()
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_bytes(raw)
    found = workbook.read_table(path)
    assert found.headings == tuple(headings)
    assert [list(row.cells) for row in found.rows] == [
        [cell.strip() for cell in row] for row in table
    ]
    assert all(row.faults == () for row in found.rows)


XLSX = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff\ufeff"),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            XLSX.filter(lambda text: not text.startswith("=") and "_x" not in text),
            st.integers(-(10**9), 10**9),
            st.dates(date(1901, 1, 1), date(2099, 1, 1)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_xlsx_comes_out_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, int, date]]
) -> None:
    path = book(tmp_path_factory.getbasetemp(), ["a", "b", "c"], *(list(row) for row in table))
    found = workbook.read_table(path)
    assert [row.cells for row in found.rows] == [
        (text.strip(), str(number), day.isoformat()) for text, number, day in table
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for start in (b"", b"PK\x03\x04", b"a,b\n1,2\n"):
        path.write_bytes(start + raw)
        try:
            found = workbook.read_table(path)
        except TableRefused as error:
            said = error.sentence
        else:
            said = ""
            assert all(len(row.cells) == len(found.headings) for row in found.rows)
        assert said == "" or len(said) > 20


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_though_cells_hold_others(tmp_path: Path, separator: str) -> None:
    text = separator.join(["key", "name", "accounts"]) + "\n"
    text += separator.join(["a", '"b, c; d | e"', '"1; 2, 3"']) + "\n"
    (row,) = read(tmp_path, text).rows
    assert row.cells == ("a", "b, c; d | e", "1; 2, 3")


def test_accounts_separated_by_semicolons_do_not_decide_the_separator(tmp_path: Path) -> None:
    found = read(tmp_path, "key,accounts\na,1;2;3;4\nb,5;6\n")
    assert [row.cells for row in found.rows] == [("a", "1;2;3;4"), ("b", "5;6")]


def test_excel_may_say_the_separator(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "sep=;\nkey;name\na;b\n").rows
    assert (row.line, row.cells) == (3, ("a", "b"))


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, '\n\nkey,name\n\na,"two\nlines"\nb,c\n')
    assert [(row.line, row.cells[0]) for row in found.rows] == [(5, "a"), (7, "b")]


def test_a_row_that_is_too_short_or_too_long_is_a_fault(tmp_path: Path) -> None:
    short, right, long = read(tmp_path, "key,name,x\na\nb,c,d\ne,f,g,h\n").rows
    assert "has 1 of 3 cells" in short.faults[0].sentence
    assert right.faults == ()
    assert "quotation marks" in long.faults[0].sentence


def test_a_formula_is_a_fault(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "key,name\na,\"=HYPERLINK('x')\"\n").rows
    assert (row.faults[0].column, "formula" in row.faults[0].sentence) == (1, True)
    found = workbook.read_table(book(tmp_path, ["key", "amount"], ["a", "=1+1"]))
    (row,) = found.rows
    assert (row.faults[0].column, "formula" in row.faults[0].sentence) == (1, True)
    assert "formula" in refused(book(tmp_path, ["=A2", "b"], ["a", "b"]))


def test_workbook_values_are_as_they_would_be_typed(tmp_path: Path) -> None:
    found = workbook.read_table(
        book(
            tmp_path,
            ["a", "b", "c", "d", "e", "f"],
            [0.1, 40000.0, True, datetime(2026, 1, 31), None, "x"],  # noqa: DTZ001 - Excel knows no zones
            [1e-7, 12345.67, False, datetime(2026, 1, 31, 8, 30), 7, " y "],  # noqa: DTZ001
        )
    )
    assert [row.cells for row in found.rows] == [
        ("0.1", "40000", "true", "2026-01-31", "", "x"),
        ("0.0000001", "12345.67", "false", "2026-01-31 08:30:00", "7", "y"),
    ]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        ("a,b\nü,x\n".encode("utf-16"), "UTF-16"),
        ("a,b\nü,x\n".encode("utf-16-le") * 20, "UTF-16"),
        ("a,b\nü,x\n".encode("utf-32"), "UTF-32"),
        ("name,x\nM\u00fcller,1\n".encode("cp1252"), "Windows-1252"),
        ("name,x\n東京支社,1\n".encode("cp932"), "Shift-JIS"),
        (b"a,b\n\x81\x8d\x8f\n", "another encoding"),
        (b"a,b\n1,2\x00\n", "zero bytes"),
        (gzip.compress(b"a,b\n1,2\n"), "gzip"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, "old Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1xxxx", "Parquet"),
        (b"a,b\n", "no rows"),
        (b'a,b\n1,"open\n2,3\n', "never closed"),
        (b'a,b\n1,"x"y\n', "quotation mark"),
        (b"a," * 300 + b"a\n1\n", "columns"),
        (b"," * 1_000_000, "no table"),
        (b"h," * 1_000_000 + b"\n1\n", "columns"),
        (b"a,b\n" + b"1," * 500_000, "no table that can be read"),
        (b"a\n" + b"x" * 200_000 + b"\n", "131,072"),
        (b"PK\x03\x04 and then nothing", "damaged or cut-off workbook"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, raw: bytes, words: str) -> None:
    sentence = refused(written(tmp_path, raw))
    assert words in sentence
    assert "Traceback" not in sentence


def test_what_says_its_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    sentence = refused(written(tmp_path, "a,b\n1,2\nM\u00fcller,1\n".encode("latin-1")))
    assert "line 3" in sentence
    assert "CSV UTF-8" in sentence


def test_places_that_are_no_file_are_refused(tmp_path: Path) -> None:
    assert "is a directory" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "nowhere.csv")
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in refused(tmp_path / "pipe")
    assert "cannot be read" in refused(Path("x" * 300))


def test_more_than_can_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 3)
    assert "more than 3 rows" in refused(written(tmp_path, b"a,b\n" + b"1,2\n" * 4))
    rows = [["a", "b"], *([["1", "2"]] * 4)]
    assert "more than 3 rows" in refused(book(tmp_path, *rows))
    monkeypatch.setattr(workbook, "MAX_BYTES", 10)
    assert "larger than 10 bytes" in refused(written(tmp_path, b"a,b\n1,2\n3,4\n"))


def test_a_long_cell_is_a_fault_of_its_row(tmp_path: Path) -> None:
    (row,) = read(tmp_path, f"a,b\n{'x' * 20_000},y\n").rows
    assert "20,000 characters" in row.faults[0].sentence


def archive(tmp_path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(tmp_path / "made.xlsx", "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return tmp_path / "made.xlsx"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = archive(tmp_path, {"xl/worksheets/sheet1.xml": b"0" * 60_000_000})
    assert bomb.stat().st_size < 100_000
    assert "unpacks to 60,000,000 bytes" in refused(bomb)


def test_archives_that_are_no_workbook_are_refused(tmp_path: Path) -> None:
    assert "no workbook" in refused(archive(tmp_path, {"readme.txt": b"hello"}))
    assert "damaged workbook" in refused(archive(tmp_path, {"xl/workbook.xml": b"<"}))
    entity = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert "definitions" in refused(archive(tmp_path, {"xl/workbook.xml": entity}))


def test_a_cut_off_workbook_is_refused(tmp_path: Path) -> None:
    whole = book(tmp_path, ["a", "b"], *([["x" * 50, "y"]] * 200)).read_bytes()
    for part in (30, len(whole) // 2, len(whole) - 40):
        assert "workbook" in refused(written(tmp_path, whole[:part], "cut.xlsx"))


def test_a_wide_sheet_is_refused(tmp_path: Path) -> None:
    made = Workbook()
    made.active["A1"], made.active["A2"], made.active["XFD2"] = "a", "1", "far"
    made.save(tmp_path / "wide.xlsx")
    assert "at most 200 columns" in refused(tmp_path / "wide.xlsx")
    assert "columns" in refused(book(tmp_path, [f"h{at}" for at in range(300)], ["1"]))


def test_the_first_visible_sheet_is_read(tmp_path: Path) -> None:
    made = Workbook()
    made.active.append(["hidden"])
    made.active.sheet_state = "hidden"
    shown = made.create_sheet("Shown")
    shown.append(["a", "b"])
    shown.append(["1", "2"])
    made.save(tmp_path / "two.xlsx")
    assert workbook.read_table(tmp_path / "two.xlsx").headings == ("a", "b")
