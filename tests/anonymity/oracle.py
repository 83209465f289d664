"""An attacker who adds and subtracts, written down apart from the rules: every small set of people is tried."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

Group = Mapping[Hashable, Collection[Hashable]]


def rank(matrix: Sequence[Sequence[int]]) -> int:
    """Exact, by Gaussian elimination in rational numbers."""
    rows = [[Fraction(value) for value in row] for row in matrix]
    done = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        for i in range(done + 1, len(rows)):
            factor = rows[i][column] / rows[done][column]
            if factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[done], strict=True)]
        done += 1
    return done


def few_told(told: Sequence[Group], fewest: int) -> frozenset[Hashable] | None:
    """Fewer people than `fewest` about whom something follows from these figures; None where there are none.

    Something about these people alone follows where the figures have fewer ranks on everything that is not about them
    alone: then some combination is nought there, and is not nought altogether.
    """
    atoms = sorted({atom for group in told for atom in group}, key=repr)
    if not atoms:
        return None
    about = {
        atom: frozenset(next(group[atom] for group in told if atom in group)) for atom in atoms
    }
    columns = {atom: tuple(int(atom in group) for group in told) for atom in atoms}
    whole = rank([list(row) for row in zip(*columns.values(), strict=True)])
    if not whole:
        return None
    # Nothing is gained by taking some but not all of the people who stand in the same figures with the same partners.
    alike: dict[Hashable, set[Hashable]] = {}
    for person in frozenset().union(*about.values()):
        mine = [atom for atom in atoms if person in about[atom]]
        alone = all(len(about[atom]) == 1 for atom in mine)
        key: Hashable = frozenset(columns[atom] for atom in mine) if alone else ("with", person)
        alike.setdefault(key, set()).add(person)
    small = [people for people in alike.values() if len(people) < fewest]
    for number in range(1, fewest):
        for chosen in combinations(small, number):
            few = frozenset().union(*chosen)
            if len(few) >= fewest:
                continue
            rest = {columns[atom] for atom in atoms if not about[atom] <= few}
            if not rest or rank([list(row) for row in zip(*rest, strict=True)]) < whole:
                return few
    return None
