"""What became of the rows of a table: the same words for every kind of import."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that cannot be taken: its line, the field at fault, and what is wrong and what to do."""

    line: int
    field: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a record, before and after, in words."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """A record that a row adds or changes. `name` is how people know it, unescaped."""

    line: int
    name: str
    is_new: bool
    fields: tuple[FieldChange, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What the rows of one table did."""

    changes: list[RowChange] = field(default_factory=list)
    unchanged: int = 0
    faults: list[RowFault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    uninvited: list[str] = field(default_factory=list)
    """Channels that the bot is not in, as `#name` or id."""


def faults_of(line: int, error: ValidationError, form: type[BaseModel]) -> list[RowFault]:
    """What a form refused of a row, in words. What concerns no single field is about the one that its sentence names."""
    return [_fault(line, one, form) for one in error.errors(include_url=False)]


def _fault(line: int, error: Any, form: type[BaseModel]) -> RowFault:
    place = str(error["loc"][0]) if error["loc"] else None
    kind, context = error["type"], error.get("ctx") or {}
    value = str(error["input"])[:40]
    if kind == "missing":
        return RowFault(line, place, "is empty; every row needs it")
    if kind in ("string_too_long", "string_too_short") or (
        kind in ("too_long", "too_short") and isinstance(error["input"], str)
    ):
        kind = "string_" + kind.removeprefix("string_")
    if kind == "string_too_long":
        length = len(str(error["input"]))
        return RowFault(
            line, place, f"holds {length:,} characters; at most {context['max_length']} fit"
        )
    if kind == "string_too_short":
        return RowFault(
            line,
            place,
            f"{value!r} is too short; it has at least {context['min_length']} characters",
        )
    if kind == "too_long":
        return RowFault(
            line, place, f"holds {context['actual_length']:,}; at most {context['max_length']} fit"
        )
    if kind == "string_pattern_mismatch":
        return RowFault(line, place, f"{value!r} has characters that don't fit there")
    if kind == "enum":
        return RowFault(line, place, f"{value!r} is none of {context['expected']}")
    if kind.startswith("date"):
        return RowFault(line, place, f"{value!r} is no day; write it like 2026-01-31")
    sentence = str(error["msg"]).removeprefix("Value error, ")
    if place is None:
        words = sentence.replace(",", " ").split()
        place = next((name for name in form.model_fields if name in words), None)
    return RowFault(line, place, sentence)
