"""Nothing about fewer people than the policy says can be worked out: checked by linear algebra, as an attacker would."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.enums import AskedAs
from workflows.maturity.disclosure import Told, may_follow, tell

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
    assert may_follow([], fewest=5)
    assert not may_follow(["a"], fewest=5)
    assert not may_follow(list("abcd"), fewest=5)
    assert may_follow(list("abcde"), fewest=5)
