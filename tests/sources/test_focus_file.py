"""The generated bill: what it says it holds is what the reader finds in it."""

from pathlib import Path

from benchmarks import focus_file
from tests.sources.bill import totals
from workflows.sources import focus
from workflows.sources.focus import ReadOptions


def test_its_totals_are_those_that_are_read(tmp_path: Path) -> None:
    said = focus_file.write(tmp_path / "bill.csv", 12_000, seed=7)
    with focus.read([tmp_path / "bill.csv"], options=ReadOptions()) as read:
        assert read.rows == said.rows == 12_000
        assert read.bad_row_count == 0
        assert read.unknown_columns == read.missing_columns == ()
        assert sum(p.effective["USD"] for p in read.periods) == said.effective
        by_category: dict[str, object] = {}
        for batch in read.groups():
            for group in batch:
                kind = group.charge_category
                by_category[kind] = by_category.get(kind, 0) + group.billed  # type: ignore[operator]
    assert totals(tmp_path / "bill.csv") == {"USD": said.billed}
    assert by_category == said.billed_by_category
    assert set(by_category) == {"Usage", "Credit"}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "a.csv.gz", "b.csv.gz"):
        focus_file.write(tmp_path / name, 500, seed=3)
    focus_file.write(tmp_path / "c.csv", 500, seed=4)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert content["a.csv"] == content["b.csv"] != content["c.csv"]
    assert content["a.csv.gz"] == content["b.csv.gz"]
    assert totals(tmp_path / "a.csv") == totals(tmp_path / "a.csv.gz")


def test_its_size_is_that_of_a_real_bill() -> None:
    lines = list(focus_file.rows(20_000))
    assert 300 < sum(map(len, lines)) / len(lines) < 340
