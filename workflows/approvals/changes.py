"""What a request rests on, then and now: which of it counts at a gate, what got graver, and how it is told. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflows.policy import Gate, conditions
from workflows.subjects import Rest
from workflows.wording import counted


def select_counting(rests: Iterable[Rest], gate: Gate | None, name: str) -> tuple[Rest, ...]:
    """Those that count at this gate: what only a condition would ask for counts where one speaks of it."""
    spoken: set[str] = set()
    if gate is not None:
        kind = gate.subject_type(name)
        for _, text in gate.conditions():
            spoken.update(conditions.names_in(text, kind))
    return tuple(one for one in rests if not one.by_condition or one.name in spoken)


def list_graver(before: Iterable[Rest], now: Iterable[Rest]) -> tuple[Rest, ...]:
    """What those who were shown `before` have not been asked about: what weighs more, or is simply not the same."""
    by_name = {one.name: one for one in before}
    return tuple(
        one for one in now if (old := by_name.get(one.name)) is not None and _is_graver(old, one)
    )


def _is_graver(old: Rest, new: Rest) -> bool:
    if old.value == new.value:
        return False
    if old.weight is None or new.weight is None:
        return True
    return new.weight > old.weight


def load_rests(stored: Iterable[Mapping[str, Any]]) -> tuple[Rest, ...]:
    """From what the request's row keeps."""
    return tuple(Rest.of(one) for one in stored)


def describe_changes(before: Sequence[Rest], now: Sequence[Rest]) -> tuple[str, ...]:
    """What changed since, each a clause for people: `tier 3 → 1`, `1 critical finding`."""
    by_name = {one.name: one for one in before}
    return tuple(
        _clause(old, one)
        for one in now
        if (old := by_name.get(one.name)) is not None and old.value != one.value
    )


def _clause(old: Rest, new: Rest) -> str:
    if new.manner == "count":
        before, now = int(old.value), int(new.value)
        if not before:
            return counted(now, new.label)
        if not now:
            return f"no {new.label} any more"
        return f"{counted(now, new.label)} instead of {before:,}"
    return f"{new.label} {describe_value(old)} → {describe_value(new)}"


def describe_value(rest: Rest) -> str:
    """How people read the value."""
    if rest.words:
        return rest.words
    if isinstance(rest.value, bool):
        return "yes" if rest.value else "no"
    return str(rest.value)
