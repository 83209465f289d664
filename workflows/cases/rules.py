"""What a business case is worth: present values, multiple, payback, and what makes a change material. Pure.

Amounts fall at the end of each month, the case's first month being month 1, and are discounted to its beginning:
PV = Σ amount_m / (1 + r)^(m/12), with the yearly rate r of the policy (governance.md, section 5; Brealey/Myers).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from math import log

from storage.enums import CaseSide, Driver, ProjectCategory
from workflows.cases.amounts import Flow, Range, combine, constant, expand, total
from workflows.wording import counted

CENT = Decimal("0.01")

# --- Words and figures of categories and drivers


@dataclass(frozen=True, slots=True)
class Category:
    """One of the three kinds of value. `benchmark` is the return that the kind is said to have on average, as benefits
    for each unit of cost: a comparison for estimates, never a part of one."""

    name: str
    benchmark: int
    sentence: str


CATEGORIES: Mapping[ProjectCategory, Category] = {
    ProjectCategory.OPTIMIZATION: Category(
        "Optimisation",
        2,
        "Does what we do today with less time or money: invoices that sort themselves.",
    ),
    ProjectCategory.DECISION: Category(
        "Improved decisions",
        10,
        "Helps people decide better: a planner who sees next week's demand by shop.",
    ),
    ProjectCategory.INNOVATION: Category(
        "Business-model innovation",
        100,
        "Sells something we couldn't sell before: machines that are paid for by the hour they run.",
    ),
}
APART = 3
"""An estimate this many times above or below its category's benchmark is questioned, and never refused."""

BENEFITS: Mapping[Driver, str] = {
    Driver.COST_SAVED: "Cost saved",
    Driver.TIME_SAVED: "Time saved",
    Driver.REVENUE: "Revenue",
    Driver.MARGIN: "Margin",
    Driver.RISK_AVOIDED: "Risk avoided",
}
COSTS: Mapping[Driver, str] = {
    Driver.PEOPLE: "People",
    Driver.DATA: "Data",
    Driver.COMPUTE: "Compute",
    Driver.LICENCES: "Licences",
    Driver.RUNNING: "Running",
}
NAMES = {**BENEFITS, **COSTS}


def find_side(driver: Driver) -> CaseSide:
    """On which side a driver stands."""
    return CaseSide.BENEFIT if driver in BENEFITS else CaseSide.COST


def value_time_saved(
    uses: Range, minutes: Range, acceptance: Range, rate: Range, months: int
) -> Range:
    """Uses a month × minutes that each saves × the share that people accept × what an hour costs, month by month.

    As ServiceNow's Measure counts it: time that nobody accepts saves nothing.
    """

    def multiply(figures: Sequence[Decimal]) -> Decimal:
        uses_, minutes_, share, hourly = figures
        return (uses_ * minutes_ * share * hourly / 60).quantize(CENT)

    return combine((uses, minutes, acceptance, rate), months, multiply)


def repeat(figures: tuple[Decimal, Decimal, Decimal], months: int) -> Range:
    """The same three figures every month."""
    return constant(figures, months)


# --- Worth


@lru_cache(maxsize=64)
def _factor_sums(rate: Decimal, months: int) -> tuple[Decimal, ...]:
    """By number of months, the sum of the discount factors up to there; one more entry than months."""
    sums = [Decimal(0)]
    for month in range(1, months + 1):
        sums.append(sums[-1] + (1 + rate) ** (Decimal(-month) / 12))
    return tuple(sums)


def discount(flow: Flow, rate: Decimal) -> Decimal:
    """The present value of a flow at the beginning of its first month. `rate` is yearly: 0.08 for 8 %."""
    months = sum(count for count, _ in flow)
    sums = _factor_sums(rate, months)
    value, month = Decimal(0), 0
    for count, amount in flow:
        value += amount * (sums[month + count] - sums[month])
        month += count
    return value


