"""The fund line: equal to trying every set, exact to the cent, honest where it cannot be sure. Pure."""

import os
import random
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.funding import make_portfolio
from workflows.cases import funding
from workflows.cases.funding import Candidate, CannotFund, Choice, Estimate, Problem
from workflows.errors import InvalidInput

ROOT = Path(__file__).parents[2]
LARGE = 10**12


def candidate(
    id_: int, value: int, cost: int, people: int = 0, *, is_running: bool = False
) -> Candidate:
    return Candidate(id_, value, value, value, cost, people, is_running)


# --- Every set, tried


def list_components(problem: Problem) -> list[set[int]]:
    """The ids that go together, through one another too."""
    components = [{each.id} for each in problem.candidates]
    for group in problem.together:
        touched = [component for component in components if component & group]
        components = [component for component in components if not component & group]
        components.append(set().union(*touched))
    return components


def is_contradictory(problem: Problem) -> bool:
    """Whether projects have to go together and rule each other out."""
    return any(
        len(component & exclusive) > 1
        for component in list_components(problem)
        for exclusive in problem.exclusive
    )


def try_every_set(problem: Problem, estimate: Estimate = Estimate.LIKELY) -> set[int] | None:
    """The best set by definition; None where none is allowed.

    A number for each set, in which the lowest id has the highest bit: of equal values the largest number wins.
    """
    ordered = sorted(problem.candidates, key=lambda each: each.id)
    at = {each.id: position for position, each in enumerate(ordered)}
    numbers = np.arange(2 ** len(ordered), dtype=np.int64)
    is_in = np.array(
        [numbers >> (len(ordered) - 1 - position) & 1 for position in range(len(ordered))],
        dtype=np.int64,
    ).reshape(len(ordered), len(numbers))

    def add(amounts: Sequence[int]) -> np.ndarray:
        return np.array(amounts, dtype=np.int64) @ is_in

    def count(ids: Collection[int]) -> np.ndarray:
        return is_in[[at[id_] for id_ in ids]].sum(axis=0)

    is_allowed = np.ones(len(numbers), dtype=bool)
    if problem.money is not None:
        is_allowed &= add([each.cost for each in ordered]) <= problem.money
    if problem.people is not None:
        is_allowed &= add([each.people for each in ordered]) <= problem.people
    for each in ordered:
        if each.is_running:
            is_allowed &= count([each.id]) == 1
    for group in problem.together:
        is_allowed &= np.isin(count(group), (0, len(group)))
    for exclusive in problem.exclusive:
        is_allowed &= count(exclusive) <= 1
    for component in list_components(problem):
        members = [each for each in ordered if each.id in component]
        adds_nothing = sum(each.get_value(estimate) for each in members) == 0
        if adds_nothing and not any(each.is_running for each in members):
            is_allowed &= count(component) == 0
    if not is_allowed.any():
        return None
    values = add([each.get_value(estimate) for each in ordered])
    best = numbers[is_allowed & (values == values[is_allowed].max())].max()
    return {each.id for each in ordered if best >> (len(ordered) - 1 - at[each.id]) & 1}


AMOUNTS = {
    "few": st.integers(0, 4),  # ties
    "near": st.integers(LARGE - 3, LARGE),  # what floating point takes for equal
    "any": st.integers(0, LARGE),
}


