"""What may be told without telling of fewer than a handful of people, also by subtraction. Pure.

What somebody can derive from figures about groups is what they can make of them by adding and subtracting. Two ways to
cut one set of people are told: by part (leaders, practitioners) and by business unit. Whatever is derivable from both
is a union of whole units, or one part's people in all units that hold both parts (beside whole units). So it is enough
that each of these is nobody or at least `fewest` people; the property test checks it against linear algebra.

Between results over time: an early result counts what earlier ones counted, unchanged, and a whole step of others
(`step`); the final one differs from the last by nobody or by enough (`may_follow`).
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from storage.enums import AskedAs

REST: None = None
"""The unit of everybody whose own unit is not told."""


@dataclass(frozen=True, slots=True)
class Told:
    """Which figures of one dimension may be told."""

    total: bool
    parts: bool = False
    units: tuple[str, ...] = ()


def tell(people: Mapping[str, tuple[AskedAs, str | None]], *, fewest: int) -> Told:
    """What may be told of these people (id → part and business unit): the total before the parts before the units."""
    if len(people) < fewest:
        return Told(total=False)
    by_part = Counter(part for part, _ in people.values())
    parts = len(by_part) > 1 and min(by_part.values()) >= fewest
    sizes = Counter(unit for _, unit in people.values() if unit is not None)
    shown: list[str] = []
    for unit, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if size >= fewest and _is_safe(people, [*shown, unit], parts, fewest):
            shown.append(unit)
    return Told(True, parts, tuple(sorted(shown)))


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
    rest = sum(number for (column, _), number in cells.items() if column is REST)
    if 0 < rest < fewest:
        return False
    if not parts:
        return True
    mixed = [c for c in columns if all(cells[(c, part)] for part in AskedAs)]
    return all(
        not mixed or sum(cells[(c, part)] for c in mixed) >= fewest for part in AskedAs
    )


def step(counted: Collection[int], here: Collection[int], *, fewest: int) -> set[int]:
    """Whom an early result counts beside those whom earlier ones counted: nobody, or at least so many at once."""
    new = set(here) - set(counted)
    return new if len(new) >= fewest else set()


def may_follow(changed: int, *, fewest: int) -> bool:
    """Whether the final result may be told after an early one of the same cycle.

    `changed` is how many people were added, left, were erased, or say something else than the early one counted.
    """
    return not 0 < changed < fewest
