"""Business cases from a table: the estimates that hold, and what a file can't change."""

from datetime import date
from pathlib import Path

import pytest

from tests.cases.conftest import LEA, PIA, Board
from workflows import imports
from workflows.cases import portfolio, reads
from workflows.cases.forms import KeepIdea

FILE = """\
Project key,Start month,Horizon,Currency,Monthly benefit,Benefit type,Monthly cost,Cost type,Probability,Risk tier,KPI,Current value,Goal
lane-vision,2026-03-15,24,eur,"3,000 / 4,000 / 5,000",savings,"1,000",cloud,70 %,2,Errors,12,4
shelf,2026-01-01,12,EUR,"1,000 → 2,000",revenue,500,people,0.5,,,,
"""


def bring(board: Board, work: Path, text: str = FILE, **options: object) -> imports.Report:
    path = work / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return imports.run(
        board.db,
        imports.Request("cases", path, **options),  # type: ignore[arg-type]
        policy=board.policy,
        org_key="T0ACME",
    )


def prepared(board: Board) -> Board:
    board.standing("lane-vision", category="optimization")
    board.standing("shelf", name="Shelf scan", category="decision")
    return board


def test_estimates_come_in_and_hold(board: Board, tmp_path: Path) -> None:
    prepared(board)
    report = bring(board, tmp_path)
    assert not report.faults, report.faults
    assert (report.added, report.changed) == (2, 0)
    with board.db.read() as session:
        ranked = portfolio.load(board.context(session, LEA)).groups[0].ranked
        assert [each.project.key for each in ranked] == ["lane-vision", "shelf"]
        first = ranked[0].project
        assert first.worth.benefits == 24 * 4000
        assert (first.worth.costs, first.tier) == (24 * 1000, 2)
        revisions = reads.list_revisions(board.context(session, LEA), 1)
    assert revisions[0].content.metric == "Errors"
    assert revisions[0].agreed_at is not None
    board.ledger_holds()


def test_the_same_file_again_changes_nothing(board: Board, tmp_path: Path) -> None:
    prepared(board)
    bring(board, tmp_path)
    again = bring(board, tmp_path)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    changed = bring(board, tmp_path, FILE.replace('"1,000",cloud', '"1,500",cloud'))
    assert (changed.added, changed.changed) == (0, 1)
    with board.db.read() as session:
        revisions = reads.list_revisions(board.context(session, LEA), 1)
    assert [each.number for each in revisions] == [2, 1]
    assert ("Costs", "24,000 EUR", "36,000 EUR") in revisions[0].changes


def test_what_cannot_be_taken_is_said_with_its_line(board: Board, tmp_path: Path) -> None:
    prepared(board)
    board.standing("bare")
    report = bring(
        board,
        tmp_path,
        FILE
        + "nowhere,2026-01-01,12,EUR,1,,1,,50 %,,,,\n"
        + "bare,2026-01-01,12,EUR,1,,1,,50 %,,,,\n"
        + "shelf,2026-01-01,12,EUR,soon,,1,,50 %,,,,\n",
    )
    assert report.refused
    sentences = {(fault.line, fault.field): fault.sentence for fault in report.faults}
    assert "no project 'nowhere'" in sentences[(4, "project")]
    assert "no category" in sentences[(5, "project")]
    assert "stands in line 3 already" in sentences[(6, "project")]
    odd = bring(board, tmp_path, FILE.replace('"3,000 / 4,000 / 5,000"', "lots"))
    assert "isn't an amount" in odd.faults[0].sentence


def test_a_case_that_somebody_writes_is_left_alone(board: Board, tmp_path: Path) -> None:
    prepared(board)
    case_id = board.complete()
    board.keep(case_id, KeepIdea, "ola", title="Routing", project="lane-vision", problem="x y")
    report = bring(board, tmp_path)
    assert "somebody is writing" in report.faults[0].sentence
    board.approve(case_id)
    assert not bring(board, tmp_path).faults
    assert board.record(case_id, PIA).agreed == 2


@pytest.mark.parametrize("month", ["2026-01", "2026/1", "Jan 2026", "January 26", "2026-01-31"])
def test_a_month_is_a_month_however_it_is_written(board: Board, tmp_path: Path, month: str) -> None:
    prepared(board)
    report = bring(board, tmp_path, FILE.replace("2026-01-01", month))
    assert not report.faults, report.faults
    case = next(each for each in (1, 2) if board.project_of(each).key == "shelf")
    assert board.record(case, LEA).content.starts == date(2026, 1, 1)


@pytest.mark.parametrize("month", ["soon", "2026-13", "0000-01", "1/1/2026"])
def test_what_is_no_month_is_said_so(board: Board, tmp_path: Path, month: str) -> None:
    prepared(board)
    report = bring(board, tmp_path, FILE.replace("2026-01-01", month))
    assert [fault.sentence for fault in report.faults] == [
        f"{month!r} is no month; write it like 2027-01"
    ]
