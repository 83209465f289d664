"""Returns from a table, and from programs."""

from datetime import date
from pathlib import Path

import pytest

from storage.db import Database
from storage.enums import ReturnSource
from tests.cases.conftest import OLA, SPO
from tests.cases.returning import Works, begin
from workflows import imports

FILE = """\
Project key,From,Until,Realised,CCY
lane-vision,2025-01-01,2025-03-31,"12,000",eur
lane-vision,2025-04-01,2025-06-30,-500,
shelf,2025-01-01,2025-12-31,0,EUR
"""


@pytest.fixture
def works(database: Database) -> Works:
    works = begin(database)
    for key in ("lane-vision", "shelf"):
        works.standing(key, name=key, status="live", live_on=date(2025, 1, 1), sponsor_id="p-spo")
    return works


def bring(works: Works, work: Path, text: str = FILE, **options: object) -> imports.Report:
    path = work / "returns.csv"
    path.write_text(text, encoding="utf-8")
    return imports.run(
        works.db,
        imports.Request("returns", path, **options),  # type: ignore[arg-type]
        policy=works.policy,
        org_key="T0ACME",
    )


def test_a_file_reports_and_does_not_attest(works: Works, tmp_path: Path) -> None:
    report = bring(works, tmp_path)
    assert not report.faults, report.faults
    assert (report.added, report.changed) == (3, 0)
    record = works.returns_of(1)
    assert (record.realised, record.attested) == (11_500, 0)
    assert {line.source for line in record.lines} == {ReturnSource.FILE}
    assert works.told("returns.reported") == ["U0SPO"] * 3
    works.attest(record.lines[0].id, SPO)
    assert works.returns_of(1).attested == 12_000
    works.ledger_holds()


def test_the_same_file_again_changes_nothing(works: Works, tmp_path: Path) -> None:
    bring(works, tmp_path)
    works.attest(works.returns_of(1).lines[0].id)
    again = bring(works, tmp_path)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    assert works.returns_of(1).attested == 12_000
    changed = bring(works, tmp_path, FILE.replace("12,000", "9,000"))
    assert (changed.added, changed.changed, changed.unchanged) == (0, 1, 2)
    record = works.returns_of(1)
    assert (record.realised, record.attested) == (8_500, 0)


def test_what_was_taken_back_a_file_reports_again(works: Works, tmp_path: Path) -> None:
    bring(works, tmp_path)
    works.take_back(works.returns_of(1).lines[0].id, OLA)
    assert works.returns_of(1).realised == -500
    assert bring(works, tmp_path).added == 1
    assert works.returns_of(1).realised == 11_500


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("nowhere,2025-01-01,2025-01-31,1,", "project", "no project 'nowhere'"),
        ("shelf,2024-12-01,2025-01-01,1,", "starts", "has days of"),
        ("lane-vision,2025-06-30,2025-07-31,1,", "starts", "has days of line 3"),
        ("lane-vision,2025-04-01,2025-06-30,7,", "project", "stands in line 3 already"),
        ("lane-vision,2024-02-01,2024-01-31,1,", "ends", "comes before"),
        ("lane-vision,2099-01-01,2099-01-31,1,", "ends", "still to come"),
        ("lane-vision,2024-01-01,2024-01-31,1,USD", "currency", "is not EUR"),
        ("lane-vision,2024-01-01,2024-01-31,soon,", "amount", "isn't an amount"),
    ],
)
def test_what_cannot_be_taken_is_said_with_its_line(
    works: Works, tmp_path: Path, row: str, field: str, words: str
) -> None:
    report = bring(works, tmp_path, f"{FILE}{row}\n")
    assert report.refused
    (fault,) = report.faults
    assert (fault.line, fault.field) == (5, field)
    assert words in fault.sentence
    assert works.returns_of(1).lines == ()


def test_what_counts_already_is_not_reached_into(works: Works, tmp_path: Path) -> None:
    works.report(1, "5", date(2025, 3, 31), date(2025, 4, 1))
    report = bring(works, tmp_path)
    assert {fault.line for fault in report.faults} == {2, 3}
    assert "what was reported for 31 Mar to 1 Apr 2025" in report.faults[0].sentence
