"""The fund line: how long the best set takes, how far from the best it may be, and what a sorted list is worth beside it."""

import random
import statistics
import time
from dataclasses import dataclass

from benchmarks.report import Ratio, Report
from workflows.cases import funding
from workflows.cases.funding import Candidate, Choice, Problem

SPREAD = 0.6
"""How far value per cost spreads between projects: the standard deviation of its logarithm."""
ALIKE = 0.02
"""The same where projects are so alike that there is little to choose by, which is the hardest."""


def run(*, small: bool) -> Report:
    """Portfolios of three sizes, several of each, with money and people for a third of what is asked."""
    sizes = ((20, 6), (40, 9)) if small else ((50, 9), (200, 24), (500, 50))
    rounds = 2 if small else 10
    funding.choose(make_portfolio(20, 6, seed=0))  # loads SciPy
    report = Report(
        "funding",
        "The best set of projects; seconds",
        ("projects and rules", "p50", "slowest", "largest gap, %", "proved", "of a list by ratio"),
    )
    number, rules = sizes[-1]
    kinds = {
        **{f"{number} and {rules}": (number, rules, SPREAD) for number, rules in sizes},
        f"{number} and {rules}, much alike": (number, rules, ALIKE),
    }
    looks = {
        name: [_look(make_portfolio(many, with_rules, seed, spread)) for seed in range(rounds)]
        for name, (many, with_rules, spread) in kinds.items()
    }
    for name, each in looks.items():
        report.rows.append(
            (
                name,
                statistics.median(look.seconds for look in each),
                max(look.seconds for look in each),
                f"{max(look.choice.gap for look in each) * 100:.5f}",
                f"{sum(look.choice.is_proved for look in each)} of {rounds}",
                f"{statistics.median(look.of_list for look in each):.3f}",
            )
        )
        report.raw[name] = [look.seconds for look in each]
    largest = [look for name in list(looks)[-2:] for look in looks[name]]
    report.ratios = [
        Ratio(
            f"slowest of {number} and {rules}", max(look.seconds for look in largest), 5, unit=" s"
        ),
        Ratio(
            "least worth, of the bound", min(look.of_bound for look in largest), 0.99, is_least=True
        ),
        Ratio(
            "least worth, of a list by value per cost",
            min(look.of_list for look in largest),
            1,
            is_least=True,
        ),
    ]
    return report


@dataclass(frozen=True, slots=True)
class _Look:
    """One choice: how long it took, and what it is worth beside its bound and the list."""

    seconds: float
    choice: Choice
    of_bound: float
    of_list: float


def _look(problem: Problem) -> _Look:
    began = time.perf_counter()
    choice = funding.choose(problem)
    seconds = time.perf_counter() - began
    picked = funding.pick_by_ratio(problem)
    listed = sum(project.likely for project in problem.candidates if project.id in picked)
    return _Look(seconds, choice, choice.value / choice.bound, choice.value / listed)


def make_portfolio(number: int, rules: int, seed: int, spread: float = SPREAD) -> Problem:
    """So many projects, each fiftieth running, of which a third can be funded; of the rules a third are pairs that go
    together, the others sets of two to eight of which at most one can be in."""
    luck = random.Random(seed)
    candidates = []
    for id_ in range(number):
        cost = luck.randint(20_000_00, 2_000_000_00)
        likely = int(cost * luck.lognormvariate(0.3, spread))
        candidates.append(
            Candidate(
                id_, likely // 2, likely, likely * 2, cost, luck.randint(1, 80), id_ % 50 == 0
            )
        )
    free = [project.id for project in candidates if not project.is_running]
    luck.shuffle(free)
    pairs = [frozenset(free[at : at + 2]) for at in range(0, 2 * (rules // 3), 2)]
    exclusive: list[frozenset[int]] = []
    while len(pairs) + len(exclusive) < rules:
        ids = frozenset(luck.sample(free, luck.randint(2, 8)))
        if not any(pair <= ids for pair in pairs):
            exclusive.append(ids)
    return Problem(
        candidates,
        sum(project.cost for project in candidates) // 3,
        sum(project.people for project in candidates) // 3,
        pairs,
        exclusive,
    )
