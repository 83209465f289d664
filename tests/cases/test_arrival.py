"""When ideas arrive: worked examples, other algorithms for the same, and what no figure tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.anonymity.oracle import few_told
from workflows.anonymity.rules import Group
from workflows.cases import arrival
from workflows.cases.arrival import (
    IDEA_TO_USE,
    STEPS,
    ArrivalCurve,
    CaseStanding,
    Ending,
    Journey,
    LeadTimes,
    Observed,
    Share,
    Span,
    Stage,
    Withheld,
)

START = date(2024, 1, 1)
AS_OF = date(2026, 11, 2)
A, S, O = Ending.ARRIVED, Ending.STOPPED, Ending.OPEN  # noqa: E741


def journey(project_id: int, *people: str, **stages: int) -> Journey:
    """A project that reached stages so many days after it was proposed."""
    reached = {Stage(name): START + timedelta(days=days) for name, days in stages.items()}
    return Journey(
        project_id,
        {Stage.PROPOSED: START, **reached},
        people=frozenset(people or {f"p{project_id}"}),
    )


def proposed(project_id: int, day: date) -> Journey:
    return replace(journey(project_id), reached={Stage.PROPOSED: day})


def observed(project_id: int, seen: Observed) -> Journey:
    """A project that is seen so on the day of the curve."""
    days, ending = seen
    if ending is Ending.OPEN:
        return proposed(project_id, AS_OF - timedelta(days=days))
    if ending is Ending.ARRIVED:
        return journey(project_id, in_use=days)
    return replace(journey(project_id), stopped_on=START + timedelta(days=days))


def measured(journeys: Sequence[Journey], *earlier: Mapping[Span, Group]) -> LeadTimes:
    figures = arrival.lead_times(journeys, earlier=earlier)
    assert isinstance(figures, LeadTimes)
    return figures


def drawn(journeys: Sequence[Journey]) -> ArrivalCurve:
    curve = arrival.arrival_curve(journeys, AS_OF)
    assert isinstance(curve, ArrivalCurve)
    return curve


# --- Stages, and the days between them


@given(st.lists(st.tuples(st.sampled_from(Stage), st.dates()), max_size=20))
def test_each_stage_has_the_first_day_that_is_proved(proofs: list[tuple[Stage, date]]) -> None:
    reached = arrival.date_stages(proofs)
    assert reached == arrival.date_stages(reversed(proofs))
    assert set(reached) == {stage for stage, _ in proofs}
    for stage, day in proofs:
        assert reached[stage] <= day
        assert (stage, reached[stage]) in proofs


def test_days_are_counted_from_stage_to_stage_where_both_are_known() -> None:
    way = journey(1, approved=30, first_version=20, validated=90, in_use=100, first_value=190)
    assert arrival.spent_between(way) == {
        (Stage.PROPOSED, Stage.APPROVED): 30,
        (Stage.FIRST_VERSION, Stage.VALIDATED): 70,
        (Stage.IN_USE, Stage.FIRST_VALUE): 90,
    }
    early = journey(1, approved=30, data_ready=25)
    assert arrival.spent_between(early)[Stage.APPROVED, Stage.DATA_READY] == -5


@given(st.lists(st.integers(-50, 900), min_size=6, max_size=6))
def test_the_steps_of_a_whole_way_add_up_to_it(days: list[int]) -> None:
    way = journey(
        1, **{str(stage): gone for stage, gone in zip(list(Stage)[1:7], days, strict=True)}
    )
    assert sum(arrival.spent_between(way).values()) == days[-1]


def test_steps_have_words() -> None:
    assert [arrival.describe_span(step) for step in STEPS] == [
        "proposed → approved",
        "approved → data ready",
        "data ready → first version",
        "first version → validated",
        "validated → approved for use",
        "approved for use → in use",
        "in use → first value",
    ]


# --- Lead times


def test_lead_times_by_hand() -> None:
    """Of 100, 200, 300, 400, 1000 days the quartiles are the second and the fourth.

    A sixth, 2000, moves them: they stand 1.25, 2.5 and 3.75 places after the first.
    """
    days = [400, 100, 1000, 200, 300]
    five = [journey(n, in_use=spent, approved=10 * n) for n, spent in enumerate(days)]
    spread = measured(five).overall
    assert spread == arrival.Spread(5, Decimal(200), Decimal(300), Decimal(400))
    spread = measured([*five, journey(5, in_use=2000)]).overall
    assert spread == arrival.Spread(6, Decimal(225), Decimal(350), Decimal(850))
    assert measured(five).steps == {
        (Stage.PROPOSED, Stage.APPROVED): arrival.Spread(5, Decimal(10), Decimal(20), Decimal(30))
    }
    assert (
        arrival.describe_spread(spread)
        == "median 350 days, the middle half 225 to 850 (6 projects)"
    )


FIVE = [journey(n, in_use=100 + n, data_ready=n) for n in range(5)]


@pytest.mark.parametrize(
    "journeys",
    [
        pytest.param(FIVE[:4], id="four projects"),
        pytest.param([*FIVE[:4], journey(4, "p3", in_use=104)], id="four people"),
        pytest.param([*FIVE[:4], replace(FIVE[4], people=frozenset())], id="nobody known"),
        pytest.param([*FIVE[:4], journey(4, approved=4)], id="not in use yet"),
        pytest.param([*FIVE[:4], journey(4, in_use=-1)], id="in use before it was proposed"),
        pytest.param(
            [replace(each, people=each.people | {"ann"}) for each in FIVE],
            id="one who is everywhere",
        ),
        pytest.param([], id="nothing"),
    ],
)
def test_no_figure_of_few(journeys: list[Journey]) -> None:
    figures = arrival.lead_times(journeys)
    assert isinstance(figures, Withheld)
    assert figures.reason == (
        "This needs 5 projects in use with 5 different people, none of them in more than half of the"
        " projects: no figure shows one person's pace."
    )


def test_the_minimums_can_be_higher() -> None:
    eight = [journey(n, in_use=n) for n in range(8)]
    assert isinstance(arrival.lead_times(eight, minimum_projects=8, minimum_people=8), LeadTimes)
    few = arrival.lead_times(eight, minimum_projects=9)
    assert isinstance(few, Withheld)
    assert few.reason.startswith("This needs 9 projects in use with 5 different people")
    assert isinstance(arrival.lead_times(eight, minimum_people=9), Withheld)


def test_a_project_of_which_no_people_are_known_is_not_counted() -> None:
    unknown = replace(journey(5, in_use=900), people=frozenset())
    assert measured([*FIVE, unknown]) == measured(FIVE)


def test_a_step_that_few_have_is_left_out() -> None:
    few = [
        journey(n, in_use=100, approved=n, **({"data_ready": 50} if n < 4 else {}))
        for n in range(6)
    ]
    assert set(measured(few).steps) == {(Stage.PROPOSED, Stage.APPROVED)}


def test_whoever_has_most_projects_counts_no_more_than_all_others() -> None:
    quick = [journey(10 + n, "ann", in_use=1, data_ready=1, first_version=1) for n in range(20)]
    slow = [replace(each, reached={**each.reached, Stage.FIRST_VERSION: AS_OF}) for each in FIVE]
    figures = measured([*slow, *quick])
    assert figures.overall.projects == 10
    assert figures.overall.upper >= 100


def test_a_project_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        arrival.lead_times([*FIVE, FIVE[0]])
    with pytest.raises(ValueError, match="twice"):
        arrival.arrival_curve([*FIVE, FIVE[0]], AS_OF)


def test_no_two_figures_differ_by_one_project() -> None:
    first = measured(FIVE).counts
    ten = [*FIVE, *(journey(n, in_use=500) for n in range(5, 10))]
    for more in range(6, 10):
        withheld = arrival.lead_times(ten[:more], earlier=[first])
        assert isinstance(withheld, Withheld)
        assert withheld.reason == (
            "The change since an earlier figure is about too few projects or people, so that figure"
            " stays: no figure shows one person's pace."
        )
    assert measured(FIVE, first) == measured(FIVE)
    assert measured(ten, first).overall.projects == 10
    assert isinstance(arrival.lead_times(ten[1:], earlier=[measured(ten).counts]), Withheld)


def test_one_project_more_is_one_whoever_worked_on_it() -> None:
    """Its people are many enough, but the difference would still be its own way alone."""
    sixth = journey(5, "a", "b", "c", "d", "e", in_use=500)
    assert isinstance(measured([*FIVE, sixth]), LeadTimes)
    assert isinstance(arrival.lead_times([*FIVE, sixth], earlier=[measured(FIVE).counts]), Withheld)


def test_five_projects_more_of_too_few_people_wait() -> None:
    more = [journey(n, f"q{n % 4}", in_use=500) for n in range(5, 10)]
    assert measured([*FIVE, *more]).overall.projects == 10
    assert isinstance(arrival.lead_times([*FIVE, *more], earlier=[measured(FIVE).counts]), Withheld)


def test_a_corrected_date_waits_as_its_difference_would_be_about_one_project() -> None:
    corrected = [*FIVE[:4], journey(4, in_use=300, data_ready=4)]
    assert isinstance(arrival.lead_times(corrected, earlier=[measured(FIVE).counts]), Withheld)
    step = [replace(each, reached={**each.reached, Stage.APPROVED: START}) for each in FIVE]
    moved = [*step[:4], replace(step[4], reached={**step[4].reached, Stage.APPROVED: AS_OF})]
    figures = measured(moved, measured(step).counts)
    assert figures.overall == measured(step).overall
    assert (Stage.PROPOSED, Stage.APPROVED) not in figures.steps


@st.composite
def draw_ways(draw: st.DrawFn) -> list[Journey]:
    """Up to twenty projects, most of them in use, with one or two of twelve people each."""
    ways = []
    for project_id in range(draw(st.integers(4, 20))):
        days = draw(st.lists(st.integers(0, 300), min_size=7, max_size=7))
        skipped = draw(st.frozensets(st.sampled_from(list(Stage)[1:6]), max_size=1))
        if draw(st.integers(0, 9)) == 0:
            skipped |= {Stage.IN_USE}
        stages = {
            str(stage): gone
            for stage, gone in zip(list(Stage)[1:], days, strict=True)
            if stage not in skipped
        }
        people = draw(st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1, max_size=2))
        ways.append(journey(project_id, *people, **stages))
    return ways


WAYS = draw_ways()
FILTERS = st.lists(
    st.one_of(
        st.builds(
            set, st.builds(range, st.sampled_from([0, 5, 6, 10]), st.sampled_from([9, 10, 15, 20]))
        ),
        st.sets(st.integers(0, 19), max_size=4).map(lambda left_out: set(range(20)) - left_out),
        st.sets(st.integers(0, 19), min_size=8),
    ),
    min_size=2,
    max_size=6,
)
"""Which projects each of several figures is asked of: a part, nearly all, some."""


def check_counts(figures: LeadTimes, journeys: Sequence[Journey]) -> None:
    """Five projects and five people, nobody in more than half, and the days are the record's."""
    by_id = {each.project_id: each for each in journeys}
    assert set(figures.counts) == {IDEA_TO_USE, *figures.steps}
    for span, group in figures.counts.items():
        days = {}
        for atom, people in group.items():
            assert isinstance(atom, tuple)
            way = by_id[atom[0]]
            assert way.people == people
            days[way.project_id] = (way.reached[span[1]] - way.reached[span[0]]).days
        spread = figures.overall if span == IDEA_TO_USE else figures.steps[span]
        assert set(group) == set(days.items())
        assert set(days) <= {
            atom[0] for atom in figures.counts[IDEA_TO_USE] if isinstance(atom, tuple)
        }
        assert spread.projects == len(days) == len(group)
        assert spread.median == Decimal(median(days.values()))
        assert (
            min(days.values())
            <= spread.lower
            <= spread.median
            <= spread.upper
            <= max(days.values())
        )
        everybody = frozenset[str]().union(*(by_id[id_].people for id_ in days))
        assert len(days) >= 5
        assert len(everybody) >= 5
        for person in everybody:
            assert 2 * sum(person in by_id[id_].people for id_ in days) <= len(days)


