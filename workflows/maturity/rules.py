"""Scoring: from single answers to a level per dimension. Pure.

A statement holds for a group when those who can tell say so: at least two thirds of their weight is a yes (partly is
half a one), and that weight is at least half of everybody who answered, whether they can tell or not. What too few know
of does therefore not hold, and nobody's better answer (no, partly, yes) can make a statement stop holding.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from statistics import median_low
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from storage.enums import Answer, Level
from workflows.anonymity import rules as control
from workflows.policy.reading import checked, digest, read_text
from workflows.policy.sections import Section

# --- The rubric
#
# what a check-in asks, read from one data file and checked like the policy.

DIMENSIONS = ("organisation", "data", "training", "deployment", "operations", "governance")
"""The six dimensions, in the order in which they are asked and drawn."""

OWN = Path(__file__).with_name("rubric.yml")
"""The rubric that comes with mlgov."""

_ID = re.compile(r"^[a-z0-9][a-z0-9._-]{0,39}$")


class Statement(Section):
    """Something that can be observed. `id` is how answers find it again."""

    id: str
    text: str = Field(min_length=10, max_length=150)

    @field_validator("id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError(
                "an id is 1 to 40 of a-z, 0-9, dot, dash and underscore, like data.owner"
            )
        return value


Statements = Annotated[tuple[Statement, ...], Field(min_length=2, max_length=4)]


class Dimension(Section):
    """One of the six, with what must hold for medium and, on top of it, for high."""

    key: Literal["organisation", "data", "training", "deployment", "operations", "governance"]
    name: str = Field(min_length=2, max_length=40)
    medium: Statements
    high: Statements

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All of them, medium first."""
        return (*self.medium, *self.high)

    def of(self, level: Level) -> tuple[Statement, ...]:
        """What must hold for this level beside what the lower ones ask; nothing for low."""
        return {Level.LOW: (), Level.MEDIUM: self.medium, Level.HIGH: self.high}[level]


class Rubric(Section):
    """Six dimensions of statements."""

    version: Literal[1]
    name: str = Field(min_length=1, max_length=60)
    dimensions: tuple[Dimension, ...]

    @model_validator(mode="after")
    def _six_of_them(self) -> "Rubric":
        keys = tuple(dimension.key for dimension in self.dimensions)
        if keys != DIMENSIONS:
            raise ValueError(
                f"the dimensions are {', '.join(DIMENSIONS)}, each once and in this order"
            )
        seen: set[str] = set()
        for statement in self.statements:
            if statement.id in seen:
                raise ValueError(
                    f"two statements have the id {statement.id}; an answer could not tell them apart"
                )
            seen.add(statement.id)
        return self

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement, in the order in which they are asked."""
        return tuple(one for dimension in self.dimensions for one in dimension.statements)

    def dimension(self, key: str) -> Dimension | None:
        """The dimension of that key."""
        return next((one for one in self.dimensions if one.key == key), None)


@dataclass(frozen=True, slots=True)
class RubricText:
    """A rubric with the very text it was read from, and the digest that names it."""

    rubric: Rubric
    text: str
    sha256: str


def load(path: Path | None = None) -> RubricText:
    """Read and check a rubric file, or the one that comes with mlgov. Raises PolicyRefused: file, line, reason."""
    chosen = path or OWN
    text = read_text(
        chosen, missing="`mlgov maturity rubric show` prints one to start from.", noun="rubric"
    )
    return RubricText(parse(text, name=str(chosen)), text, digest(text))


@lru_cache(maxsize=16)
def parse(text: str, *, name: str = "rubric.yml") -> Rubric:
    """Check a rubric text. Raises PolicyRefused with one line per fault."""
    return checked(text, Rubric, name=name, noun="rubric")


def place(policy_file: Path, named: str | None) -> Path | None:
    """Where a policy's `maturity.rubric` is: beside the policy file unless it is a full path; None for our own."""
    return None if named is None else policy_file.parent / named


# --- Scoring
#
# from single answers to a level per dimension. Pure. A statement holds for a group when those
# who can tell say so: at least two thirds of their weight is a yes (partly is half a one), and
# that weight is at least half of everybody who answered, whether they can tell or not. What too
# few know of does therefore not hold, and nobody's better answer (no, partly, yes) can make a
# statement stop holding.

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
