"""When ideas arrive: the days from stage to stage, the share in use, and what breaks a case. Pure.

A project's way is dated by what the record proves. The dates of one project are facts about it. A
figure over several is one of pace and follows the rules of `workflows.anonymity` (decision 23).
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from statistics import quantiles

from workflows import wording
from workflows.anonymity import rules as control
from workflows.anonymity.rules import Group


class Stage(StrEnum):
    """From idea to value, in the usual order. A project may skip some, or reach them in another."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DATA_READY = "data_ready"
    FIRST_VERSION = "first_version"
    VALIDATED = "validated"
    APPROVED_FOR_USE = "approved_for_use"
    IN_USE = "in_use"
    FIRST_VALUE = "first_value"


STAGE_WORDS: Mapping[Stage, str] = {
    Stage.PROPOSED: "proposed",
    Stage.APPROVED: "approved",
    Stage.DATA_READY: "data ready",
    Stage.FIRST_VERSION: "first version",
    Stage.VALIDATED: "validated",
    Stage.APPROVED_FOR_USE: "approved for use",
    Stage.IN_USE: "in use",
    Stage.FIRST_VALUE: "first value",
}

Span = tuple[Stage, Stage]
"""From one stage to a later one."""
STEPS: tuple[Span, ...] = tuple(pairwise(Stage))
"""From each stage to the next."""
IDEA_TO_USE: Span = (Stage.PROPOSED, Stage.IN_USE)


@dataclass(frozen=True, slots=True)
class Journey:
    """The way of one project as the record has it.

    `stopped_on` is when it was stopped for good; None while it goes on, and again once it was taken
    up anew. `people` are opaque ids of whoever worked on it: no figure may show one person's pace.
    """

    project_id: int
    reached: Mapping[Stage, date]
    stopped_on: date | None = None
    people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Withheld:
    """What stands in place of a figure that isn't given: why, in a sentence."""

    reason: str


def date_stages(proofs: Iterable[tuple[Stage, date]]) -> dict[Stage, date]:
    """One day per stage: the first that is proved, as a second version may pass the same stages."""
    reached: dict[Stage, date] = {}
    for stage, day in proofs:
        reached[stage] = min(day, reached.get(stage, day))
    return reached


def describe_span(span: Span) -> str:
    """`data ready → first version`."""
    return f"{STAGE_WORDS[span[0]]} → {STAGE_WORDS[span[1]]}"


# --- Where the time goes


def spent_between(journey: Journey) -> dict[Span, int]:
    """The days from each stage to the next, where the record has both.

    Negative where the next stage came first, as with a version built before its case was approved.
    """
    return {step: days for step in STEPS if (days := _count_days(journey, step)) is not None}


