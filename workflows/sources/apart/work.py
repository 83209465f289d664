"""What can be done apart, and how it may be refused: what both sides know."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from workflows.errors import InvalidInput

A = TypeVar("A")
R = TypeVar("R")

DATA, ANSWER = "data", "answer"
"""Files in the folder of a job: what was sent, and what came of it."""


class TooMuch(InvalidInput):
    """Reading it would pass a limit: seconds, memory, rows, or bytes once it is unpacked."""


class Faulty(InvalidInput):
    """A form that is wrong in one place or several."""

    def __init__(self, faults: list[tuple[str, str]], *, is_json: bool = True) -> None:
        self.faults = faults or [("body", "it can't be used")]
        """Where, and why."""
        self.is_json = is_json
        where, why = self.faults[0]
        super().__init__(f"{where}: {why}")


@dataclass(frozen=True, slots=True)
class Job(Generic[A, R]):
    """Something that is done with a file. `name` is where this very object is found: `module:NAME`."""

    name: str
    work: Callable[[Path, A], R]
    asked: TypeAdapter[A]
    answered: TypeAdapter[R]


def json_of(path: Path) -> object:
    """The JSON in a file. Raises Faulty."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        at = f".{error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise Faulty([(f"body{at}", "JSON decode error")], is_json=False) from None