@given(journeys=WAYS)
@settings(max_examples=80, deadline=None)
def test_every_figure_rests_on_enough_projects_and_people(journeys: list[Journey]) -> None:
    figures = arrival.lead_times(journeys)
    if isinstance(figures, LeadTimes):
        check_counts(figures, journeys)


@given(journeys=WAYS, filters=FILTERS)
@settings(max_examples=60, deadline=None)
def test_nothing_follows_about_few_from_figures_of_any_filters(
    journeys: list[Journey], filters: list[set[int]]
) -> None:
    """An attacker who adds and subtracts the figures, apart from the rules, finds nobody."""
    earlier: list[Mapping[Span, Group]] = []
    for kept in filters:
        chosen = [each for each in journeys if each.project_id in kept]
        figures = arrival.lead_times(chosen, earlier=earlier)
        if isinstance(figures, LeadTimes):
            check_counts(figures, chosen)
            earlier.append(figures.counts)
    for span in (IDEA_TO_USE, *STEPS):
        groups = [counts[span] for counts in earlier if span in counts]
        assert few_told(groups, 5) is None
        by_project: list[Group] = [
            {atom: [atom[0]] for atom in group if isinstance(atom, tuple)} for group in groups
        ]
        assert few_told(by_project, 5) is None


# --- The share that arrives


