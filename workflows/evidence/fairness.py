"""How a model treats groups of people, from counts alone: selection rates, demographic parity, equalized odds.

Figures are fairlearn's, computed by it where it is installed and by the same definitions where it is not. A ratio of selection rates under four fifths is a flag, not a proof: the guideline is the
EEOC's Uniform Guidelines (29 CFR 1607.4 D), which says itself that small groups prove little. So a group of too few
people is named and never judged, and what cannot be told is said, never passed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import ModuleType
from typing import Annotated, Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workflows.errors import InvalidInput
from workflows.policy.sections import FairnessRules
from workflows.sources.predictions import Cells

# --- Fairlearn's figures by plain arithmetic on counts, for where fairlearn is not installed
#
# Pure. The definitions are those of fairlearn's `MetricFrame`, `demographic_parity_*` and
# `equalized_odds_*` (between groups, worst case), which a test compares with these.


class Outcomes(NamedTuple):
    """How many of a group's people were selected (`tp`, `fp`) and not (`fn`, `tn`), rightly and wrongly."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def selection_rate(self) -> float:
        """Of everybody."""
        return (self.tp + self.fp) / sum(self)

    @property
    def true_positive_rate(self) -> float:
        """Of those for whom the truth is positive; 0 where it is for nobody."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def false_positive_rate(self) -> float:
        """Of those for whom the truth is negative; 0 where it is for nobody."""
        return self.fp / (self.fp + self.tn) if self.fp + self.tn else 0.0


def parity(groups: Sequence[Outcomes]) -> tuple[float, float]:
    """Demographic parity: difference and ratio of selection rates. Somebody must have been selected."""
    rates = [one.selection_rate for one in groups]
    return max(rates) - min(rates), min(rates) / max(rates)


def odds_difference(groups: Sequence[Outcomes]) -> float:
    """Equalized odds: the larger difference of the two rates."""
    return max(max(rates) - min(rates) for rates in _error_rates(groups))


def odds_ratio(groups: Sequence[Outcomes]) -> float:
    """Equalized odds: the smaller ratio of the two rates, each of which must be above 0 somewhere."""
    return min(min(rates) / max(rates) for rates in _error_rates(groups))


def _error_rates(groups: Sequence[Outcomes]) -> tuple[list[float], list[float]]:
    return ([one.true_positive_rate for one in groups], [one.false_positive_rate for one in groups])


# --- How a model treats groups of people, from counts alone
#
# selection rates, demographic parity, equalized odds. Figures are fairlearn's, computed by it
# where it is installed and by the same definitions where it is not. A ratio of selection rates
# under four fifths is a flag, not a proof: the guideline is the EEOC's Uniform Guidelines (29
# CFR 1607.4 D), which says itself that small groups prove little. So a group of too few people
# is named and never judged, and what cannot be told is said, never passed.

Verdict = Literal["clear", "flagged", "insufficient", "undefined"]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
MOST_GROUPS = 500
"""Groups of one comparison."""
MOST_BY_FAIRLEARN = 24
"""Groups, all comparisons together, that fairlearn itself computes: it takes some 20 ms for each while others wait to
write. The figures of more are the same by `arithmetic`, in no time."""
PLACES = 6
"""Decimal places of a figure in the record."""


class Group(BaseModel):
    """One group: how many of its people were selected (`tp`, `fp`) and not (`fn`, `tn`), rightly and wrongly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[Label, ...]
    tp: Count
    fp: Count
    fn: Count
    tn: Count

    @property
    def count(self) -> int:
        """People."""
        return self.tp + self.fp + self.fn + self.tn


class Counted(BaseModel):
    """One column of groups, or several crossed. `small` groups are named without their counts, which could tell of a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Label, ...] = Field(min_length=1, max_length=5)
    groups: tuple[Group, ...] = Field(max_length=MOST_GROUPS)
    small: tuple[tuple[Label, ...], ...] = Field(default=(), max_length=MOST_GROUPS)

    @model_validator(mode="after")
    def _fits(self) -> "Counted":
        named = [*(one.names for one in self.groups), *self.small]
        if not named:
            raise ValueError("a column of groups needs at least one group")
        if any(len(one) != len(self.columns) for one in named):
            raise ValueError("each group has one name for each of its columns")
        if len(set(named)) != len(named):
            raise ValueError("the same group stands twice")
        return self


class Counts(BaseModel):
    """What mlgov computes fairness from: groups and how many people they hold, never rows of people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counted: tuple[Counted, ...] = Field(min_length=1, max_length=12)
    left_out: Count = 0
    """Rows that lacked a truth, a prediction or a group."""

    @model_validator(mode="after")
    def _once(self) -> "Counts":
        named = [one.columns for one in self.counted]
        if len(set(named)) != len(named):
            raise ValueError("the same columns stand twice")
        return self


