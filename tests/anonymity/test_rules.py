"""What may be told after what was told: compared with an attacker who tries every small set of people."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.anonymity.oracle import few_told
from workflows.anonymity import rules
from workflows.anonymity.rules import Group


def group(*atoms: tuple[int, int]) -> Group:
    """Answers of people, as (person, which version of what they say)."""
    return {atom: [atom[0]] for atom in atoms}


ATOMS = st.tuples(st.integers(0, 8), st.integers(0, 2))
ONE = st.frozensets(ATOMS, max_size=12).map(lambda atoms: group(*atoms))
GROUPS = st.lists(ONE, max_size=4)
"""So few figures are looked through to the end, whatever they count."""


@given(told=GROUPS, fewest=st.integers(2, 5))
@settings(max_examples=300, deadline=None)
def test_the_rule_says_what_the_attacker_finds(told: list[Group], fewest: int) -> None:
    assert rules.tells_of_few(told, fewest=fewest) == (few_told(told, fewest) is not None)


SHARED = st.lists(st.dictionaries(st.integers(0, 9), st.just(()), max_size=10), max_size=5)


@given(
    told=SHARED,
    about=st.lists(
        st.frozensets(st.integers(0, 6), min_size=1, max_size=3), min_size=10, max_size=10
    ),
    fewest=st.integers(2, 5),
)
@settings(max_examples=200, deadline=None)
def test_also_of_what_several_people_had_a_part_in(
    told: list[dict[int, tuple[()]]], about: list[frozenset[int]], fewest: int
) -> None:
    groups: list[Group] = [{atom: about[atom] for atom in one} for one in told]
    assert rules.tells_of_few(groups, fewest=fewest) == (few_told(groups, fewest) is not None)


@pytest.mark.heavy
@given(told=GROUPS, fewest=st.integers(2, 5))
@settings(
    max_examples=5_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_rule_says_what_the_attacker_finds_at_length(told: list[Group], fewest: int) -> None:
    assert rules.tells_of_few(told, fewest=fewest) == (few_told(told, fewest) is not None)


@given(told=st.lists(ONE, max_size=7), fewest=st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_of_many_figures_nothing_is_missed(told: list[Group], fewest: int) -> None:
    """What takes too long to look through is taken for too much; never the other way."""
    if few_told(told, fewest) is not None:
        assert rules.tells_of_few(told, fewest=fewest)


FIRST, SECOND = range(5), range(5, 10)
A = group(*((p, 0) for p in FIRST))
B = group(*((p, 0) for p in SECOND))
AB = {**A, **B}


@pytest.mark.parametrize(
    ("told", "follows"),
    [
        pytest.param([A, AB], False, id="two whole steps"),
        pytest.param([A, {**A, **group((9, 0))}], True, id="the sixth of six"),
        pytest.param(
            [A, group((0, 1), *((p, 0) for p in range(1, 5)))],
            True,
            id="one of five changes their answer",
        ),
        pytest.param(
            [A, AB, {**group(*((p, 1) for p in range(1, 5))), **B}],
            True,
            id="one of the first five leaves, four change: final - (second - first)",
        ),
        pytest.param(
            [A, AB, group(*((p, 1) for p in FIRST), *((p, 0) for p in SECOND))],
            False,
            id="all of the first five change",
        ),
        pytest.param(
            [AB, {k: v for k, v in AB.items() if k != (0, 0)}], True, id="one who was erased"
        ),
        pytest.param([A, B, group(*((p, 0) for p in range(2, 8)))], True, id="across both"),
        pytest.param([group((0, 0))], True, id="one person"),
        pytest.param([], False, id="nothing"),
        pytest.param([{}, A], False, id="nobody"),
        pytest.param([A, A], False, id="the same again"),
    ],
)
def test_the_attacks_that_were_found(told: list[Group], follows: bool) -> None:
    assert rules.tells_of_few(told, fewest=5) is follows
    assert (few_told(told, 5) is not None) is follows


def test_a_history_that_nobody_can_look_through_tells_too_much() -> None:
    told = [group(*((p, 0) for p in chosen)) for chosen in combinations(range(14), 13)]
    assert rules.tells_of_few(told, fewest=5)


@given(
    counts=st.lists(st.integers(0, 40), max_size=30),
    of=st.integers(0, 40),
    fewest=st.integers(5, 7),
)
def test_counts_go_in_steps_never_back_and_leave_as_many_open(
    counts: list[int], of: int, fewest: int
) -> None:
    told, truth = 0, 0
    for count in (min(count, of) for count in counts):
        truth = max(truth, count)
        again = rules.at_least(count, of, fewest=fewest, before=told)
        assert again >= told
        assert again - told == 0 or again - told >= fewest
        assert again == 0 or fewest <= again <= of - fewest
        assert again <= truth
        assert rules.at_least(again, of, fewest=fewest) == again
        told = again


def test_what_nearly_all_agree_on_looks_like_what_all_agree_on() -> None:
    assert rules.agreement(100) == rules.agreement(85) == 80
    assert rules.agreement(75) == 75
    assert not rules.is_disputed(Fraction(1))
    assert not rules.is_disputed(Fraction(4, 5))
    assert rules.is_disputed(Fraction(3, 5))


@given(
    requests=st.dictionaries(
        st.integers(0, 40),
        st.frozensets(st.sampled_from("abcdefgh"), min_size=1, max_size=3),
        max_size=20,
    ),
    fewest=st.integers(2, 5),
)
def test_nobody_has_a_part_in_more_than_half_of_what_is_measured(
    requests: dict[int, frozenset[str]], fewest: int
) -> None:
    kept = rules.capped(requests, fewest=fewest)
    assert kept.items() <= requests.items()
    if not kept:
        return
    people = {one for some in kept.values() for one in some}
    assert len(people) >= fewest
    assert len(kept) >= fewest
    for one in people:
        assert 2 * sum(one in some for some in kept.values()) <= len(kept)


def test_who_decides_most_counts_no_more_than_all_others() -> None:
    requests = {n: ["ann"] for n in range(40)} | {40 + n: [f"x{n}"] for n in range(4)}
    kept = rules.capped(requests, fewest=5)
    assert sorted(kept) == [0, 1, 2, 3, 40, 41, 42, 43]
    assert rules.capped({n: ["ann", f"x{n}"] for n in range(9)}, fewest=5) == {}