@st.composite
def problems(draw: st.DrawFn, most: int = 15) -> Problem:
    """Up to `most` candidates with rules; often what there is fits a set to the cent, or but for one cent."""
    amounts = AMOUNTS[draw(st.sampled_from(sorted(AMOUNTS)))]
    ids = draw(st.lists(st.integers(1, 99), max_size=most, unique=True))
    candidates = [
        Candidate(
            id_,
            *(draw(amounts) * draw(st.sampled_from((1, 1, 1, -1))) for _ in range(3)),
            cost=draw(amounts),
            people=draw(st.integers(0, 3)),
            is_running=draw(st.integers(0, 7)) == 7,
        )
        for id_ in ids
    ]
    if not ids:
        return Problem((), draw(st.none() | amounts), draw(st.none() | st.just(3)))
    sets = st.lists(st.frozensets(st.sampled_from(ids), min_size=1, max_size=4), max_size=3)
    fitting = draw(st.sets(st.sampled_from(ids)))
    money = sum(each.cost for each in candidates if each.id in fitting) - draw(st.integers(-1, 1))
    people = sum(each.people for each in candidates if each.id in fitting)
    return Problem(
        candidates,
        draw(st.sampled_from((None, max(0, money), max(0, money)))),
        draw(st.sampled_from((None, people))),
        draw(sets),
        draw(sets),
    )


def assert_possible(problem: Problem, choice: Choice) -> None:
    """That it keeps every rule, and that its sums are those of its candidates."""
    funded = [each for each in problem.candidates if each.id in choice.chosen]
    assert choice.chosen >= {each.id for each in problem.candidates if each.is_running}
    assert choice.value == sum(each.get_value(choice.estimate) for each in funded)
    assert choice.cost == sum(each.cost for each in funded)
    assert choice.people == sum(each.people for each in funded)
    assert problem.money is None or choice.cost <= problem.money
    assert problem.people is None or choice.people <= problem.people
    for group in problem.together:
        assert group <= choice.chosen or not group & choice.chosen
    for exclusive in problem.exclusive:
        assert len(exclusive & choice.chosen) <= 1


@settings(max_examples=150, deadline=None)
@given(problems())
def test_it_equals_trying_every_set(problem: Problem) -> None:
    best = try_every_set(problem)
    if best is None or is_contradictory(problem):
        with pytest.raises(CannotFund):
            funding.choose(problem)
        return
    choice = funding.choose(problem)
    assert choice.chosen == best
    assert_possible(problem, choice)
    assert (choice.bound, choice.gap, choice.is_proved) == (choice.value, 0, True)


def is_possible(problem: Problem) -> bool:
    return not is_contradictory(problem) and try_every_set(problem) is not None


@settings(max_examples=50, deadline=None)
@given(problems(8).filter(is_possible), st.integers(1, LARGE), st.integers(0, 20))
def test_more_money_or_people_never_lower_the_value(
    problem: Problem, more: int, hands: int
) -> None:
    before = funding.choose(problem)
    money = None if problem.money is None else problem.money + more
    people = None if problem.people is None else problem.people + hands
    assert funding.choose(replace(problem, money=money)).value >= before.value
    assert funding.choose(replace(problem, people=people)).value >= before.value


# --- To the cent


def test_no_limit_is_overrun_by_a_cent() -> None:
    """In floating point with a tolerance the three of them fit."""
    three = [candidate(id_, 5 + id_, LARGE + id_) for id_ in range(3)]
    assert funding.choose(Problem(three, 3 * LARGE + 3)).chosen == {0, 1, 2}
    assert funding.choose(Problem(three, 3 * LARGE + 2)).chosen == {1, 2}