def test_calendar_months_as_days() -> None:
    assert [arrival.count_days(months) for months in (1, 12, 18, 24, 4800)] == [
        30,
        365,
        548,
        730,
        146_097,
    ]


OBSERVED = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(Ending)), min_size=1, max_size=25)


def redistribute(seen: Sequence[Observed], days: int) -> Fraction:
    """Efron (1967): all start with the same mass; a censored one leaves its own to those after."""
    mass = [Fraction(1, len(seen))] * len(seen)
    arrived = Fraction(0)
    order = sorted(range(len(seen)), key=lambda n: (seen[n][0], seen[n][1] is Ending.OPEN))
    for place, n in enumerate(order):
        day, ending = seen[n]
        after = order[place + 1 :]
        if ending is Ending.OPEN:
            for other in after:
                mass[other] += mass[n] / len(after)
        elif ending is Ending.ARRIVED and day <= days:
            arrived += mass[n]
    return arrived


@given(seen=OBSERVED, days=st.integers(0, 45))
@settings(max_examples=200, deadline=None)
def test_the_share_is_that_of_another_algorithm(seen: list[Observed], days: int) -> None:
    """Many of these fall on the same days, so it also says that ties are counted right."""
    assert arrival.estimate_incidence(seen, days)[0] == redistribute(seen, days)


