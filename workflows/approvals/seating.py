"""Whether there are enough different people for every place of every quorum: values in, values out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice, product

MOST_WAYS = 512
"""Combinations of `any_of` groups that are tried before a request is refused: nine stages of two groups each. Their number
doubles with every stage, and each costs a matching within a click."""

Need = tuple[int, Collection[str]]
"""A quorum, and the people who could fill its places."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A stage that could never pass. `found` people could decide it; `alone` says that already on its own it lacks
    people, else they are also needed in other stages, where nobody may decide twice."""

    position: int
    found: int
    alone: bool


def shortage(needs: Sequence[tuple[int, Collection[str]]]) -> Shortage | None:
    """The first stage, as (quorum, eligible people), for which there are not enough different people; None if all pass.

    Since nobody decides twice, every place of every quorum needs a person of its own: a matching between places and
    people. Augmenting paths (Kuhn) find one whenever there is one.
    """
    for position, (quorum, people) in enumerate(needs):
        if len(set(people)) < quorum:
            return Shortage(position, len(set(people)), alone=True)
    holder: dict[str, tuple[int, int]] = {}
    for position, (quorum, people) in enumerate(needs):
        for place in range(quorum):
            if not _seat_person((position, place), needs, holder):
                return Shortage(position, len(set(people)), alone=False)
    return None


def _seat_person(
    place: tuple[int, int],
    needs: Sequence[tuple[int, Collection[str]]],
    holder: dict[str, tuple[int, int]],
) -> bool:
    """Give `place` a person, moving others to people who are free: breadth first, so that depth is no matter."""
    came_from: dict[str, tuple[str | None, tuple[int, int]]] = {}
    queue: list[tuple[str | None, tuple[int, int]]] = [(None, place)]
    for via, wanting in queue:
        for person in sorted(needs[wanting[0]][1]):
            if person in came_from:
                continue
            came_from[person] = (via, wanting)
            if person not in holder:
                free: str | None = person
                while free is not None:
                    before, seat = came_from[free]
                    holder[free] = seat
                    free = before
                return True
            queue.append((person, holder[person]))
    return False


def seats(needs: Sequence[Need]) -> dict[str, tuple[int, int]]:
    """As many places as possible filled: person → (need, place)."""
    holder: dict[str, tuple[int, int]] = {}
    for position, (quorum, _) in enumerate(needs):
        for place in range(quorum):
            _seat_person((position, place), needs, holder)
    return holder


def shortage_in(stages: Sequence[Sequence[Sequence[Need]]]) -> Shortage | None:
    """The first stage that could never pass; None when all can.

    Each stage has ways to pass (one, or one for each of its `any_of` groups), and a way has needs that must all be
    met. The position of the shortage is the stage's.
    """
    worst: Shortage | None = None
    for ways in islice(product(*stages), MOST_WAYS):
        owners = [stage for stage, needs in enumerate(ways) for _ in needs]
        short = shortage([need for needs in ways for need in needs])
        if short is None:
            return None
        of_stage = Shortage(owners[short.position], short.found, short.alone)
        if worst is None or of_stage.position > worst.position:
            worst = of_stage
    return worst