def count_groups(cells: Cells, least: int) -> Counts:
    """Each column of groups by itself, then all of them crossed; groups under `least` people by name alone."""
    places = range(len(cells.columns))
    wanted: list[tuple[int, ...]] = [(place,) for place in places]
    if len(cells.columns) > 1:
        wanted.append(tuple(places))
    return Counts(
        counted=tuple(_count_columns(cells, one, least) for one in wanted), left_out=cells.left_out
    )


def _count_columns(cells: Cells, places: tuple[int, ...], least: int) -> Counted:
    sums: dict[tuple[str, ...], dict[tuple[bool, bool], int]] = defaultdict(
        lambda: defaultdict(int)
    )
    for cell in cells.cells:
        names = tuple(cell.names[place][:60] for place in places)
        sums[names][cell.truth, cell.prediction] += cell.count
    groups = [
        Group(
            names=names,
            tp=one[True, True],
            fp=one[False, True],
            fn=one[True, False],
            tn=one[False, False],
        )
        for names, one in sorted(sums.items())
    ]
    if len(groups) > MOST_GROUPS:
        raise InvalidInput(
            f"That makes more than {MOST_GROUPS} groups. Name fewer columns, or wider groups.",
            field="group",
        )
    return Counted(
        columns=tuple(cells.columns[place][:60] for place in places),
        groups=tuple(one for one in groups if one.count >= least),
        small=tuple(one.names for one in groups if one.count < least),
    )


class Rates(BaseModel):
    """A group's rates, each from 0 to 1; None where nobody is there to take it from."""

    model_config = ConfigDict(frozen=True)

    name: str
    count: int
    selection_rate: Decimal
    impact_ratio: Decimal | None
    """Its selection rate, of the highest one."""
    true_positive_rate: Decimal | None
    false_positive_rate: Decimal | None


