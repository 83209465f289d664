"""Which figures about groups may be shown so that nothing follows about fewer than `fewest` people. Pure.

A figure is treated as a sum over atoms: pieces that it counts once (one person's answers, one decided request). Somebody
who is shown several figures can add multiples of them, also negative ones. Each such sum must be about nobody or about at
least `fewest` people. `may_tell` decides this exactly for all figures shown so far; tests compare it with an attacker who
tries every small set of people. Why, and what it gives up: decision 23.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import TypeVar

from storage.enums import AskedAs

Atom = Hashable
"""What a figure counts once: one decided request, or one person's answers in one version. The same answers in two
check-ins are one atom, changed answers are another."""
Group = Mapping[Atom, Collection[Hashable]]
"""A figure: the atoms that it counts → the people whom each of them is about."""

REST: None = None
"""The unit of everybody whose own unit isn't shown."""
MOST_AGREEMENT = 80
"""Per cent. More is shown as `80 % or more`: "100 %" would say what every single person answered."""
LARGEST_SHARE = Fraction(1, 2)
"""The share of the requests behind a figure of pace in which one person may have a part; with more, the median would be
theirs."""
MOST_LOOKS = 5_000
"""Combinations that are tried. A history that would need more is refused: the work grows as a binomial coefficient, and
refusing is the safe side."""

_Row = list[Fraction]
_T = TypeVar("_T", bound=Hashable)


# --- What follows from several figures, by linear algebra


def may_tell(groups: Sequence[Group], group: Group, *, fewest: int) -> bool:
    """Whether `group` may be shown after `groups`: no sum of multiples of them is about 1 to `fewest - 1` people.

    Earlier figures may have been shown under a smaller `fewest`. They can't be taken back, so together with them the new
    figure is held to the largest number that they keep; by itself it always needs `fewest` people.
    """
    kept_to = next((few for few in range(fewest, 1, -1) if not tells_of_few(groups, fewest=few)), 1)
    about = {person for people in group.values() for person in people}
    return len(about) >= fewest and not tells_of_few([*groups, group], fewest=kept_to)


def tells_of_few(groups: Sequence[Group], *, fewest: int) -> bool:
    """Whether some sum of multiples of these figures is about at least one, but fewer than `fewest` people.

    Such a sum is a vector with one multiple per figure. Atoms in the same figures always have the same coefficient in it,
    so they are one column. A column about `fewest` people or more must have the coefficient zero, which narrows the
    vectors to a small space (`free`). A sum about as few people as possible has as many zero columns as possible, so in
    that space only the vectors are tried that make size - 1 further columns zero.
    """
    people: dict[tuple[int, ...], set[Hashable]] = {}
    for atom in dict.fromkeys(atom for group in groups for atom in group):
        signature = tuple(int(atom in group) for group in groups)
        about = people.setdefault(signature, set())
        for group in groups:
            about.update(group.get(atom, ()))
    # Exact fractions: with floats a rounding error would be a person.
    rows = _independent([list(column) for column in zip(*people, strict=True)])
    if not rows:
        return False
    columns = list(zip(*rows, strict=True))
    about_columns: dict[tuple[Fraction, ...], set[Hashable]] = {}
    for column, members in zip(columns, people.values(), strict=True):
        about_columns.setdefault(column, set()).update(members)
    free = _identity(len(rows))
    while True:
        seen: dict[tuple[Fraction, ...], set[Hashable]] = {}
        for column, members in about_columns.items():
            direction = _direction(
                [
                    sum((a * b for a, b in zip(vector, column, strict=True)), Fraction(0))
                    for vector in free
                ]
            )
            if any(direction):
                seen.setdefault(direction, set()).update(members)
        # A sum in which one of these columns counts is about enough people; one about few must be zero on all of them.
        large = [list(vector) for vector, members in seen.items() if len(members) >= fewest]
        if not large:
            break
        # The combinations of `free` that are zero on them are a basis of the vectors that are left. Columns that were
        # different may now be multiples of each other and together about enough people, hence the loop.
        free = [
            [
                sum((k * row[i] for k, row in zip(mix, free, strict=True)), Fraction(0))
                for i in range(len(rows))
            ]
            for mix in _null_space(large, len(free))
        ]
        if not free:
            return False
    if comb(len(seen), len(free) - 1) > MOST_LOOKS:
        return True
    return _some_are_few(seen, len(free), fewest)


def _some_are_few(
    seen: Mapping[tuple[Fraction, ...], Collection[Hashable]], size: int, fewest: int
) -> bool:
    """Whether a vector of `size` dimensions that is zero on size - 1 columns of `seen` is about 1 to `fewest - 1` people."""
    for left_out in combinations(seen, size - 1):
        ways = _null_space([list(one) for one in left_out], size)
        if len(ways) != 1:
            continue
        (way,) = ways
        touched: set[Hashable] = set()
        for direction, members in seen.items():
            if sum((a * b for a, b in zip(way, direction, strict=True)), Fraction(0)):
                touched.update(members)
        if 0 < len(touched) < fewest:
            return True
    return False


def _identity(size: int) -> list[_Row]:
    return [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]