@given(seen=OBSERVED, days=st.integers(0, 45), data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_a_share_is(seen: list[Observed], days: int, data: st.DataObject) -> None:
    share, variance = arrival.estimate_incidence(seen, days)
    assert (share, variance) == arrival.estimate_incidence(data.draw(st.permutations(seen)), days)
    other = {A: S, S: A, O: O}
    stopped, _ = arrival.estimate_incidence([(day, other[ending]) for day, ending in seen], days)
    assert 0 <= share <= share + stopped <= 1
    assert share <= arrival.estimate_incidence(seen, days + 1)[0]
    # A stopped project never arrives; as an open one it might.
    open_, _ = arrival.estimate_incidence(
        [(day, O if end is S else end) for day, end in seen], days
    )
    assert share <= open_
    interval = arrival.estimate_interval(share, variance)
    assert (interval is None) == (share in {0, 1})
    if interval is not None:
        low, high = interval
        exact = Decimal(share.numerator) / Decimal(share.denominator)
        assert 0 <= low <= exact + Decimal("1e-20")
        assert exact - Decimal("1e-20") <= high <= 1


def assert_close(variance: Decimal, exact: Fraction) -> None:
    assert abs(Fraction(variance) - exact) < Fraction(1, 10**40)


@given(seen=OBSERVED, days=st.integers(0, 45))
@settings(max_examples=100, deadline=None)
def test_without_open_ones_it_is_the_plain_share(seen: list[Observed], days: int) -> None:
    seen = [(day, S if ending is O else ending) for day, ending in seen]
    share, variance = arrival.estimate_incidence(seen, days)
    plain = Fraction(sum(day <= days and ending is A for day, ending in seen), len(seen))
    assert share == plain
    assert_close(variance, plain * (1 - plain) / len(seen))


@given(seen=OBSERVED, days=st.integers(0, 45))
@settings(max_examples=100, deadline=None)
def test_without_stopped_ones_it_is_kaplan_meier_with_greenwood(
    seen: list[Observed], days: int
) -> None:
    seen = [(day, O if ending is S else ending) for day, ending in seen]
    share, variance = arrival.estimate_incidence(seen, days)
    surviving, greenwood = Fraction(1), Fraction(0)
    for day in range(days + 1):
        at_risk = sum(until >= day for until, _ in seen)
        if arrived := seen.count((day, A)):
            surviving *= 1 - Fraction(arrived, at_risk)
            if at_risk > arrived:
                greenwood += Fraction(arrived, at_risk * (at_risk - arrived))
    assert share == 1 - surviving
    assert_close(variance, surviving**2 * greenwood)


def test_ties_by_hand() -> None:
    """Ten projects. On day 5 two arrive, one is stopped, one is censored: all ten are at risk.

    F = 2/10, S = 7/10, and six go on. On day 9 one of six arrives: F = 2/10 + 7/10 × 1/6 = 19/60.
    The three sums of the variance on day 9: (7/60)² × 3/(10 × 7); 2 × 8/10³ + (7/10)² × 5/6³;
    −2 × 7/60 × 2/10². The other terms of the first and the third are zero.
    """
    seen = [(5, A), (5, O), (5, S), (5, A), (9, A), *[(20, O)] * 5]
    assert arrival.estimate_incidence(seen, 4) == (Fraction(0), Decimal(0))
    assert (
        arrival.estimate_incidence(seen, 5)[0]
        == arrival.estimate_incidence(seen, 8)[0]
        == Fraction(1, 5)
    )
    share, variance = arrival.estimate_incidence(seen, 9)
    assert share == Fraction(19, 60)
    terms = (
        Fraction(7, 60) ** 2 * Fraction(3, 70),
        Fraction(16, 1000) + Fraction(49, 100) * Fraction(5, 216),
        -2 * Fraction(7, 60) * Fraction(2, 100),
    )
    assert_close(variance, sum(terms, Fraction(0)))


def test_an_example_from_the_literature() -> None:
    """Satagopan and others (2004), A note on competing risks in survival data analysis, British
    Journal of Cancer 91:1229-1235, table 2: the first nine of 305 patients, the others watched on.

    Its incidence column, 0.3, 0.6, 0.9, 1.2 %, adds up steps that were rounded before.
    """
    listed = [(7, O), (10, A), (14, O), (16, A), (18, S), (23, A), (24, O), (26, S), (27, A)]
    other = {A: S, S: A, O: O}
    seen = [*listed, *[(60, O)] * 296]
    turned = [(month, other[ending]) for month, ending in seen]

    def in_per_cent(month: int) -> tuple[float, float]:
        died = arrival.estimate_incidence(seen, month)[0]
        died_otherwise = arrival.estimate_incidence(turned, month)[0]
        return float(100 * died), round(float(100 * (1 - died - died_otherwise)), 1)

    months = (0, 10, 16, 18, 23, 26, 27)
    assert [in_per_cent(month)[1] for month in months] == [100, 99.7, 99.3, 99.0, 98.7, 98.3, 98.0]
    steps = [
        round(in_per_cent(month)[0] - in_per_cent(before)[0], 1)
        for before, month in pairwise((0, 10, 16, 23, 27))
    ]
    assert steps == [0.3, 0.3, 0.3, 0.3]


THIRTY = [
    (22, O), (102, O), (125, A), (133, A), (141, A), (248, A), (265, A), (314, O), (347, A), (450, O),
    (471, S), (522, S), (534, O), (544, S), (580, A), (589, A), (606, S), (620, A), (635, O), (648, S),
    (656, A), (682, A), (768, A), (789, A), (806, S), (811, O), (815, A), (822, S), (856, O), (882, O),
]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "share", "variance", "low", "high"),
    [
        (365, 0.2159090909090909, 0.006104013496833746, 0.08762258280533772, 0.38094027482448795),
        (730, 0.4310099659698589, 0.009958342496166468, 0.23620548200104285, 0.612102310534326),
    ],
)
def test_lifelines_says_the_same(
    days: int, share: float, variance: float, low: float, high: float
) -> None:
    """By lifelines 0.30.3, which needs an older pandas than mlgov uses and so isn't run here.

    `AalenJohansenFitter().fit(days, endings, event_of_interest=1)` with 1 for arrived, 2 for
    stopped and 0 for open, then `cumulative_density_`, `variance_` and `confidence_interval_`. No
    two of the days are the same, as lifelines moves ties apart at random.
    """
    estimate, spread = arrival.estimate_incidence(THIRTY, days)
    interval = arrival.estimate_interval(estimate, spread)
    assert interval is not None
    assert [float(each) for each in (estimate, spread, *interval)] == pytest.approx(
        [share, variance, low, high], rel=1e-12
    )


