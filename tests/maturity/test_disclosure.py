"""Nothing about fewer people than the policy says can be worked out: checked by linear algebra, as an attacker would."""

from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.enums import AskedAs
from workflows.maturity.disclosure import Told, may_follow, step, tell

L, P = AskedAs.LEADER, AskedAs.PRACTITIONER
People = dict[str, tuple[AskedAs, str | None]]


def crowd(*cells: tuple[AskedAs, str | None, int]) -> People:
    return {
        f"{part}-{unit}-{number}": (part, unit)
        for part, unit, size in cells
        for number in range(size)
    }


def published(people: People, told: Told) -> list[frozenset[str]]:
    """The groups whose figures are told."""
    groups = [frozenset(people)] if told.total else []
    if told.parts:
        groups += [frozenset(i for i in people if people[i][0] is p) for p in (L, P)]
    groups += [frozenset(i for i in people if people[i][1] == u) for u in told.units]
    return groups


def spanned(vectors: list[list[Fraction]], wanted: list[Fraction]) -> bool:
    """Whether `wanted` can be made of the vectors by adding and subtracting multiples."""
    rows = [list(one) for one in vectors]
    target = list(wanted)
    column = 0
    for column in range(len(wanted)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        for row in [*rows, target]:
            factor = row[column] / pivot[column]
            for i, value in enumerate(pivot):
                row[i] -= factor * value
    return not any(target)


def derivable(groups: list[frozenset[str]], fewest: int) -> list[frozenset[str]]:
    """Groups of fewer people whose figures follow from those of `groups`; people in the same groups go together."""
    if not groups:
        return []
    atoms: dict[tuple[bool, ...], set[str]] = {}
    for person in sorted(frozenset().union(*groups)):
        atoms.setdefault(tuple(person in g for g in groups), set()).add(person)
    keys = list(atoms)
    vectors = [[Fraction(int(key[i])) for key in keys] for i in range(len(groups))]
    small = [key for key in keys if len(atoms[key]) < fewest]
    found = []
    for size in range(1, fewest):
        for chosen in combinations(small, size):
            members = frozenset().union(*(atoms[key] for key in chosen))
            if len(members) >= fewest:
                continue
            wanted = [Fraction(int(key in chosen)) for key in keys]
            if spanned(vectors, wanted):
                found.append(members)
    return found


cells = st.lists(
    st.tuples(
        st.sampled_from([L, P]),
        st.sampled_from(["A", "B", "C", "D", None]),
        st.integers(1, 9),
    ),
    max_size=8,
)


@given(cells=cells, fewest=st.integers(5, 7))
@settings(max_examples=400)
def test_nobody_can_be_told_by_subtraction(
    cells: list[tuple[AskedAs, str | None, int]], fewest: int
) -> None:
    people = crowd(*cells)
    groups = published(people, tell(people, fewest=fewest))
    assert all(len(group) >= fewest for group in groups)
    assert derivable(groups, fewest) == []


def test_the_attacker_would_find_what_is_told_carelessly() -> None:
    people = crowd((L, "A", 6), (P, "A", 4), (P, "B", 6))
    careless = published(people, Told(True, parts=True, units=("A", "B")))
    assert derivable(careless, 5) != []
    one_left = crowd((P, "A", 6), (P, "B", 3))
    assert derivable(published(one_left, Told(True, units=("A",))), 5) != []


def test_what_is_told() -> None:
    assert tell(crowd((L, "A", 4)), fewest=5) == Told(False)
    assert tell(crowd((L, "A", 5)), fewest=5) == Told(True, False, ("A",))
    assert tell(crowd((L, "A", 5), (P, "A", 4)), fewest=5) == Told(True, False, ("A",))
    assert tell(crowd((L, "A", 5), (P, "A", 5)), fewest=5) == Told(True, True, ("A",))
    assert tell(crowd((P, "A", 6), (P, "B", 3)), fewest=5) == Told(True, False, ())
    assert tell(crowd((P, "A", 6), (P, "B", 3), (P, "C", 2)), fewest=5) == Told(
        True, False, ("A",)
    )


def test_results_over_time_differ_by_nobody_or_by_enough() -> None:
    assert may_follow(0, fewest=5)
    assert not may_follow(1, fewest=5)
    assert not may_follow(4, fewest=5)
    assert may_follow(5, fewest=5)
    assert step([], range(4), fewest=5) == set()
    assert step([], range(5), fewest=5) == {0, 1, 2, 3, 4}
    assert step(range(5), range(6), fewest=5) == set()
    assert step(range(5), range(10), fewest=5) == {5, 6, 7, 8, 9}


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.integers(0, 13)),
        st.tuples(st.just("leaves"), st.integers(0, 13)),
        st.tuples(st.just("early"), st.just(0)),
    ),
    max_size=40,
)


def told_over_time(
    events: list[tuple[str, int]], fewest: int
) -> list[dict[tuple[int, int], int]]:
    """What is told, each as the sum of (person, version of their answers)."""
    current: dict[int, int] = {}
    counted: dict[int, int] = {}
    told = []
    for version, (event, who) in enumerate(events):
        if event == "says":
            current[who] = version
        elif event == "leaves":
            current.pop(who, None)
        else:
            new = step(counted, current, fewest=fewest)
            counted |= {i: current[i] for i in new}
            if new:
                told.append(dict.fromkeys(counted.items(), 1))
    changed = sum(current.get(i) != counted.get(i) for i in {*current, *counted})
    if len(current) >= fewest and (not counted or may_follow(changed, fewest=fewest)):
        told.append(dict.fromkeys(current.items(), 1))
    return told


def few_can_be_told(told: list[dict[tuple[int, int], int]], fewest: int) -> bool:
    """Whether some combination of what was told is about fewer people, and not about nobody."""
    columns = sorted({key for one in told for key in one})
    if not columns:
        return False
    matrix = np.array([[one.get(key, 0) for key in columns] for one in told])
    rank = np.linalg.matrix_rank(matrix)
    people = sorted({person for person, _ in columns})
    for few in combinations(people, min(fewest - 1, len(people))):
        others = [i for i, (person, _) in enumerate(columns) if person not in few]
        if np.linalg.matrix_rank(matrix[:, others]) < rank if others else rank:
            return True
    return False


@given(events=EVENTS, fewest=st.integers(3, 5))
@settings(max_examples=60, deadline=None)
def test_nobody_can_be_told_by_looking_again(
    events: list[tuple[str, int]], fewest: int
) -> None:
    assert not few_can_be_told(told_over_time(events, fewest), fewest)


def test_the_attacker_would_find_the_sixth_of_six() -> None:
    five = {(i, 0): 1 for i in range(5)}
    assert few_can_be_told([five, five | {(5, 0): 1}], 5)
    changed = {(i, int(i == 4)): 1 for i in range(5)}
    assert few_can_be_told([five, changed], 5)
