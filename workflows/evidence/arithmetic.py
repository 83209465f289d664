"""Fairlearn's figures by plain arithmetic on counts, for where fairlearn is not installed. Pure.

The definitions are those of fairlearn's `MetricFrame`, `demographic_parity_*` and `equalized_odds_*` (between groups,
worst case), which a test compares with these.
"""

from collections.abc import Sequence
from typing import NamedTuple


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