def _count_days(journey: Journey, span: Span) -> int | None:
    start, end = (journey.reached.get(stage) for stage in span)
    return (end - start).days if start is not None and end is not None else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Days over several projects, with quartiles by type 7 of Hyndman and Fan (1996)."""

    projects: int
    lower: Decimal
    median: Decimal
    upper: Decimal


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """How long projects took from idea to use, and how much of it each step took.

    `steps` lacks a step that too few of them have. Medians don't add up: those of the steps aren't
    parts of the whole's. `counts` is what each figure counts. Whoever shows the figures keeps it,
    and hands it in as `earlier` the next time.
    """

    overall: Spread
    steps: Mapping[Span, Spread]
    counts: Mapping[Span, Group]


def lead_times(
    journeys: Iterable[Journey],
    minimum_projects: int = 5,
    minimum_people: int = 5,
    earlier: Sequence[Mapping[Span, Group]] = (),
) -> LeadTimes | Withheld:
    """The days from proposed to in use, and of each step on the way, over the projects in use.

    A figure rests on at least so many projects and so many people, and nobody has a part in more
    than half of its projects, as the median would be theirs: the latest projects of whoever has
    most are left out until that is so (`anonymity.rules.capped`, which asks for `minimum_people`
    projects too). `earlier` is the `counts` of all figures that were shown before, of whatever
    selection of projects: no sum or difference with them may be about fewer projects or people
    (`anonymity.rules.may_tell`). Where it would be, nothing new is given and the earlier one stays.

    A project without people on record isn't counted, nor one in use before it was proposed.
    Raises ValueError when a project occurs twice.
    """
    people: dict[int, frozenset[str]] = {}
    days: dict[Span, dict[int, int]] = {span: {} for span in (IDEA_TO_USE, *STEPS)}
    for journey in _check_distinct(journeys):
        overall = _count_days(journey, IDEA_TO_USE)
        if overall is None or overall < 0 or not journey.people:
            continue
        people[journey.project_id] = journey.people
        days[IDEA_TO_USE][journey.project_id] = overall
        for step, spent in spent_between(journey).items():
            days[step][journey.project_id] = spent
    counted: dict[Span, dict[int, int]] = {}
    for span, by_project in days.items():
        if span != IDEA_TO_USE:
            # The steps are those of the projects whose whole way is counted.
            by_project = {id_: by_project[id_] for id_ in counted[IDEA_TO_USE] if id_ in by_project}
        chosen = _choose(
            by_project,
            people,
            [counts[span] for counts in earlier if span in counts],
            minimum_projects,
            minimum_people,
        )
        if not isinstance(chosen, Withheld):
            counted[span] = chosen
        elif span == IDEA_TO_USE:
            return chosen
    return LeadTimes(
        _spread(counted[IDEA_TO_USE].values()),
        {step: _spread(counted[step].values()) for step in STEPS if step in counted},
        {span: _group(chosen, people) for span, chosen in counted.items()},
    )


def _choose(
    days: Mapping[int, int],
    people: Mapping[int, Collection[str]],
    before: Sequence[Group],
    minimum_projects: int,
    minimum_people: int,
) -> dict[int, int] | Withheld:
    """Of projects with their days, those that a figure may count after those in `before`."""
    kept = control.capped({id_: people[id_] for id_ in days}, fewest=minimum_people)
    if len(kept) < minimum_projects:
        return Withheld(
            f"This needs {wording.counted(minimum_projects, 'project')} in use with"
            f" {wording.counted(minimum_people, 'different person', 'different people')}, none of"
            " them in more than half of the projects: no figure shows one person's pace."
        )
    chosen = {id_: days[id_] for id_ in kept}
    group = _group(chosen, people)
    if not control.may_tell(before, group, fewest=minimum_people) or not control.may_tell(
        [_by_project(each) for each in before], _by_project(group), fewest=minimum_projects
    ):
        return Withheld(
            "The change since an earlier figure is about too few projects or people, so that figure"
            " stays: no figure shows one person's pace."
        )
    return chosen


def _group(days: Mapping[int, int], people: Mapping[int, Collection[str]]) -> Group:
    # The days are part of an atom: a corrected date would show by itself what its project took.
    return {(id_, spent): people[id_] for id_, spent in days.items()}


def _by_project(group: Group) -> Group:
    """The same figure, about projects instead of people."""
    return {atom: [atom[0] if isinstance(atom, tuple) else atom] for atom in group}


def _check_distinct(journeys: Iterable[Journey]) -> list[Journey]:
    listed = list(journeys)
    if len({journey.project_id for journey in listed}) < len(listed):
        raise ValueError("a project occurs twice")
    return listed


def _spread(days: Iterable[int]) -> Spread:
    values = [Decimal(spent) for spent in days]
    if len(values) == 1:
        return Spread(1, *values, *values, *values)
    return Spread(len(values), *quantiles(values, n=4, method="inclusive"))


def describe_spread(spread: Spread) -> str:
    """`median 240 days, the middle half 180 to 320 (8 projects)`."""
    return (
        f"median {spread.median:,.0f} days, the middle half {spread.lower:,.0f} to"
        f" {spread.upper:,.0f} ({wording.counted(spread.projects, 'project')})"
    )


# --- Which share arrives


class Ending(StrEnum):
    """How a project stands on a day, for the share that arrives."""

    ARRIVED = "arrived"
    STOPPED = "stopped"
    OPEN = "open"


Observed = tuple[int, Ending]
"""Days since it was proposed, and what happened then; for an open one the days it was watched."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of projects in use so many months after they were proposed.

    `share` (0 to 1) is exact. `interval` is the 95 % interval; None where nobody or everybody
    arrived, as its formula has no value there.
    """

    months: int
    days: int
    share: Fraction
    variance: Decimal
    interval: tuple[Decimal, Decimal] | None


@dataclass(frozen=True, slots=True)
class ArrivalCurve:
    """How projects stood on `as_of`, and the share in use after each number of months."""

    as_of: date
    arrived: int
    stopped: int
    open: int
    shares: Mapping[int, Share | Withheld]

    @property
    def projects(self) -> int:
        """All of them, however they stand."""
        return self.arrived + self.stopped + self.open


MONTHS = (12, 18, 24)
"""After how many months the share in use is asked for."""


def count_days(months: int) -> int:
    """So many calendar months as days: 365, 548 and 730 for 12, 18 and 24.

    Each is the mean Gregorian month of 30.436875 days (146,097 days in 4,800 months), and the sum
    is rounded to the nearest day: all projects are measured alike, wherever leap days fall.
    """
    return (2 * 146_097 * months + 4_800) // 9_600


def arrival_curve(
    journeys: Iterable[Journey],
    as_of: date,
    months: Sequence[int] = MONTHS,
    minimum_projects: int = 10,
    minimum_people: int = 5,
) -> ArrivalCurve | Withheld:
    """The share of proposed projects in use after `months`, as known on `as_of`.

    The cumulative incidence by Aalen and Johansen, with being stopped as the competing end: a
    stopped project never arrives, and an open one is censored on `as_of`. What is dated later isn't
    known yet. A project in use has arrived, also where a stop is dated before: it wasn't for good.
    A share is withheld where no project was watched so long, unless none is open.

    A project that isn't proposed by then isn't counted, nor one that ended before it was proposed.
    Raises ValueError when a project occurs twice.
    """
    observed: list[Observed] = []
    people: set[str] = set()
    for journey in _check_distinct(journeys):
        if (seen := _observe(journey, as_of)) is not None:
            observed.append(seen)
            people |= journey.people
    if len(observed) < minimum_projects or len(people) < minimum_people:
        return Withheld(
            f"This needs {wording.counted(minimum_projects, 'proposed project')} with"
            f" {wording.counted(minimum_people, 'different person', 'different people')}."
        )
    endings = Counter(ending for _, ending in observed)
    return ArrivalCurve(
        as_of,
        endings[Ending.ARRIVED],
        endings[Ending.STOPPED],
        endings[Ending.OPEN],
        {count: _share_after(observed, count) for count in months},
    )


def _observe(journey: Journey, as_of: date) -> Observed | None:
    proposed, in_use = journey.reached.get(Stage.PROPOSED), journey.reached.get(Stage.IN_USE)
    if proposed is None:
        return None
    ends, ending = as_of, Ending.OPEN
    if in_use is not None and in_use <= as_of:
        ends, ending = in_use, Ending.ARRIVED
    elif journey.stopped_on is not None and journey.stopped_on <= as_of:
        ends, ending = journey.stopped_on, Ending.STOPPED
    return ((ends - proposed).days, ending) if ends >= proposed else None


def _share_after(observed: Sequence[Observed], months: int) -> Share | Withheld:
    days = count_days(months)
    if all(watched < days for watched, _ in observed) and any(
        ending is Ending.OPEN for _, ending in observed
    ):
        return Withheld(
            f"No project was watched for {wording.counted(months, 'month')}, and some are open."
        )
    share, variance = estimate_incidence(observed, days)
    return Share(months, days, share, variance, estimate_interval(share, variance))


_DIGITS = 50
"""With which variances and intervals are computed."""
_NORMAL_975 = Decimal("1.959963984540054")


@dataclass(frozen=True, slots=True)
class _Jump:
    """A day on which projects ended. `before` is the share that was open until then."""

    share: Fraction
    before: Fraction
    at_risk: int
    arrived: int
    ended: int


def estimate_incidence(observed: Collection[Observed], days: int) -> tuple[Fraction, Decimal]:
    """The share that arrived within `days` of being proposed, exact, and its variance.

    Aalen and Johansen (1978): the sum over days of S × arrived / at risk, where S is the
    Kaplan-Meier share that was still open before that day, with both endings as events. All endings
    of one day share one at-risk set, and those censored on that day are in it.

    Variance by the delta method (Dinse and Larson 1986; Collett 2015, p. 411):
    Σ (F − Fⱼ)² eⱼ / (nⱼ (nⱼ − eⱼ)) + Σ Sⱼ² aⱼ (nⱼ − aⱼ) / nⱼ³ − 2 Σ (F − Fⱼ) Sⱼ aⱼ / nⱼ²,
    with n at risk, e ended, a arrived, S before the day and Fⱼ on it. Without censoring it is
    F (1 − F) / n; without competing endings it is Greenwood's.
    """
    counts = Counter(observed)
    at_risk, surviving, share = len(observed), Fraction(1), Fraction(0)
    jumps: list[_Jump] = []
    for day in sorted({day for day, _ in counts if day <= days}):
        arrived = counts[day, Ending.ARRIVED]
        ended = arrived + counts[day, Ending.STOPPED]
        if ended:
            share += surviving * Fraction(arrived, at_risk)
            jumps.append(_Jump(share, surviving, at_risk, arrived, ended))
            surviving *= Fraction(at_risk - ended, at_risk)
        at_risk -= ended + counts[day, Ending.OPEN]
    # Fractions grow with each day; squared, thousands of projects would take seconds.
    with localcontext(prec=_DIGITS):
        variance = Decimal(0)
        for jump in jumps:
            n, rest, before = jump.at_risk, _decimal(share - jump.share), _decimal(jump.before)
            variance += before**2 * jump.arrived * (n - jump.arrived) / n**3
            # Once nobody is left the share can't rise, and the first sum would divide by zero.
            if rest:
                variance += rest**2 * jump.ended / (n * (n - jump.ended))
                variance -= 2 * rest * before * jump.arrived / n**2
        return share, max(variance, Decimal(0))


def estimate_interval(share: Fraction, variance: Decimal) -> tuple[Decimal, Decimal] | None:
    """The 95 % interval of a share, within 0 to 1; None for a share of 0 or 1.

    Normal on the scale log(−log F): F ^ exp(±1.96 σ / (F |ln F|)) (Choudhury 2002; Collett 2015).
    """
    if not 0 < share < 1:
        return None
    with localcontext(prec=_DIGITS):
        estimate = _decimal(share)
        width = _NORMAL_975 * variance.sqrt() / (estimate * -estimate.ln())
        return estimate ** width.exp(), estimate ** (-width).exp()


def _decimal(share: Fraction) -> Decimal:
    return Decimal(share.numerator) / Decimal(share.denominator)


def describe_share(curve: ArrivalCurve, months: int) -> str:
    """`62 % in use after 18 months (of 24 projects; 9 still open, 5 stopped)`, or why there's none.

    Raises KeyError for months that the curve wasn't asked for.
    """
    share = curve.shares[months]
    if isinstance(share, Withheld):
        return share.reason
    rest = [
        f"{number:,} {words}"
        for number, words in ((curve.open, "still open"), (curve.stopped, "stopped"))
        if number
    ]
    beside = f"; {', '.join(rest)}" if rest else ""
    per_cent = wording.percent(_decimal(share.share), Decimal(1))
    return (
        f"{per_cent} in use after {wording.counted(months, 'month')}"
        f" (of {wording.counted(curve.projects, 'project')}{beside})"
    )


def describe_interval(share: Share) -> str:
    """`95 % interval: 41 % to 78 %`; empty where there is none."""
    if share.interval is None:
        return ""
    low, high = (wording.percent(bound, Decimal(1)) for bound in share.interval)
    return f"95 % interval: {low} to {high}"


# --- What others report


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Somebody else's figure. `year` is the source's; `quoted_by` is where mlgov has it from."""

    claim: str
    figure: Decimal
    unit: str
    source: str
    year: int
    quoted_by: str


