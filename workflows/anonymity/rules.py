"""What may be told of groups without telling of fewer people than the fewest. Pure.

A figure about a group is taken for a sum over what it counts (a person's answers, a request that somebody decided).
Whoever is told several can add and subtract multiples of them; what is left over must be about nobody, or about at
least `fewest` people. `may_tell` decides that exactly, for whatever was told before; the tests compare it with a look at
every small set of people.
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
"""Something that a figure counts once: one person's answers as they were then, one decided request."""
Group = Mapping[Atom, Collection[Hashable]]
"""What a figure counts, and which people each piece of it is about."""

REST: None = None
"""The unit of everybody whose own unit is not told."""
MOST_AGREEMENT = 80
"""Per cent. More is told as `80 % or more`, so that nobody is told that all of them gave the same answer."""
LARGEST_SHARE = Fraction(1, 2)
"""Nobody has a part in more of the requests than this whose pace is told."""
MOST_LOOKS = 5_000
"""Combinations that are looked at; a history that needs more is taken for one that tells too much."""

_Row = list[Fraction]
_T = TypeVar("_T", bound=Hashable)


# --- adding and subtracting


def may_tell(groups: Sequence[Group], group: Group, *, fewest: int) -> bool:
    """Whether this figure may be told after those: nothing about 1 to `fewest - 1` people follows from all together.

    Where `fewest` was raised since, what was told keeps to what it kept to then, and so does what follows with it.
    """
    kept_to = next((few for few in range(fewest, 1, -1) if not tells_of_few(groups, fewest=few)), 1)
    about = {person for people in group.values() for person in people}
    return len(about) >= fewest and not tells_of_few([*groups, group], fewest=kept_to)


def tells_of_few(groups: Sequence[Group], *, fewest: int) -> bool:
    """Whether some sum of multiples of these figures is about somebody, but about fewer people than `fewest`.

    What the same figures count goes together. Where that is enough people its coefficient has to be nought; of the
    combinations that leave these out, only those matter that leave out as much as possible of the rest, too.
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
        # A sum that is about any of these is about enough people; what could tell of few must be nought on all of them.
        large = [list(vector) for vector, members in seen.items() if len(members) >= fewest]
        if not large:
            break
        # Each combination of `free` that makes these nought is a new basis of what is left.
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
    """The vector up to a factor, so that what is nought together is found together."""
    lead = next((value for value in vector if value), None)
    return tuple(vector) if lead is None else tuple(value / lead for value in vector)


def _independent(matrix: Iterable[Sequence[int]]) -> list[_Row]:
    """As many of these rows as do not follow from the ones before."""
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


# --- parts and units of one result


@dataclass(frozen=True, slots=True)
class TellableGroups:
    """Which figures of one dimension may be told."""

    total: bool
    parts: bool = False
    units: tuple[str, ...] = ()


def choose_groups(
    people: Mapping[str, tuple[AskedAs, str | None]], *, fewest: int
) -> TellableGroups:
    """What may be told of these people (id → part and business unit): the total before the parts before the units.

    What follows from units alone is a union of whole units. With both parts told, somebody can take away from one part,
    unit by unit, whichever side of the unit is larger; the smaller sides of all units are then what is left.
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
    """Whether nothing about fewer people follows from the total, these units and, when `parts`, both parts."""
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


# --- steps, counts, agreement and shares


def step(counted: Collection[_T], here: Collection[_T], *, fewest: int) -> set[_T]:
    """Who is counted beside those who were counted before: nobody, or at least so many at once."""
    new = set(here) - set(counted)
    return new if len(new) >= fewest else set()


def at_least(count: int, of: int, *, fewest: int, before: int = 0) -> int:
    """How many of so many may be told to have done something, as `at least`; 0 where nothing may be.

    It goes in steps of `fewest`, never back, and leaves that many open: who has not done it are people, too.
    """
    most = min(count, of - fewest)
    return max(before, most // fewest * fewest, 0)


def agreement(per_cent: int) -> int:
    """The agreement that may be told: 80 stands for 80 or more, also for all of them."""
    return min(per_cent, MOST_AGREEMENT)


def is_disputed(share: Fraction) -> bool:
    """Whether a statement may be named as seen differently, by the share of its most common answer.

    What nearly everybody or everybody agrees on looks the same from outside: neither is named.
    """
    return share * 100 < MOST_AGREEMENT


def capped(requests: Mapping[int, Collection[str]], *, fewest: int) -> dict[int, Collection[str]]:
    """Of requests (id → who decided), those whose pace may be told together; none of them where that is too few.

    At least `fewest` people decided them, and nobody has a part in more than half: the latest of whoever has decided
    most are left out until that is so.
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
