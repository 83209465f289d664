"""Scoring: from single answers to a level per dimension. Pure.

A statement holds for a group when those who can tell say so: at least two thirds of their weight is a yes (partly is
half a one), and that weight is at least half of everybody who answered, whether they can tell or not. What too few know
of does therefore not hold, and nobody's better answer (no, partly, yes) can make a statement stop holding.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low

from storage.enums import Answer, Level
from workflows.disclosure import rules as control
from workflows.maturity.rubric import Dimension

Answers = Mapping[str, Answer]
"""One person's answers, by statement."""

LEVELS = (Level.LOW, Level.MEDIUM, Level.HIGH)

_WEIGHT = {Answer.YES: Fraction(1), Answer.PARTLY: Fraction(1, 2), Answer.NO: Fraction(0)}
OF_THOSE_WHO_CAN_TELL = Fraction(2, 3)
OF_ALL = Fraction(1, 2)


def rank(level: Level) -> int:
    """0 for low, 1 for medium, 2 for high."""
    return LEVELS.index(level)


def holds(answers: Sequence[Answer]) -> bool:
    """Whether a statement holds for those who gave these answers; never for nobody."""
    decided = [_WEIGHT[one] for one in answers if one in _WEIGHT]
    if not decided:
        return False
    weight = sum(decided, Fraction(0))
    return weight >= OF_THOSE_WHO_CAN_TELL * len(decided) and weight >= OF_ALL * len(answers)


def level(dimension: Dimension, held_ids: Iterable[str]) -> Level:
    """The highest level whose statements all hold, with all of those below it."""
    holding = set(held_ids)
    reached = Level.LOW
    for candidate in LEVELS[1:]:
        if any(one.id not in holding for one in dimension.of(candidate)):
            break
        reached = candidate
    return reached


def overall(levels: Iterable[Level]) -> Level:
    """The lowest of them."""
    return min(levels, key=rank)


def median(levels: Iterable[Level]) -> Level:
    """The middle one; the lower of two."""
    return LEVELS[median_low(rank(one) for one in levels)]


@dataclass(frozen=True, slots=True)
class Score:
    """What a group says about one dimension.

    `agreement` is the mean share of each statement's most common answer, in per cent, to the nearest five, 80 for 80 or
    more; `differs` is the statement on which they agree least, None when nearly all of them agree on each.
    """

    people: int
    level: Level
    held: tuple[str, ...]
    agreement: int
    differs: str | None


def score(dimension: Dimension, group: Sequence[Answers]) -> Score:
    """Score people who answered every statement of the dimension. The group is not empty."""
    shares: dict[str, Fraction] = {}
    holding = []
    for statement in dimension.statements:
        given = [answers[statement.id] for answers in group]
        if holds(given):
            holding.append(statement.id)
        most = max(Counter(given).values())
        shares[statement.id] = Fraction(most, len(given))
    mean = sum(shares.values(), Fraction(0)) / len(shares)
    least = min(shares, key=lambda id_: shares[id_])
    return Score(
        people=len(group),
        level=level(dimension, holding),
        held=tuple(holding),
        agreement=control.agreement(5 * round(mean * 20)),
        differs=least if control.is_disputed(shares[least]) else None,
    )


def toward(dimension: Dimension, reached: Level, held_ids: Iterable[str]) -> tuple[int, int]:
    """How many statements of the next level hold, and how many there are; (0, 0) at the highest."""
    if reached is Level.HIGH:
        return (0, 0)
    following = dimension.of(LEVELS[rank(reached) + 1])
    holding = set(held_ids)
    return sum(one.id in holding for one in following), len(following)


def missing(
    dimension: Dimension, reached: Level, target: Level, held_ids: Iterable[str]
) -> tuple[str, ...]:
    """Statements that do not hold yet on the way to `target`, nearest level first: no level is skipped."""
    holding = set(held_ids)
    return tuple(
        one.id
        for step in LEVELS[rank(reached) + 1 : rank(target) + 1]
        for one in dimension.of(step)
        if one.id not in holding
    )