class Compared(BaseModel):
    """Groups of one column, or of several crossed, compared. Figures are None where they are not defined."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, ...]
    groups: tuple[Rates, ...] = ()
    small: tuple[str, ...] = ()
    demographic_parity_difference: Decimal | None = None
    demographic_parity_ratio: Decimal | None = None
    equalized_odds_difference: Decimal | None = None
    equalized_odds_ratio: Decimal | None = None
    verdict: Verdict = "insufficient"
    flags: tuple[str, ...] = ()
    """What the validator has to say something to, each a phrase."""

    @property
    def name(self) -> str:
        """`sex × age`."""
        return " × ".join(self.columns)


class Judged(BaseModel):
    """What the record keeps of a computation: counts, figures, and the rules they were judged by."""

    model_config = ConfigDict(frozen=True)

    least: int
    """People that a group needs to be judged."""
    ratio: Decimal
    """Of selection rates, under which a column is flagged."""
    counts: Counts
    compared: tuple[Compared, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """Everything that the validator has to say something to."""
        return tuple(f"{one.name}: {flag}" for one in self.compared for flag in one.flags)


def load_metrics() -> None:
    """Load what figures are computed with, which takes a second the first time: not while a transaction is open."""
    _metrics()


def judge_counts(counts: Counts, rules: FairnessRules) -> Judged:
    """Every column of groups judged by the rules."""
    many = sum(len(one.groups) for one in counts.counted) > MOST_BY_FAIRLEARN
    metrics = None if many else _metrics()
    return Judged(
        least=rules.least,
        ratio=rules.ratio,
        counts=counts,
        compared=tuple(_compare(one, rules, metrics) for one in counts.counted),
    )


def _compare(counted: Counted, rules: FairnessRules, metrics: ModuleType | None) -> Compared:
    groups = [group for group in counted.groups if group.count >= rules.least]
    small = tuple(
        sorted(
            " · ".join(group)
            for group in (
                *counted.small,
                *(each.names for each in counted.groups if each.count < rules.least),
            )
        )
    )
    if len(groups) < 2:
        rates = _rates(groups, metrics) if groups else ()
        why = f"fewer than two groups of at least {rules.least} people, so nothing can be compared"
        return Compared(columns=counted.columns, groups=rates, small=small, flags=(why,))
    rates = _rates(groups, metrics)
    difference, ratio = _parity(groups, metrics)
    odds = _odds(groups, metrics)
    flags: list[str] = []
    verdict: Verdict = "clear"
    if small:
        verdict = "insufficient"
        flags.append(f"too few people to be judged (under {rules.least}): {_join_names(small)}")
    if ratio is None:
        verdict = "undefined"
        flags.append("nobody was selected, so there is no ratio")
    elif ratio < rules.ratio:
        verdict = "flagged"
        low = min(rates, key=lambda group: group.selection_rate)
        high = max(rates, key=lambda group: group.selection_rate)
        flags.insert(
            0,
            f"“{low.name}” is selected at {ratio:.2f} of the rate of “{high.name}”, under {rules.ratio.normalize():f}",
        )
    if isinstance(odds, str):
        flags.append(f"equalized odds cannot be told: {odds}")
    return Compared(
        columns=counted.columns,
        groups=rates,
        small=small,
        demographic_parity_difference=difference,
        demographic_parity_ratio=ratio,
        equalized_odds_difference=None if isinstance(odds, str) else odds[0],
        equalized_odds_ratio=None if isinstance(odds, str) else odds[1],
        verdict=verdict,
        flags=tuple(flags),
    )


def _join_names(names: Sequence[str]) -> str:
    rest = len(names) - 5
    return ", ".join(names[:5]) + (f" and {rest} more" if rest > 0 else "")


def _columns(groups: Iterable[Group]) -> tuple[list[int], list[int], list[str], list[int]]:
    """Truth, prediction, group and weight: four rows a group stand for all its people."""
    rows = [
        (truth, prediction, str(place), weight)
        for place, one in enumerate(groups)
        for truth, prediction, weight in (
            (1, 1, one.tp),
            (0, 1, one.fp),
            (1, 0, one.fn),
            (0, 0, one.tn),
        )
        if weight
    ]
    truth, prediction, named, weight = (list(each) for each in zip(*rows, strict=True))
    return truth, prediction, named, weight


def _metrics() -> ModuleType | None:
    """fairlearn, where it is installed; the same figures come from `arithmetic` where it is not."""
    try:
        from fairlearn import metrics
    except ImportError:
        return None
    return cast(ModuleType, metrics)


def _outcomes(groups: Iterable[Group]) -> list[Outcomes]:
    return [Outcomes(one.tp, one.fp, one.fn, one.tn) for one in groups]


def _by_group(
    groups: Sequence[Group], metrics: ModuleType | None
) -> tuple[list[float], list[float], list[float]]:
    """Selection, true positive and false positive rate of each group."""
    if metrics is None:
        plain = _outcomes(groups)
        return (
            [one.selection_rate for one in plain],
            [one.true_positive_rate for one in plain],
            [one.false_positive_rate for one in plain],
        )
    truth, prediction, named, weight = _columns(groups)
    frame = metrics.MetricFrame(
        metrics={
            "selection": metrics.selection_rate,
            "tpr": metrics.true_positive_rate,
            "fpr": metrics.false_positive_rate,
        },
        y_true=truth,
        y_pred=prediction,
        sensitive_features=named,
        sample_params={one: {"sample_weight": weight} for one in ("selection", "tpr", "fpr")},
    )
    by_name: Mapping[str, Mapping[str, float]] = frame.by_group.to_dict()
    selection, true, false = (
        [float(by_name[name][str(place)]) for place in range(len(groups))]
        for name in ("selection", "tpr", "fpr")
    )
    return selection, true, false


def _rates(groups: Sequence[Group], metrics: ModuleType | None) -> tuple[Rates, ...]:
    selected, true, false = _by_group(groups, metrics)
    selection = [_exact(one) for one in selected]
    highest = max(selection)
    return tuple(
        Rates(
            name=" · ".join(one.names),
            count=one.count,
            selection_rate=selection[place],
            impact_ratio=_exact(float(selection[place]) / float(highest)) if highest else None,
            true_positive_rate=_exact(true[place]) if one.tp + one.fn else None,
            false_positive_rate=_exact(false[place]) if one.fp + one.tn else None,
        )
        for place, one in enumerate(groups)
    )


def _parity(groups: Sequence[Group], metrics: ModuleType | None) -> tuple[Decimal, Decimal | None]:
    if not any(one.tp + one.fp for one in groups):
        return _exact(0.0), None
    if metrics is None:
        difference, ratio = parity(_outcomes(groups))
    else:
        truth, prediction, named, weight = _columns(groups)
        given = {"sensitive_features": named, "sample_weight": weight}
        difference = metrics.demographic_parity_difference(truth, prediction, **given)
        ratio = metrics.demographic_parity_ratio(truth, prediction, **given)
    return _exact(difference), _exact(ratio)


def _odds(
    groups: Sequence[Group], metrics: ModuleType | None
) -> tuple[Decimal, Decimal | None] | str:
    """Difference and ratio, or why there is neither. Without one error of a kind anywhere there is no ratio."""
    for group in groups:
        if not (group.tp + group.fn and group.fp + group.tn):
            which = "true" if group.fp + group.tn else "false"
            return f"{' · '.join(group.names)} has no case that is {which} in truth"
    has_ratio = any(group.tp for group in groups) and any(group.fp for group in groups)
    if metrics is None:
        plain = _outcomes(groups)
        if not has_ratio:
            return _exact(odds_difference(plain)), None
        return (_exact(odds_difference(plain)), _exact(odds_ratio(plain)))
    truth, prediction, named, weight = _columns(groups)
    given = {"sensitive_features": named, "sample_weight": weight}
    difference = _exact(metrics.equalized_odds_difference(truth, prediction, **given))
    if not has_ratio:
        return difference, None
    return difference, _exact(metrics.equalized_odds_ratio(truth, prediction, **given))


def _exact(value: float) -> Decimal:
    return Decimal(str(round(float(value), PLACES)))