EARLY = [(10, O)] * 8
SIXTEEN = [*[(200, A)] * 6, *[(500, A)] * 4, *[(300, S)] * 5, (700, O)]
"""After those of `EARLY` are gone, 6 of 16 arrived in 12 months and 10 in 18."""


def curve_of(seen: Sequence[Observed]) -> ArrivalCurve:
    return drawn([observed(n, each) for n, each in enumerate(seen)])


def test_the_share_in_words() -> None:
    curve = curve_of([*EARLY, *SIXTEEN])
    assert (curve.projects, curve.arrived, curve.stopped, curve.open) == (24, 10, 5, 9)
    assert arrival.describe_share(curve, 12) == (
        "38 % in use after 12 months (of 24 projects; 9 still open, 5 stopped)"
    )
    assert arrival.describe_share(curve, 18) == (
        "62 % in use after 18 months (of 24 projects; 9 still open, 5 stopped)"
    )
    assert arrival.describe_share(curve, 24) == (
        "No project was watched for 24 months, and some are open."
    )
    share = curve.shares[18]
    assert isinstance(share, Share)
    assert (share.share, share.days) == (Fraction(10, 16), 548)
    assert arrival.describe_interval(share) == "95 % interval: 35 % to 81 %"


def test_where_all_is_resolved_the_words_and_the_months_go_on() -> None:
    curve = curve_of([(100, A)] * 10)
    assert arrival.describe_share(curve, 24) == "100 % in use after 24 months (of 10 projects)"
    share = curve.shares[24]
    assert isinstance(share, Share)
    assert share.interval is None
    assert share.variance == 0
    assert arrival.describe_interval(share) == ""
    curve = curve_of([*[(100, A)] * 6, *[(90, S)] * 4])
    assert arrival.describe_share(curve, 24) == (
        "60 % in use after 24 months (of 10 projects; 4 stopped)"
    )


