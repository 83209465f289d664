"""Spans, plans cut to days, the rhythm of asking, and spreads: pure rules."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.cases import realisation
from workflows.cases.amounts import compress, total
from workflows.cases.realisation import Rhythm, Span

DAYS = st.dates(date(2026, 1, 1), date(2028, 12, 31))
SPANS = st.tuples(DAYS, st.integers(0, 400)).map(
    lambda pair: Span(pair[0], pair[0] + timedelta(days=pair[1]))
)
FLOWS = st.lists(st.integers(0, 10**7), max_size=40).map(
    lambda cents: compress(Decimal(each) / 100 for each in cents)
)
STARTS = date(2026, 3, 1)


def days_of(spans: list[Span]) -> set[date]:
    return {span.starts + timedelta(days=day) for span in spans for day in range(span.days)}


# --- Spans


@given(SPANS, st.lists(SPANS, max_size=6))
def test_gaps_and_what_is_covered_are_all_days_once(span: Span, covered: list[Span]) -> None:
    gaps = realisation.find_gaps(span, covered)
    assert days_of(gaps) == days_of([span]) - days_of(covered)
    assert sum(gap.days for gap in gaps) == len(days_of(gaps))


@given(st.lists(SPANS, max_size=6))
def test_merging_keeps_every_day_and_leaves_a_day_between(spans: list[Span]) -> None:
    merged = realisation.merge(spans)
    assert days_of(merged) == days_of(spans)
    for before, after in pairwise(merged):
        assert before.ends + timedelta(days=1) < after.starts


def test_a_full_year_is_a_year_in_a_row() -> None:
    year = Span(date(2026, 1, 1), date(2026, 12, 31))
    halves = [Span(date(2026, 1, 1), date(2026, 6, 30)), Span(date(2026, 7, 1), year.ends)]
    assert realisation.has_full_year([year])
    assert realisation.has_full_year(halves)
    assert not realisation.has_full_year([Span(year.starts, date(2026, 12, 30))])
    assert not realisation.has_full_year([halves[0], Span(date(2026, 7, 2), date(2027, 1, 2))])


# --- Plans


@given(FLOWS, SPANS, st.integers(0, 400))
def test_a_plan_is_the_same_however_it_is_cut(
    flow: tuple[tuple[int, Decimal], ...], span: Span, cut: int
) -> None:
    cut = min(cut, span.days - 1)
    if cut == 0:
        return
    middle = span.starts + timedelta(days=cut)
    parts = [Span(span.starts, middle - timedelta(days=1)), Span(middle, span.ends)]
    whole = realisation.plan(flow, STARTS, [span])
    assert abs(whole - realisation.plan(flow, STARTS, parts)) < Decimal("1e-15")


@given(FLOWS)
def test_all_months_have_all_of_the_plan(flow: tuple[tuple[int, Decimal], ...]) -> None:
    everything = Span(date(2025, 1, 1), date(2040, 1, 1))
    assert abs(realisation.plan(flow, STARTS, [everything]) - total(flow)) < Decimal("1e-15")


def test_a_part_of_a_month_has_its_share_of_days() -> None:
    flow = compress([Decimal(31_000), Decimal(30_000)])
    assert realisation.plan(flow, STARTS, [Span(date(2026, 3, 22), date(2026, 4, 3))]) == 13_000
    assert realisation.plan(flow, STARTS, [Span(date(2026, 1, 1), date(2026, 2, 28))]) == 0
    assert realisation.plan(flow, STARTS, [Span(date(2026, 5, 1), date(2026, 5, 31))]) == 0


# --- The rhythm of asking


@given(
    DAYS,
    st.builds(Rhythm, st.integers(1, 200), st.integers(1, 200), st.integers(1, 400), st.just(14)),
    st.lists(st.integers(0, 150), min_size=1, max_size=25),
)
def test_periods_follow_each_other_without_gap_or_overlap(
    live_on: date, rhythm: Rhythm, waits: list[int]
) -> None:
    """Whenever somebody looks, and however long nobody did."""
    last_due: date | None = None
    last_end: date | None = None
    today = live_on
    for wait in waits:
        today += timedelta(days=wait)
        due = realisation.find_due(live_on, last_due, last_end, today, rhythm)
        if due is None:
            continue
        on, span = due
        assert span.starts == (live_on if last_end is None else last_end + timedelta(days=1))
        assert span.ends < today
        assert (span.ends + timedelta(days=1)).day == 1
        assert on <= today < on + timedelta(days=rhythm.every)
        if last_due is not None:
            assert (on - last_due).days % rhythm.every == 0
        else:
            assert on >= live_on + timedelta(days=rhythm.first_after)
        last_due, last_end = on, span.ends
        assert realisation.find_due(live_on, last_due, last_end, today, rhythm) is None


def test_quarters_are_asked_about_by_whole_months() -> None:
    live_on, rhythm = date(2026, 1, 15), Rhythm()
    assert realisation.find_due(live_on, None, None, date(2026, 4, 14), rhythm) is None
    first = realisation.find_due(live_on, None, None, date(2026, 4, 15), rhythm)
    assert first == (date(2026, 4, 15), Span(live_on, date(2026, 3, 31)))
    second = realisation.find_due(
        live_on, date(2026, 4, 15), date(2026, 3, 31), date(2026, 7, 14), rhythm
    )
    assert second == (date(2026, 7, 14), Span(date(2026, 4, 1), date(2026, 6, 30)))


def test_silence_counts_from_the_last_day_that_was_measured() -> None:
    live_on, rhythm = date(2026, 1, 1), Rhythm(silent_after=180)
    assert realisation.find_silence(live_on, [], date(2026, 6, 29), rhythm) is None
    silence = realisation.find_silence(live_on, [], date(2026, 6, 30), rhythm)
    assert silence == Span(live_on, date(2026, 6, 30))
    covered = [Span(live_on, date(2026, 3, 31))]
    assert realisation.find_silence(live_on, covered, date(2026, 9, 27), rhythm) is None
    later = realisation.find_silence(live_on, covered, date(2026, 9, 28), rhythm)
    assert later == Span(date(2026, 4, 1), date(2026, 9, 28))


# --- Spreads

FIGURES = st.lists(st.integers(-1000, 1000).map(Decimal), min_size=2, max_size=30)


@given(FIGURES)
def test_quartiles_are_those_of_the_standard_library(values: list[Decimal]) -> None:
    spread = realisation.spread(values)
    assert spread.median == median(values)
    low, _, high = quantiles(values, n=4, method="inclusive")
    assert (spread.low, spread.high) == (low, high)


def test_no_figures_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no figures"):
        realisation.spread([])


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 9).map(Decimal), max_size=20),
    st.sets(st.integers(0, 30)),
)
def test_nobody_learns_of_fewer_than_five(figures: dict[int, Decimal], in_sight: set[int]) -> None:
    """Neither from what is counted, nor by taking away what the reader sees anyway."""
    kept = realisation.select_tellable(figures, in_sight)
    hidden = figures.keys() - in_sight
    seen = [figures[name] for name in figures.keys() & in_sight]
    assert len(kept) == 0 or len(kept) >= 5
    if sorted(kept) != sorted(seen):
        assert not kept or len(hidden) >= 5
    if len(figures) >= 5 and not hidden:
        assert sorted(kept) == sorted(figures.values())


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 300).map(lambda n: Decimal(n) / 100)),
        max_size=30,
    )
)
def test_everybody_who_estimates_counts_once_and_five_are_needed(
    ratios: list[tuple[str, Decimal]],
) -> None:
    people = {person for person, _ in ratios}
    spread = realisation.spread_by_person(ratios)
    assert (spread is None) == (len(people) < 5)
    if spread is not None:
        assert spread.number == len(people)
        busiest = max(people, key=lambda one: sum(person == one for person, _ in ratios))
        mine = [ratio for person, ratio in ratios if person == busiest]
        again = [*ratios, *((busiest, median(mine)) for _ in range(7))]
        assert realisation.spread_by_person(again) == spread


# --- In words


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 1, 1), date(2026, 3, 31), "Jan to Mar 2026"),
        (date(2026, 3, 1), date(2026, 3, 31), "Mar 2026"),
        (date(2026, 11, 1), date(2027, 1, 31), "Nov 2026 to Jan 2027"),
        (date(2026, 1, 15), date(2026, 3, 31), "15 Jan to 31 Mar 2026"),
        (date(2026, 12, 2), date(2027, 1, 31), "2 Dec 2026 to 31 Jan 2027"),
        (date(2026, 1, 5), date(2026, 1, 5), "5 Jan 2026"),
    ],
)
def test_spans_in_words(first: date, last: date, words: str) -> None:
    assert realisation.describe_span(Span(first, last)) == words
