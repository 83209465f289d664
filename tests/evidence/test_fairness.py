"""Fairness figures: fairlearn's, from counts alone; what cannot be told is never passed."""

import gzip
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.errors import InvalidInput
from workflows.evidence import fairness
from workflows.evidence.fairness import Compared, Counted, Counts, Group, Judged
from workflows.policy.sections import FairnessRules
from workflows.sources import predictions
from workflows.sources.predictions import Cell, Cells, Columns

DEFAULT, RULES = FairnessRules(), FairnessRules(least=2)
HAND = Path(__file__).parent / "hired.csv"
Row = tuple[str, bool, bool]


def _judged(rows: list[Row], rules: FairnessRules = RULES) -> Compared:
    tally: dict[Row, int] = defaultdict(int)
    for row in rows:
        tally[row] += 1
    cells = tuple(Cell((name,), truth, said, count) for (name, truth, said), count in tally.items())
    (found,) = fairness.judge_counts(
        fairness.count_groups(Cells(("g",), cells, 0), rules.least), rules
    ).compared
    return found


def _read(path: Path, *groups: str, rules: FairnessRules = DEFAULT, **more: object) -> Judged:
    cells = predictions.read(path, Columns("truth", "prediction", groups, **more))  # type: ignore[arg-type]
    return fairness.judge_counts(fairness.count_groups(cells, rules.least), rules)