@pytest.mark.parametrize(("watched", "is_given"), [(364, False), (365, True), (366, True)])
def test_a_share_needs_somebody_who_was_watched_so_long(watched: int, is_given: bool) -> None:
    curve = curve_of([*[(100, A)] * 9, (watched, O)])
    assert isinstance(curve.shares[12], Share) is is_given


def test_a_share_is_withheld_where_a_young_one_is_open_though_all_old_ones_ended() -> None:
    curve = curve_of([*[(100, A)] * 9, (5, O)])
    assert isinstance(curve.shares[12], Withheld)


def test_no_curve_below_ten_projects_and_five_people() -> None:
    few = [observed(n, (100, A)) for n in range(9)]
    withheld = arrival.arrival_curve(few, AS_OF)
    assert withheld == Withheld("This needs 10 proposed projects with 5 different people.")
    later = proposed(9, AS_OF + timedelta(days=1))
    assert isinstance(arrival.arrival_curve([*few, later], AS_OF), Withheld)
    backwards = journey(9, in_use=-1)
    assert isinstance(arrival.arrival_curve([*few, backwards], AS_OF), Withheld)
    assert isinstance(arrival.arrival_curve([*few, observed(9, (0, O))], AS_OF), ArrivalCurve)
    four = [replace(each, people=frozenset({f"p{each.project_id % 4}"})) for each in few]
    four.append(replace(observed(9, (0, O)), people=frozenset({"p0"})))
    assert isinstance(arrival.arrival_curve(four, AS_OF), Withheld)
    assert isinstance(arrival.arrival_curve(four, AS_OF, minimum_people=4), ArrivalCurve)


def test_what_is_dated_later_is_not_known_yet() -> None:
    later = AS_OF + timedelta(days=1)
    ways = [observed(n, (400, O)) for n in range(10)]
    coming = [
        replace(ways[0], stopped_on=later),
        replace(ways[1], reached={**ways[1].reached, Stage.IN_USE: later}),
        *ways[2:],
    ]
    assert drawn(coming) == drawn(ways)