_ARTICLE = (
    "Jamal Robinson, “Scaling Enterprise Machine Learning Through Governance & MLOps”, 26 May 2021"
)
NEVER_IN_USE = Benchmark(
    claim="of machine-learning projects never reach production",
    figure=Decimal(50),
    unit="%",
    source="Gartner, “Predicts 2020: Artificial Intelligence — The Road to Production”",
    year=2020,
    quoted_by=_ARTICLE,
)
MONTHS_TO_USE = Benchmark(
    claim="is how long models take that do reach production",
    figure=Decimal(18),
    unit="months",
    source="Algorithmia, “2020 State of Enterprise Machine Learning”",
    year=2020,
    quoted_by=_ARTICLE,
)
BENCHMARKS = (NEVER_IN_USE, MONTHS_TO_USE)


def describe_benchmark(benchmark: Benchmark) -> str:
    """The figure as a sentence that says whose it is, and that it isn't this organisation's."""
    return (
        f"{benchmark.figure} {benchmark.unit} {benchmark.claim}. This isn't a figure of this"
        f" organisation: {benchmark.source} ({benchmark.year}), quoted by {benchmark.quoted_by}."
    )


# --- When a case is broken


@dataclass(frozen=True, slots=True)
class CaseStanding:
    """What a case planned, and how it stands. Amounts are in one currency; None: not known.

    Cost and benefit are each planned and actual over the same time. `attested_benefit` is what
    somebody of the sponsor's or finance's side confirmed.
    """

    currency: str
    planned_cost: Decimal | None = None
    actual_cost: Decimal | None = None
    planned_benefit: Decimal | None = None
    attested_benefit: Decimal | None = None
    planned_end: date | None = None
    forecast_end: date | None = None