@dataclass(frozen=True, slots=True)
class Worth:
    """What benefits and costs come to over the horizon. Amounts are in the case's currency; sums aren't discounted."""

    benefits: Decimal
    costs: Decimal
    benefits_now: Decimal
    """Present value of the benefits."""
    costs_now: Decimal
    """Present value of the costs."""
    flows: tuple[Flow, Flow]
    """Benefits and costs by month."""

    @property
    def payback(self) -> int | None:
        """The first month by whose end the sum of what came and went is 0 or more for good, after it was below; 0 where
        nothing is ever paid out first, None where it doesn't pay back within the horizon."""
        return find_payback(*self.flows)

    @property
    def npv(self) -> Decimal:
        """Net present value."""
        return self.benefits_now - self.costs_now

    @property
    def multiple(self) -> Decimal | None:
        """Benefits for each unit of cost, undiscounted: the `2x` of a category. None without costs."""
        return self.benefits / self.costs if self.costs else None

    @property
    def roi(self) -> Decimal | None:
        """(benefits - costs) / costs. None without costs."""
        return (self.benefits - self.costs) / self.costs if self.costs else None

    @property
    def profitability(self) -> Decimal | None:
        """PI, the profitability index: present value of benefits for each unit of that of costs. None without costs."""
        return self.benefits_now / self.costs_now if self.costs_now else None


def value(benefits: Flow, costs: Flow, rate: Decimal) -> Worth:
    """What these flows are worth at a yearly rate."""
    return Worth(
        total(benefits),
        total(costs),
        discount(benefits, rate),
        discount(costs, rate),
        (benefits, costs),
    )


def find_payback(benefits: Flow, costs: Flow) -> int | None:
    """The month in which what was paid has come back, undiscounted (see `Worth.payback`).

    Where later costs exceed later benefits the sum can fall below zero again; the last time that it comes back counts.
    """
    came, went = list(expand(benefits)), list(expand(costs))
    months = max(len(came), len(went))
    balance, paid_back = Decimal(0), 0
    is_short = False
    for month in range(months):
        balance += (came[month] if month < len(came) else 0) - (
            went[month] if month < len(went) else 0
        )
        if balance < 0:
            is_short = True
        elif is_short:
            is_short, paid_back = False, month + 1
    return None if is_short else paid_back


@dataclass(frozen=True, slots=True)
class Outlook:
    """A case under its three estimates. Worst takes low benefits and high costs, best the other way round."""

    worst: Worth
    likely: Worth
    best: Worth


def weigh(benefits: Range, costs: Range, rate: Decimal) -> Outlook:
    """What an estimate of both sides is worth."""
    return Outlook(
        value(benefits.low, costs.high, rate),
        value(benefits.likely, costs.likely, rate),
        value(benefits.high, costs.low, rate),
    )


def adjust_for_risk(worth: Worth, confidence: Decimal, feasibility: Decimal) -> Decimal:
    """What cases are ranked by: confidence × feasibility × PV of benefits - PV of costs.

    Costs count in full, since they are paid whether or not the benefits come.
    """
    return confidence * feasibility * worth.benefits_now - worth.costs_now


def question_estimate(worth: Worth, category: ProjectCategory) -> str | None:
    """A sentence where the multiple is more than `APART` times off the category's benchmark; None where it isn't."""
    multiple, known = worth.multiple, CATEGORIES[category]
    if multiple is None:
        return None
    if multiple > known.benchmark * APART:
        way = "above"
    elif multiple * APART < known.benchmark:
        way = "below"
    else:
        return None
    return (
        f"{describe_multiple(multiple)} is far {way} the {known.benchmark}x that this category is said to return. "
        "Check the category and the estimate."
    )


def describe_multiple(multiple: Decimal) -> str:
    """`4.5x`, `12x`; never more than it is."""
    if multiple >= 10:
        return f"{int(multiple):,}x"
    return f"{multiple.quantize(Decimal('0.1'), 'ROUND_FLOOR')}x"