@pytest.mark.parametrize("has_fairlearn", [True, False])
def test_the_worked_example_of_the_docs(
    has_fairlearn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 of 100 women and 60 of 90 men are hired: 0.40 of 0.667 is 0.6, under four fifths."""
    if not has_fairlearn:
        monkeypatch.setitem(sys.modules, "fairlearn", None)
    found = _read(HAND, "sex")
    (one,) = found.compared
    men, women = one.groups
    assert (women.count, women.selection_rate, women.impact_ratio) == (
        100,
        Decimal("0.4"),
        Decimal("0.6"),
    )
    assert (men.count, men.selection_rate, men.impact_ratio) == (
        90,
        Decimal("0.666667"),
        Decimal("1.0"),
    )
    assert (women.true_positive_rate, men.true_positive_rate) == (Decimal("0.6"), Decimal("0.8"))
    assert (women.false_positive_rate, men.false_positive_rate) == (Decimal("0.2"), Decimal("0.4"))
    assert one.demographic_parity_difference == Decimal("0.266667")
    assert one.demographic_parity_ratio == Decimal("0.6")
    assert one.equalized_odds_difference == Decimal("0.2")
    assert one.equalized_odds_ratio == Decimal("0.5")
    assert one.verdict == "flagged"
    assert found.flags == ("sex: “women” is selected at 0.60 of the rate of “men”, under 0.8",)


_ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), min_size=1, max_size=120
)


def _figures(one: Compared) -> list[float]:
    """Every figure there is; -1 for what cannot be told."""
    told = [
        one.demographic_parity_difference,
        one.demographic_parity_ratio,
        one.equalized_odds_difference,
        one.equalized_odds_ratio,
    ]
    for group in one.groups:
        told += [
            group.selection_rate,
            group.impact_ratio,
            group.true_positive_rate,
            group.false_positive_rate,
        ]
    return [-1.0 if figure is None else float(figure) for figure in told]


@pytest.mark.slow
@given(_ROWS)
@settings(deadline=None)
def test_figures_are_those_of_fairlearn_on_the_same_rows(rows: list[Row]) -> None:
    from fairlearn import metrics  # a second that the other tests need not wait for

    found = _judged(rows)
    sizes = defaultdict(int)
    for row in rows:
        sizes[row[0]] += 1
    large = [row for row in rows if sizes[row[0]] >= RULES.least]
    assert {one.name for one in found.groups} == {row[0] for row in large}
    assert set(found.small) == {row[0] for row in rows} - {row[0] for row in large}
    if len(found.groups) < 2:
        assert found.verdict == "insufficient"
        return
    names, truth, said = ([row[at] for row in large] for at in range(3))
    for one in found.groups:
        own = [row for row in large if row[0] == one.name]
        assert float(one.selection_rate) == pytest.approx(
            metrics.selection_rate(
                [row[1] for row in own], [row[2] for row in own], pos_label=True
            ),
            abs=1e-6,
        )

    def same(figure: Decimal | None, of: object) -> None:
        if figure is not None:
            told = of(
                [int(one) for one in truth], [int(one) for one in said], sensitive_features=names
            )  # type: ignore[operator]
            assert float(figure) == pytest.approx(told, abs=1e-6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fairlearn", None)
        plain = _judged(rows)
    assert plain.verdict == found.verdict
    assert _figures(plain) == pytest.approx(_figures(found), abs=2e-6)
    same(found.demographic_parity_difference, metrics.demographic_parity_difference)
    same(found.demographic_parity_ratio, metrics.demographic_parity_ratio)
    same(found.equalized_odds_difference, metrics.equalized_odds_difference)
    same(found.equalized_odds_ratio, metrics.equalized_odds_ratio)
    assert (found.demographic_parity_ratio is None) == (not any(said))
    is_clear = found.verdict == "clear"
    assert is_clear <= (not found.small and found.demographic_parity_ratio is not None)
    assert is_clear <= all(
        one.impact_ratio is not None and one.impact_ratio >= RULES.ratio for one in found.groups
    )


def test_groups_of_nobody_and_of_one_are_never_passed() -> None:
    alone = _judged([("a", True, True)])
    assert (alone.verdict, alone.groups, alone.small) == ("insufficient", (), ("a",))
    even = [(name, truth, truth) for name in "ab" for truth in (True, False)] * 2
    with_one = _judged([*even, ("c", True, True)])
    assert (with_one.verdict, with_one.small) == ("insufficient", ("c",))
    assert with_one.flags == ("too few people to be judged (under 2): c",)
    with pytest.raises(ValueError, match="at least one group"):
        fairness.Counted(columns=("g",), groups=())


def test_one_class_only_and_nobody_selected_are_said_not_passed() -> None:
    true_only = _judged([(name, True, said) for name in "ab" for said in (True, False)])
    assert true_only.equalized_odds_difference is None
    assert true_only.flags == (
        "equalized odds cannot be told: a has no case that is false in truth",
    )
    nobody = _judged([(name, truth, False) for name in "ab" for truth in (True, False)])
    assert (nobody.verdict, nobody.demographic_parity_ratio) == ("undefined", None)
    perfect = _judged([(name, truth, truth) for name in "ab" for truth in (True, False)])
    assert (perfect.equalized_odds_difference, perfect.equalized_odds_ratio) == (
        Decimal("0.0"),
        None,
    )
    assert perfect.verdict == "clear"


def test_small_groups_leave_the_machine_by_name_alone() -> None:
    cells = Cells(
        ("sex", "age"), (Cell(("f", "18"), True, True, 29), Cell(("m", "60"), False, True, 500)), 3
    )
    told = fairness.count_groups(cells, 30).model_dump_json()
    assert "29" not in told
    assert '"small":[["f","18"]]' in told
    assert '"left_out":3' in told


def test_columns_are_crossed(tmp_path: Path) -> None:
    """Nothing is wrong by sex alone here; it is where sex meets age."""
    path = tmp_path / "p.csv"
    path.write_text(
        "truth,prediction,sex,age\n"
        + "1,1,f,old\n0,0,f,old\n1,1,f,young\n0,0,f,young\n1,1,m,old\n0,1,m,old\n1,0,m,young\n0,0,m,young\n"
    )
    found = _read(path, "sex", "AGE", rules=RULES)
    assert [one.name for one in found.compared] == ["sex", "age", "sex × age"]
    crossed = found.compared[-1]
    assert [(one.name, one.selection_rate) for one in crossed.groups] == [
        ("f · old", Decimal("0.5")),
        ("f · young", Decimal("0.5")),
        ("m · old", Decimal("1.0")),
        ("m · young", Decimal("0.0")),
    ]
    assert [one.verdict for one in found.compared] == ["clear", "flagged", "flagged"]


@pytest.mark.parametrize("kind", ["parquet", "gzip"])
def test_parquet_and_packed_csv_give_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p"
    if kind == "gzip":
        path.write_bytes(gzip.compress(HAND.read_bytes()))
    else:
        duckdb.sql(
            f"COPY (SELECT sex, truth = 1 AS truth, prediction::DOUBLE AS prediction FROM read_csv('{HAND}')) TO '{path}' (FORMAT parquet)"
        )
    assert _read(path, "sex") == _read(HAND, "sex")


def test_missing_values_are_counted_out(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "truth,prediction,sex\n1,1,f\n0,0,f\n,1,f\n1,,m\n1,1,\n1,1,m\n0,nan,m\n0,0,m\n1,1,NaN\n"
    )
    found = _read(path, "sex", rules=RULES)
    assert found.counts.left_out == 5
    assert [one.count for one in found.compared[0].groups] == [2, 2]


def test_scores_and_words_are_read_as_one_says(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "truth,prediction,sex\nGranted,0.9,f\nrefused,0.2,f\ngranted,0.5,m\nrefused,0.49,m\n"
    )
    (one,) = _read(path, "sex", rules=RULES, positive="granted", threshold=0.5).compared
    assert [each.selection_rate for each in one.groups] == [Decimal("0.5"), Decimal("0.5")]
    assert [each.true_positive_rate for each in one.groups] == [Decimal("1.0"), Decimal("1.0")]


@pytest.mark.parametrize(
    ("text", "more", "field", "said"),
    [
        ("truth,sex\n1,f\n", {}, "prediction", "has no column 'prediction'. It has: truth, sex."),
        ("truth,prediction,sex\n1,0.7,f\n", {}, "prediction", "holds '0.7', which is neither yes nor no"),
        ("truth,prediction,sex\n1,high,f\n", {"threshold": 0.5}, "prediction", "which is no score"),
        ("truth,prediction,sex\na,a,f\nb,b,f\nc,c,m\n", {"positive": "a"}, "positive", "more than two words"),
        ("truth,prediction,sex\n,,\n", {}, "file", "holds no row"),
        ("truth,prediction,sex\n" + "".join(f"1,1,p{n}\n" for n in range(300)), {}, "group", "more than 200 values"),
        ("", {}, "file", "is empty"),
        ("PAR1 and not more", {}, "file", "cannot be read as a table"),
    ],
)  # fmt: skip
def test_wrong_files_say_what_to_do(
    tmp_path: Path, text: str, more: dict[str, object], field: str, said: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        _read(path, "sex", **more)
    assert said in refused.value.sentence
    assert refused.value.field == field
    assert str(tmp_path) not in refused.value.sentence


@pytest.mark.slow
def test_a_million_rows(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    duckdb.sql(
        f"COPY (SELECT range AS id, range % 2 AS truth, (range % 10) / 10 AS prediction, 'g' || range % 3 AS g, 'h' || range % 7 AS h FROM range(1000000)) TO '{path}'"
    )
    cells = predictions.read(path, Columns("truth", "prediction", ("g", "h"), threshold=0.5))
    assert sum(one.count for one in cells.cells) == 1_000_000
    found = fairness.judge_counts(fairness.count_groups(cells, 30), FairnessRules())
    assert [one.verdict for one in found.compared] == ["clear", "clear", "clear"]


@pytest.mark.parametrize("many", [8, 500])
def test_the_figures_of_very_many_groups_take_no_time(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are worked out while others wait to write: fairlearn is asked for a few, and the figures stay the same."""
    asked = 0

    def by_group(*given: object) -> tuple[list[float], list[float], list[float]]:
        nonlocal asked
        asked += given[1] is not None
        return by(*given)  # type: ignore[arg-type]

    by = fairness._by_group
    monkeypatch.setattr(fairness, "_by_group", by_group)
    groups = tuple(
        Group(names=(f"g{place}",), tp=30 + place, fp=20, fn=10, tn=40 + place)
        for place in range(many)
    )
    counts = Counts(counted=(Counted(columns=("g",), groups=groups),))
    found = fairness.judge_counts(counts, RULES)
    assert asked == (many <= fairness.MOST_BY_FAIRLEARN)
    monkeypatch.setattr(fairness, "MOST_BY_FAIRLEARN", 0)
    assert fairness.judge_counts(counts, RULES) == found


def test_words_for_nothing_are_no_group(tmp_path: Path) -> None:
    words = ["<NA>", "None", "NULL", "N/A", "nan", "", "NaT", "#N/A", " null ", "\\N", "?"]
    rows = [*("1,1,F", "0,0,F", "1,1,M", "0,0,M") * 10, *(f"1,0,{one}" for one in words)]
    rows += ["None,1,F", "1,<NA>,M"]
    path = tmp_path / "p.csv"
    path.write_text("\n".join(["truth,prediction,sex", *rows]), encoding="utf-8")
    found = predictions.read(path, predictions.Columns("truth", "prediction", ("sex",)))
    assert {cell.names for cell in found.cells} == {("F",), ("M",)}
    assert found.left_out == len(words) + 2


def test_a_positive_word_that_never_comes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("truth,prediction,sex\nyes,yes,F\nno,no,M\n", encoding="utf-8")
    columns = predictions.Columns("truth", "prediction", ("sex",), positive="granted")
    with pytest.raises(InvalidInput, match="never holds 'granted'; it holds 'no', 'yes'"):
        predictions.read(path, columns)
