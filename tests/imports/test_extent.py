"""Workbooks that claim, pad or hold more cells than are read: refused by the bound's name, before anything is built of them."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font

from workflows.sources import workbook
from workflows.sources.tables import TableRefused

_PARTS = {
    "[Content_Types].xml": """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
<Override PartName="/xl/worksheets/sheet2.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>""",
    "_rels/.rels": """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>""",
    "xl/_rels/workbook.xml.rels": """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>""",
    "xl/workbook.xml": """<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>
<sheet name="one" sheetId="1" r:id="r1"/><sheet name="two" sheetId="2" r:id="r2"/></sheets></workbook>""",
}
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TABLE = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    '<row r="2"><c r="A2"><v>1</v></c></row>'
)


def made(
    tmp_path: Path,
    rows: str = _TABLE,
    *,
    size: str = "A1:A2",
    after: str = "",
    second: str = '<dimension ref="A1"/><sheetData/>',
    strings: str = "",
) -> Path:
    """A workbook as no spreadsheet would write it."""
    place = tmp_path / "made.xlsx"
    first = (
        f'<worksheet {_MAIN}><dimension ref="{size}"/>'
        f"<sheetData>{rows}</sheetData>{after}</worksheet>"
    )
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, content)
        archive.writestr("xl/worksheets/sheet1.xml", first)
        archive.writestr("xl/worksheets/sheet2.xml", f"<worksheet {_MAIN}>{second}</worksheet>")
        archive.writestr("xl/sharedStrings.xml", f"<sst {_MAIN}>{strings}</sst>")
    return place


def refused(path: Path) -> str:
    with pytest.raises(TableRefused) as caught:
        workbook.read_table(path)
    return caught.value.sentence


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many cells are read here."""
    monkeypatch.setattr(workbook, "MAX_CELLS", 1_000)
    return 1_000


def test_empty_cells_in_the_last_column_make_each_row_as_wide_as_a_sheet(tmp_path: Path) -> None:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["a", "b"])
    for row in range(2, 130):
        sheet.cell(row, 1, row)
        sheet.cell(row, workbook.WIDEST).font = Font(bold=True)
    book.save(tmp_path / "styled.xlsx")
    sentence = refused(tmp_path / "styled.xlsx")
    assert "more than 2,000,000 cells" in sentence
    assert "save it as CSV" in sentence


def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path) -> None:
    for size in ("A1:XFD1048576", "A1", "A1:A1048576"):
        table = workbook.read_table(made(tmp_path, size=size))
        assert [row.cells for row in table.rows] == [("1",)]


@pytest.mark.parametrize(
    "rows",
    [
        _TABLE + '<row r="3"><c r="AAAAAAA3"/></row>',
        _TABLE + '<row r="3">' + "<c/>" * 1_001 + "</row>",
        _TABLE + '<row><c r="SG3"/></row><row><c r="SG4"/></row>',
    ],
)
def test_cells_are_counted_whatever_names_them(tmp_path: Path, few: int, rows: str) -> None:
    assert "more than 1,000 cells" in refused(made(tmp_path, rows))


def test_texts_that_cells_share_are_bounded(tmp_path: Path, few: int) -> None:
    assert workbook.read_table(made(tmp_path, strings="<si><t>x</t></si>" * few))
    over = made(tmp_path, strings="<si/>" * (few + 1))
    assert "more than 1,000 cells" in refused(over)


def test_merged_cells_and_rules_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_MARKS", 50)
    whole = '<mergeCells><mergeCell ref="A3:XFD1048576"/></mergeCells>'
    assert len(workbook.read_table(made(tmp_path, after=whole)).rows) == 1
    many = "<mergeCells>" + '<mergeCell ref="A3:B3"/>' * 60 + "</mergeCells>"
    assert "more than 50 merged cells" in refused(made(tmp_path, after=many))


def test_one_text_of_countless_parts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_IN_ONE", 100)
    text = f'<row><c t="inlineStr"><is>{"<r><t>x</t></r>" * 60}</is></c></row>'
    assert "more than 100 parts" in refused(made(tmp_path, _TABLE + text))


def test_another_sheet_counts_only_where_it_has_to_be_read(tmp_path: Path, few: int) -> None:
    rows = "<sheetData>" + '<row><c r="SG1"/></row>' * 3 + "</sheetData>"
    sized = made(tmp_path, second=f'<dimension ref="A1:SG3"/>{rows}')
    assert len(workbook.read_table(sized).rows) == 1
    assert "more than 1,000 cells" in refused(made(tmp_path, second=rows))


def test_definitions_are_found_wherever_they_stand(tmp_path: Path) -> None:
    place = made(tmp_path)
    late = f"<?xml version='1.0'?><!--{'x' * 5_000}--><!DOCTYPE x><x/>"
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("docProps/core.xml", late)
    assert "definitions that no workbook needs" in refused(place)


def test_nothing_else_opens_a_workbook() -> None:
    """Whoever reads one goes through the one that counts first."""
    root = Path(workbook.__file__).parents[2]
    users = {
        str(path.relative_to(root))
        for floor in ("bot", "workflows", "storage")
        for path in (root / floor).rglob("*.py")
        if "openpyxl" in path.read_text(encoding="utf-8")
    }
    assert users == {"workflows/sources/workbook.py"}