def describe_payback(worth: Worth, starts: date) -> str:
    """`pays back in month 14 (Feb 2028)`."""
    if worth.payback is None:
        return "doesn't pay back within its horizon"
    if worth.payback == 0:
        return "pays for itself from the start"
    month = shift_month(starts, worth.payback - 1)
    return f"pays back in month {worth.payback} ({month:%b %Y})"


def shift_month(day: date, months: int) -> date:
    """The first day of the month so many months later."""
    place = day.year * 12 + day.month - 1 + months
    return date(place // 12, place % 12 + 1, 1)


# --- What makes a change material


@dataclass(frozen=True, slots=True)
class Material:
    """From which change on a re-estimate asks anew."""

    cost_percent: int = 10
    benefit_percent: int = 20
    months: int = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a change is judged by."""

    benefits: Decimal
    costs: Decimal
    currency: str
    ends: date
    """The last month that counts."""
    category: ProjectCategory
    tier: int | None


def list_material(before: Estimate, after: Estimate, limits: Material) -> list[str]:
    """Why a re-estimate has to be approved anew, each a phrase; empty where it doesn't."""
    reasons = []
    if after.currency != before.currency:
        reasons.append(f"amounts are in {after.currency} now, not {before.currency}")
    elif (
        before.costs * (100 + limits.cost_percent) <= after.costs * 100
        and after.costs > before.costs
    ):
        reasons.append(f"costs {_describe_change(before.costs, after.costs)}")
    if after.currency == before.currency and (
        after.benefits * 100 <= before.benefits * (100 - limits.benefit_percent)
        and after.benefits < before.benefits
    ):
        reasons.append(f"benefits {_describe_change(before.benefits, after.benefits)}")
    later = (after.ends.year - before.ends.year) * 12 + after.ends.month - before.ends.month
    if later >= limits.months:
        reasons.append(f"it ends {counted(later, 'month')} later")
    if after.category is not before.category:
        reasons.append(f"its category is {CATEGORIES[after.category].name} now")
    if after.tier != before.tier:
        reasons.append(f"its expected risk tier is {after.tier or 'unknown'} now")
    return reasons


def _describe_change(before: Decimal, after: Decimal) -> str:
    if not before:
        return "are there now, and weren't before"
    return f"are {(after - before) * 100 / before:+.0f} %"


# --- Projects that may be about the same

_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    [
        "and",
        "are",
        "for",
        "from",
        "has",
        "have",
        "how",
        "not",
        "our",
        "per",
        "that",
        "the",
        "their",
        "them",
        "they",
        "this",
        "use",
        "used",
        "uses",
        "what",
        "when",
        "which",
        "who",
        "will",
        "with",
    ]
)
LEAST_ALIKE = 0.12
"""The share of weight in common from which a project is named."""


def rank_alike(text: str, others: Mapping[int, str]) -> list[int]:
    """Which of the other texts say most of the same words, the nearest first; those with hardly any are left out.

    The share is Σ weight of common words / Σ weight of all words of both, where a word weighs ln(1 + N/n) if n of the N
    texts have it, so that what every project says tells nothing (weighted Jaccard with inverse document frequency).
    """
    mine = _find_words(text)
    theirs = {id_: _find_words(other) for id_, other in others.items()}
    counts = Counter(word for words in theirs.values() for word in words)
    size = len(theirs) + 1

    def weigh_words(words: Iterable[str]) -> float:
        return sum(log(1 + size / (counts[word] or 1)) for word in words)

    shares = {
        id_: weigh_words(mine & words) / (weigh_words(mine | words) or 1.0)
        for id_, words in theirs.items()
        if mine & words
    }
    return sorted(
        (id_ for id_, share in shares.items() if share >= LEAST_ALIKE),
        key=lambda id_: (-shares[id_], id_),
    )


def _find_words(text: str) -> set[str]:
    """The words of a text, folded, in the singular as far as an s at the end tells."""
    words = {word.casefold() for word in _WORD.findall(text)}
    return {word.removesuffix("s") if len(word) > 4 else word for word in words} - _COMMON