def _direction(vector: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The vector scaled so that its first value that isn't zero is 1: columns that are zero together become equal."""
    lead = next((value for value in vector if value), None)
    return tuple(vector) if lead is None else tuple(value / lead for value in vector)


def _independent(matrix: Iterable[Sequence[int]]) -> list[_Row]:
    """The rows that are linearly independent of the ones before, by Gaussian elimination."""
    kept: list[_Row] = []
    reduced: list[tuple[int, _Row]] = []
    for numbers in matrix:
        row = [Fraction(number) for number in numbers]
        remainder = list(row)
        for pivot, base in reduced:
            if remainder[pivot]:
                factor = remainder[pivot] / base[pivot]
                remainder = [a - factor * b for a, b in zip(remainder, base, strict=True)]
        lead = next((i for i, value in enumerate(remainder) if value), None)
        if lead is not None:
            kept.append(row)
            reduced.append((lead, remainder))
    return kept


def _null_space(rows: Sequence[_Row], size: int) -> list[_Row]:
    """A basis of the vectors of that size that are orthogonal to every row."""
    reduced: dict[int, _Row] = {}
    for row in rows:
        remainder = list(row)
        for pivot, base in reduced.items():
            if remainder[pivot]:
                factor = remainder[pivot]
                remainder = [a - factor * b for a, b in zip(remainder, base, strict=True)]
        lead = next((i for i, value in enumerate(remainder) if value), None)
        if lead is None:
            continue
        unit = remainder[lead]
        remainder = [value / unit for value in remainder]
        for pivot, base in reduced.items():
            if base[lead]:
                factor = base[lead]
                reduced[pivot] = [a - factor * b for a, b in zip(base, remainder, strict=True)]
        reduced[lead] = remainder
    basis = []
    for open_ in (i for i in range(size) if i not in reduced):
        vector = [Fraction(int(i == open_)) for i in range(size)]
        for pivot, base in reduced.items():
            vector[pivot] = -base[open_]
        basis.append(vector)
    return basis


# --- Parts and units of one result


@dataclass(frozen=True, slots=True)
class TellableGroups:
    """Which figures of one dimension may be shown: the total, both parts, and these business units."""

    total: bool
    parts: bool = False
    units: tuple[str, ...] = ()


def choose_groups(
    people: Mapping[str, tuple[AskedAs, str | None]], *, fewest: int
) -> TellableGroups:
    """Which figures about these people (id → part and business unit) may be shown; the total goes before the parts, the
    parts before the units, large units before small ones.

    From units alone only unions of whole units follow. With both parts shown as well, somebody can subtract whole units
    from one part: of each unit the smaller side is left over, and all of these together must be enough people
    (`_is_safe`).
    """
    if len(people) < fewest:
        return TellableGroups(total=False)
    by_part = Counter(part for part, _ in people.values())
    parts = len(by_part) > 1 and min(by_part.values()) >= fewest
    sizes = Counter(unit for _, unit in people.values() if unit is not None)
    units: list[str] = []
    for unit, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if size >= fewest and _is_safe(people, [*units, unit], parts, fewest):
            units.append(unit)
    return TellableGroups(True, parts, tuple(sorted(units)))


def _is_safe(
    people: Mapping[str, tuple[AskedAs, str | None]],
    units: Collection[str],
    parts: bool,
    fewest: int,
) -> bool:
    """Whether nothing about 1 to `fewest - 1` people follows from the total, these units and, if `parts`, both parts."""
    cells: Counter[tuple[str | None, AskedAs]] = Counter(
        (unit if unit in units else REST, part) for part, unit in people.values()
    )
    columns = {column for column, _ in cells}
    remainder = sum(number for (column, _), number in cells.items() if column is REST)
    if 0 < remainder < fewest:
        return False
    if not parts:
        return True
    left = sum(min(cells[(column, part)] for part in AskedAs) for column in columns)
    return left == 0 or left >= fewest


# --- Steps, counts, agreement and shares


def step(counted: Collection[_T], here: Collection[_T], *, fewest: int) -> set[_T]:
    """Of `here`, who may be counted in addition to `counted`: all who are new, or nobody when they are fewer than
    `fewest`."""
    new = set(here) - set(counted)
    return new if len(new) >= fewest else set()


def at_least(count: int, of: int, *, fewest: int, before: int = 0) -> int:
    """The number that may be shown as "at least …" when `count` of `of` people did something; 0: show nothing.

    A multiple of `fewest`, so that no step is about fewer people; at most `of - fewest`, as those who did not do it are
    a group too; never less than `before`, so that a leaver isn't seen leaving.
    """
    most = min(count, of - fewest)
    return max(before, most // fewest * fewest, 0)


def agreement(per_cent: int) -> int:
    """The agreement that may be shown, in per cent; 80 stands for 80 and more, up to everybody."""
    return min(per_cent, MOST_AGREEMENT)


def is_disputed(share: Fraction) -> bool:
    """Whether a statement may be named as disputed, by the share (0 to 1) of its most common answer.

    From `MOST_AGREEMENT` on it isn't, or its absence from the list would say that everybody gave the same answer.
    """
    return share * 100 < MOST_AGREEMENT


def capped(requests: Mapping[int, Collection[str]], *, fewest: int) -> dict[int, Collection[str]]:
    """Of requests (id → who decided), those of which a figure of pace may be shown; none where too few are left.

    At least `fewest` people must have decided at least `fewest` requests, and nobody more than half of them: the latest
    requests of the person who decided most are left out until that is so.
    """
    kept = dict(requests)
    while kept:
        parts = Counter(person for people in kept.values() for person in set(people))
        busiest, count = max(parts.items(), key=lambda item: (item[1], item[0]))
        if len(parts) < fewest:
            return {}
        if count <= LARGEST_SHARE * len(kept):
            return kept if len(kept) >= fewest else {}
        del kept[max(id_ for id_, people in kept.items() if busiest in people)]
    return {}