def test_arrived_is_arrived_whenever_it_was_stopped() -> None:
    ways = [observed(n, (400, O)) for n in range(9)]
    for stopped in (50, 100, 150):
        way = replace(journey(9, in_use=100), stopped_on=START + timedelta(days=stopped))
        curve = drawn([*ways, way])
        assert (curve.arrived, curve.stopped) == (1, 0)


# --- What others report


def test_each_benchmark_says_whose_figure_it_is() -> None:
    article = "“Scaling Enterprise Machine Learning Through Governance & MLOps”, 26 May 2021"
    assert [arrival.describe_benchmark(each) for each in arrival.BENCHMARKS] == [
        "50 % of machine-learning projects never reach production. This isn't a figure of this"
        " organisation: Gartner, “Predicts 2020: Artificial Intelligence — The Road to Production”"
        f" (2020), quoted by Jamal Robinson, {article}.",
        "18 months is how long models take that do reach production. This isn't a figure of this"
        " organisation: Algorithmia, “2020 State of Enterprise Machine Learning” (2020), quoted by"
        f" Jamal Robinson, {article}.",
    ]


# --- When a case is broken


def amount(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        pytest.param(CaseStanding("EUR"), (), id="nothing known"),
        pytest.param(
            CaseStanding("EUR", amount("40000"), amount("44000"), amount("100"), amount("80"), date(2026, 1, 31), date(2026, 4, 30)),
            (),
            id="all exactly at the threshold",
        ),
        pytest.param(
            CaseStanding("EUR", amount("40000"), amount("46000")),
            ("Cost is 46,000 EUR, 15 % more than the 40,000 EUR planned.",),
            id="cost over",
        ),
        pytest.param(
            CaseStanding("EUR", amount("0"), amount("500")),
            ("Cost is 500 EUR, and none was planned.",),
            id="cost that was not planned",
        ),
        pytest.param(
            CaseStanding("USD", planned_benefit=amount("100000"), attested_benefit=amount("70000")),
            ("Attested benefit is 70,000 USD, 30 % less than the 100,000 USD planned.",),
            id="benefit under",
        ),
        pytest.param(
            CaseStanding("USD", planned_benefit=amount("0"), attested_benefit=amount("-1")),
            (),
            id="no benefit was planned",
        ),
        pytest.param(
            CaseStanding("USD", planned_benefit=amount("100000")), (), id="nothing attested yet"
        ),
        pytest.param(
            CaseStanding("EUR", planned_end=date(2025, 11, 30), forecast_end=date(2026, 3, 1)),
            ("The end is forecast for Sun 1 Mar 2026, more than 3 months after the plan, Sun 30 Nov 2025.",),
            id="late, over a short February",
        ),
        pytest.param(
            CaseStanding("EUR", planned_end=date(2025, 11, 30), forecast_end=date(2026, 2, 28)),
            (),
            id="the last day of February",
        ),
    ],
)  # fmt: skip
def test_what_breaks_a_case(case: CaseStanding, reasons: tuple[str, ...]) -> None:
    assert arrival.is_broken(case) == reasons


def test_all_reasons_are_given_and_thresholds_can_be_set() -> None:
    case = CaseStanding(
        "EUR",
        amount("100"),
        amount("106"),
        amount("100"),
        amount("94"),
        date(2026, 1, 31),
        date(2026, 3, 1),
    )
    assert arrival.is_broken(case) == ()
    strict = arrival.is_broken(case, amount("0.05"), amount("0.05"), 1)
    assert strict == (
        "Cost is 106 EUR, 6 % more than the 100 EUR planned.",
        "Attested benefit is 94 EUR, 6 % less than the 100 EUR planned.",
        "The end is forecast for Sun 1 Mar 2026, more than 1 month after the plan, Sat 31 Jan 2026.",
    )


@pytest.mark.parametrize(
    ("actual", "is_over"),
    [
        ("13580246791358024679.135802467913580237", False),
        ("13580246791358024679.135802467913580238", True),
    ],
)
def test_the_threshold_is_exact_for_amounts_of_any_length(actual: str, is_over: bool) -> None:
    planned = amount("12345678901234567890.123456789012345670")
    assert bool(arrival.is_broken(CaseStanding("EUR", planned, amount(actual)))) is is_over