def is_broken(
    case: CaseStanding,
    cost_over: Decimal = Decimal("0.10"),
    benefit_under: Decimal = Decimal("0.20"),
    months_late: int = 3,
) -> tuple[str, ...]:
    """Why a case no longer holds, a sentence each; empty while it holds.

    Shares of the plan (0.10 is 10 %) and calendar months. Exactly at the threshold it still holds.
    What isn't known breaks nothing, and without a planned benefit none can be missed.
    """
    reasons: list[str] = []
    planned, actual = case.planned_cost, case.actual_cost
    # Fractions: the product of two Decimals is rounded where an amount has many digits.
    if (
        planned is not None
        and actual is not None
        and Fraction(actual) > Fraction(planned) * (1 + Fraction(cost_over))
    ):
        cost = f"Cost is {wording.money(actual, case.currency)}"
        reasons.append(
            f"{cost}, {wording.percent(actual - planned, planned)} more than the"
            f" {wording.money(planned, case.currency)} planned."
            if planned
            else f"{cost}, and none was planned."
        )
    planned, attested = case.planned_benefit, case.attested_benefit
    if (
        planned is not None
        and attested is not None
        and planned > 0
        and Fraction(attested) < Fraction(planned) * (1 - Fraction(benefit_under))
    ):
        reasons.append(
            f"Attested benefit is {wording.money(attested, case.currency)},"
            f" {wording.percent(planned - attested, planned)} less than the"
            f" {wording.money(planned, case.currency)} planned."
        )
    due, forecast = case.planned_end, case.forecast_end
    if due is not None and forecast is not None and forecast > _add_months(due, months_late):
        reasons.append(
            f"The end is forecast for {_dated(forecast)}, more than"
            f" {wording.counted(months_late, 'month')} after the plan, {_dated(due)}."
        )
    return tuple(reasons)


def _add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it is shorter."""
    count = day.year * 12 + day.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _dated(day: date) -> str:
    return f"{wording.day(day)} {day.year}"