def test_what_would_overrun_a_limit_by_a_cent_counts_for_no_bound() -> None:
    """Forty small projects are too many for the search in whole cents: the solver itself has to be set right."""
    luck = random.Random(1)
    large = [candidate(id_, LARGE + id_, LARGE + id_) for id_ in range(3)]
    small = [
        candidate(id_, luck.randint(1, LARGE // 9), 0, luck.randint(9, 99)) for id_ in range(3, 43)
    ]
    choice = funding.choose(Problem([*large, *small], 3 * LARGE + 2, 900))
    assert choice.chosen >= {1, 2}
    assert choice.is_proved


def test_a_cent_more_is_worth_more() -> None:
    pair = [candidate(1, LARGE, 7), candidate(2, LARGE + 1, 7)]
    choice = funding.choose(Problem(pair, 13))
    assert (choice.chosen, choice.value) == ({2}, LARGE + 1)


def test_of_equal_sets_the_lowest_ids_win() -> None:
    alike = [candidate(id_, 500, 100) for id_ in (9, 2, 40, 7, 3)]
    assert funding.choose(Problem(alike, 399)).chosen == {2, 3, 7}
    unlike = [candidate(1, 3, 1), candidate(2, 3, 2), candidate(3, 6, 3)]
    assert funding.choose(Problem(unlike, 3)).chosen == {1, 2}


def test_of_many_that_are_alike_the_lowest_ids_win_too() -> None:
    alike = [candidate(id_, LARGE, 100) for id_ in range(1, 61)]
    choice = funding.choose(Problem([*alike, candidate(99, 1, 7)], 3_050))
    assert choice.chosen == {*range(1, 31), 99}
    assert choice.gap == 0


def test_of_two_that_are_alike_the_lower_id_wins_where_nothing_is_proved() -> None:
    problem = hard_problem(1)
    twins = [replace(each, id=1000 - each.id) for each in problem.candidates]
    chosen = funding.choose(replace(problem, candidates=[*twins, *problem.candidates]), 0.2).chosen
    assert chosen
    assert all(1000 - id_ in chosen for id_ in chosen if id_ > 500)


def test_what_adds_nothing_is_left_out_unless_something_needs_it() -> None:
    poor = [candidate(1, 0, 1), candidate(2, -5, 1), candidate(3, 9, 1)]
    assert funding.choose(Problem(poor, None)).chosen == {3}
    joined = Problem(poor, None, together=[frozenset({2, 3})])
    assert funding.choose(joined).chosen == {2, 3}
    running = [*poor, candidate(4, -100, 1, is_running=True)]
    choice = funding.choose(Problem(running, 2))
    assert (choice.chosen, choice.value, choice.bound) == ({3, 4}, -91, -91)


def test_nothing_to_choose_from_is_a_choice() -> None:
    choice = funding.choose(Problem((), 0, 0))
    assert (choice.chosen, choice.value, choice.is_proved) == (frozenset(), 0, True)


# --- How far from the best


def hard_problem(seed: int) -> Problem:
    """Costs are even but for a worthless project's, money is odd, and value is cost: a search has nothing to go by.

    Whole units of money are few enough for an exact table.
    """
    luck = random.Random(seed)
    costs = [2 * luck.randint(500, 5000) for _ in range(40)]
    projects = [candidate(id_, cost, cost) for id_, cost in enumerate(costs)]
    return Problem([*projects, candidate(99, 1, 9999)], sum(costs) // 2 | 1)


def fill_table(problem: Problem) -> int:
    """The best value by the textbook's table over amounts of money (Bellman 1957)."""
    assert problem.money is not None
    best = np.zeros(problem.money + 1, dtype=np.int64)
    for each in problem.candidates:
        best[each.cost :] = np.maximum(best[each.cost :], best[: -each.cost] + each.likely)
    return int(best[-1])


@pytest.mark.parametrize("seconds", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_lies_between_the_value_and_the_bound(seed: int, seconds: float) -> None:
    problem = hard_problem(seed)
    best = fill_table(problem)
    choice = funding.choose(problem, seconds)
    assert_possible(problem, choice)
    assert choice.value <= best <= choice.bound
    assert 1 - Decimal(choice.value) / best <= choice.gap
    if choice.is_proved:
        assert best - choice.value <= best * funding.ACCURACY


def test_what_it_could_not_prove_it_does_not_call_proved() -> None:
    problem = hard_problem(1)
    choice = funding.choose(problem, 0.0)
    assert choice.bound == problem.money
    assert choice.value < choice.bound
    assert not choice.is_proved


@pytest.mark.slow
def test_500_projects_with_50_rules_are_within_1_per_cent() -> None:
    problem = make_portfolio(500, 50, seed=1)
    assert len(problem.together) + len(problem.exclusive) == 50
    choice = funding.choose(problem)
    assert_possible(problem, choice)
    assert choice.gap < Decimal("0.01")
    listed = funding.pick_by_ratio(problem)
    assert choice.value >= sum(each.likely for each in problem.candidates if each.id in listed)


# --- What cannot be


def test_what_is_running_and_takes_too_much_is_refused_with_what_is_missing() -> None:
    running = [candidate(1, 9, 80, 30, is_running=True), candidate(2, 9, 50, 5, is_running=True)]
    with pytest.raises(CannotFund, match="takes more money than planned") as caught:
        funding.choose(Problem([*running, candidate(3, 99, 1)], 100))
    assert (caught.value.candidates, caught.value.money, caught.value.people) == ((1, 2), 30, 0)
    with pytest.raises(CannotFund, match="takes more money and people than planned") as caught:
        funding.choose(Problem(running, 129, 20))
    assert (caught.value.money, caught.value.people) == (1, 15)
    assert isinstance(caught.value, InvalidInput)


def test_what_goes_with_something_that_is_running_is_committed_too() -> None:
    pair = [candidate(1, 9, 80, is_running=True), candidate(2, -1, 50), candidate(3, 5, 10)]
    problem = Problem(pair, 140, together=[frozenset({1, 2})])
    assert funding.choose(problem).chosen == {1, 2, 3}
    with pytest.raises(CannotFund, match="with what has to go with it, takes more money") as caught:
        funding.choose(replace(problem, money=129))
    assert (caught.value.candidates, caught.value.money) == ((1, 2), 1)


def test_what_a_running_project_rules_out_stays_out() -> None:
    problem = Problem(
        [candidate(1, 1, 1, is_running=True), candidate(2, 99, 1), candidate(3, 5, 1)],
        None,
        exclusive=[frozenset({1, 2})],
    )
    assert funding.choose(problem).chosen == {1, 3}


def test_rules_that_contradict_each_other_are_refused_with_the_projects() -> None:
    three = [candidate(id_, 9, 1) for id_ in (1, 2, 3)]
    chain = [frozenset({1, 2}), frozenset({2, 3})]
    with pytest.raises(CannotFund, match="go together and rule each other out") as caught:
        funding.choose(Problem(three, None, None, chain, [frozenset({1, 3})]))
    assert caught.value.candidates == (1, 3)
    running = [replace(each, is_running=each.id != 2) for each in three]
    with pytest.raises(CannotFund, match="rule each other out are running") as caught:
        funding.choose(Problem(running, None, exclusive=[frozenset({1, 2, 3})]))
    assert caught.value.candidates == (1, 3)
    with pytest.raises(CannotFund, match="not among those") as caught:
        funding.choose(Problem(three, None, together=[frozenset({3, 8})]))
    assert caught.value.candidates == (8,)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: candidate(1, 1, -1),
        lambda: candidate(1, 1, 1, -1),
        lambda: Problem((), -1),
        lambda: Problem((), None, -1),
        lambda: Problem([candidate(1, 1, 1), candidate(1, 2, 2)], None),
    ],
)
def test_what_no_caller_may_ask_is_an_error_of_the_program(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"less than|once"):
        wrong()


WITHOUT_SCIPY = """
from workflows.cases import funding
from workflows.errors import InvalidInput
problem = funding.Problem([funding.Candidate(1, 1, 2, 3, 4), funding.Candidate(2, 1, 2, 3, 3)], 5)
print(sorted(funding.pick_by_ratio(problem)))
try:
    funding.choose(problem)
except InvalidInput as refused:
    print(refused.sentence)
"""


@pytest.mark.slow
def test_without_scipy_it_says_what_brings_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.core_only", WITHOUT_SCIPY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    picked, sentence = done.stdout.splitlines()
    assert picked == "[2]"
    assert "`pip install 'mlgov[optimise]'`" in sentence


# --- What if


def test_a_difference_is_what_comes_in_goes_out_and_changes() -> None:
    projects = [candidate(1, 60, 50, 10), candidate(2, 100, 100, 25), candidate(3, 45, 50, 5)]
    before = funding.choose(Problem(projects, 100))
    after = funding.choose(Problem(projects, 100, exclusive=[frozenset({1, 3})]))
    change = funding.difference(before, after)
    assert (change.comes_in, change.goes_out) == ((2,), (1, 3))
    assert (change.value, change.cost, change.people) == (-5, 0, 10)
    assert change.is_proved


def test_the_next_money_buys_what_is_worth_most_with_it() -> None:
    projects = [
        candidate(1, 70_000_00, 60_000_00),
        candidate(2, 160_000_00, 150_000_00),
        candidate(3, 20_000_00, 30_000_00),
    ]
    problem = Problem(projects, 90_000_00)
    change = funding.what_next(problem, funding.choose(problem))
    assert (change.comes_in, change.goes_out) == ((2,), (1,))
    assert (change.value, change.cost) == (90_000_00, 90_000_00)
    more = funding.what_next(problem, funding.choose(problem), 1_000_000_00)
    assert (more.comes_in, more.goes_out) == ((2,), ())


def test_nothing_is_exchanged_where_nothing_is_gained() -> None:
    """The dearer one has the lower id, and would win among equals."""
    problem = Problem([candidate(1, 10, 2), candidate(2, 10, 1)], 1)
    change = funding.what_next(problem, funding.choose(problem), 1)
    assert (change.comes_in, change.goes_out, change.value) == ((), (), 0)
    assert change.is_proved


@settings(max_examples=50, deadline=None)
@given(problems(8).filter(is_possible), st.integers(1, LARGE))
def test_more_money_buys_the_difference_of_two_choices(problem: Problem, more: int) -> None:
    before = funding.choose(problem)
    change = funding.what_next(problem, before, more)
    if problem.money is None:
        assert change.after == before
        return
    richer = replace(problem, money=problem.money + more)
    assert_possible(richer, change.after)
    assert change.value == funding.choose(richer).value - before.value
    assert before.chosen.union(change.comes_in).difference(change.goes_out) == change.after.chosen
    if not change.value:
        assert not change.comes_in
        assert not change.goes_out


def test_a_cent_more_loses_nothing_however_little_time_there_is() -> None:
    problem = hard_problem(1)
    before = funding.choose(problem, 0.2)
    assert before.value > funding.choose(problem, 0.0).value
    assert funding.what_next(problem, before, 1, seconds=0.0).value >= 0


def test_money_that_is_none_buys_nothing() -> None:
    problem = Problem([candidate(1, 1, 1)], 0)
    for amount in (0, -5):
        with pytest.raises(InvalidInput, match="above zero"):
            funding.what_next(problem, funding.choose(problem), amount)


def test_some_are_in_whatever_comes() -> None:
    projects = [
        Candidate(1, 50, 80, 90, 10),
        Candidate(2, -5, 40, 60, 10),
        Candidate(3, 5, 10, 20, 10),
        Candidate(4, -9, -5, -1, 10),
        Candidate(5, -9, -9, -9, 10, is_running=True),
    ]
    robust = funding.robust_set(Problem(projects, 30))
    assert (robust.always, robust.depends, robust.never) == ((1, 5), (2, 3), (4,))
    assert robust.is_proved


@settings(max_examples=30, deadline=None)
@given(problems(8).filter(is_possible))
def test_what_is_robust_is_in_the_best_set_of_each_estimate(problem: Problem) -> None:
    robust = funding.robust_set(problem)
    best = [try_every_set(problem, estimate) or set() for estimate in Estimate]
    assert [robust.low.chosen, robust.likely.chosen, robust.high.chosen] == best
    assert set(robust.always) == set.intersection(*best)
    every = {each.id for each in problem.candidates}
    assert set(robust.never) == every - set.union(*best)
    assert sorted((*robust.always, *robust.depends, *robust.never)) == sorted(every)
