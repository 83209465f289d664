"""Which projects are worth most: the order, why each stands where it does, and what was put elsewhere. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from storage.enums import ProjectCategory
from workflows.cases import rules
from workflows.cases.rules import CATEGORIES, Worth
from workflows.projects.records import PersonRef

REFERENCE = 90
"""Per cent of projects that seek the first two kinds of value, as the article has it."""
LIKE_REFERENCE = frozenset({ProjectCategory.OPTIMIZATION, ProjectCategory.DECISION})


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody put a project at a place of its own, for a reason, until a day."""

    place: int
    reason: str
    until: date
    by: PersonRef | None


@dataclass(frozen=True, slots=True)
class Valued:
    """A project with the estimate that holds. Amounts are in `currency`."""

    project_id: int
    key: str
    name: str
    status: str
    owner: PersonRef | None
    business_unit: str | None
    category: ProjectCategory | None
    tier: int | None
    """The gravest of its models, or the one that is expected; 1 is gravest."""
    currency: str
    worth: Worth
    confidence: Decimal
    feasibility: Decimal
    agreed_on: date
    is_worked_on: bool
    """Whether it is being made or used; approved ones wait for people."""
    override: Override | None = None

    @property
    def adjusted(self) -> Decimal:
        """What it is ranked by (`rules.adjust_for_risk`)."""
        return rules.adjust_for_risk(self.worth, self.confidence, self.feasibility)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A project with its place among those that its reader sees, from 1."""

    place: int
    project: Valued
    by_worth: int
    """The place that it would have without anybody's override."""

    @property
    def is_moved(self) -> bool:
        """Whether it stands where somebody put it."""
        return self.project.override is not None


def rank(projects: Iterable[Valued]) -> list[Ranked]:
    """Projects of one currency by risk-adjusted NPV, the most valuable first; ties by PI, then by key.

    Who was put at a place stands there; others keep their order around them. Of two that were put at one place, the more
    valuable stands first.
    """
    by_worth = sorted(projects, key=_order)
    places = {each.project_id: number for number, each in enumerate(by_worth, 1)}
    order = [each for each in by_worth if each.override is None]
    moved = [each for each in by_worth if each.override is not None]
    for each in sorted(moved, key=_chosen_place):
        order.insert(min(_chosen_place(each) - 1, len(order)), each)
    return [Ranked(number, each, places[each.project_id]) for number, each in enumerate(order, 1)]


def _chosen_place(project: Valued) -> int:
    return project.override.place if project.override is not None else 1


def _order(project: Valued) -> tuple[Decimal, Decimal, str]:
    index = project.worth.profitability
    return -project.adjusted, -(index if index is not None else Decimal(0)), project.key


def find_place(projects: Sequence[Valued], candidate: Valued) -> tuple[int, int]:
    """Where a project that isn't approved yet would stand among these, and among how many with it."""
    others = [each for each in projects if each.project_id != candidate.project_id]
    ranked = rank([*others, replace(candidate, override=None)])
    place = next(each.place for each in ranked if each.project.project_id == candidate.project_id)
    return place, len(ranked)


def explain(ranked: Ranked, rate: Decimal) -> list[tuple[str, str]]:
    """Why a project stands where it does: every number, weight and day, as (what, how much)."""
    project = ranked.project
    worth, currency = project.worth, project.currency
    index = worth.profitability
    lines = [
        ("Present value of benefits", _amount(worth.benefits_now, currency)),
        ("Confidence", _percent(project.confidence)),
        ("Feasibility", _percent(project.feasibility)),
        ("Present value of costs", _amount(worth.costs_now, currency)),
        (
            "Ranked by",
            f"{_percent(project.confidence)} × {_percent(project.feasibility)} × "
            f"{_amount(worth.benefits_now, '')} − {_amount(worth.costs_now, '')} = {_amount(project.adjusted, currency)}",
        ),
        ("Discount rate", f"{rate * 100:.1f} % a year"),
        (
            "Multiple",
            rules.describe_multiple(worth.multiple) if worth.multiple is not None else "no cost",
        ),
        (
            "Payback",
            f"month {worth.payback}"
            if worth.payback
            else "from the start"
            if worth.payback == 0
            else "not within its horizon",
        ),
        (
            "Profitability index, which decides ties",
            f"{index:.2f}" if index is not None else "no cost",
        ),
        ("Estimate of", f"{project.agreed_on:%d %b %Y}".lstrip("0")),
    ]
    if project.override is not None:
        put = project.override
        by = f" by {put.by.name}" if put.by is not None else ""
        lines.append(
            (
                "Put at this place",
                f"place {put.place}{by} until {put.until:%d %b %Y}: “{put.reason}”; by its worth it would be {ranked.by_worth}",
            )
        )
    return lines


def _amount(amount: Decimal, currency: str) -> str:
    return f"{amount:,.0f} {currency}".strip()


def _percent(share: Decimal) -> str:
    return f"{share * 100:.0f} %"


@dataclass(frozen=True, slots=True)
class Share:
    """How many projects seek one kind of value."""

    category: ProjectCategory
    projects: int
    percent: int
    """Of those with a category."""


def share_by_category(categories: Iterable[ProjectCategory | None]) -> list[Share]:
    """The kinds of value that projects seek, in the order of their benchmarks; projects without one don't count."""
    known = [each for each in categories if each is not None]
    return [
        Share(category, count, round(count * 100 / len(known)))
        for category in CATEGORIES
        if (count := sum(each is category for each in known))
    ]


def list_unworked(ranked: Sequence[Ranked], most: int = 3) -> list[Ranked]:
    """Of the `most` best projects those on which nobody works, where somebody works on a lesser one."""
    worked = [each.place for each in ranked if each.project.is_worked_on]
    if not worked:
        return []
    return [
        each for each in ranked[:most] if not each.project.is_worked_on and each.place < max(worked)
    ]
