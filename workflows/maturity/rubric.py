"""The rubric: what a check-in asks, read from one data file and checked like the policy."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from storage.enums import Level
from workflows.policy.reading import checked, digest, read_text
from workflows.policy.terms import Section

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
                "an id is 1 to 40 of a-z, 0-9, dot, dash and underscore, like deploy.button"
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
