"""Two policies in words: what an administrator wants to read before the new one is put in force. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from workflows.policy import Gate, Policy
from workflows.policy.gates import Stage
from workflows.wording import span


def differences(old: Policy, new: Policy) -> list[str]:
    """Every difference, one sentence each, the gates first; empty when nothing differs."""
    return [*_gates(old.gates, new.gates), *_roles(old.roles, new.roles), *_rest(old, new)]


def _gates(old: Mapping[str, Gate], new: Mapping[str, Gate]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"gate {name} is gone: nothing can be asked there any more"
    for name in new.keys() - old.keys():
        yield f"gate {name} is new: {_way(new[name])}"
    for name in [one for one in old if one in new]:
        yield from (f"gate {name}: {each}" for each in _gate(old[name], new[name]))


def _gate(old: Gate, new: Gate) -> Iterator[str]:
    before = {stage.name: stage for stage in old.stages}
    after = {stage.name: stage for stage in new.stages}
    for name in before:
        if name not in after:
            yield f"the stage {name} is gone"
    for name, stage in after.items():
        if name not in before:
            yield f"the stage {name} is new: {_stage(stage)}"
            continue
        yield from (
            f"the stage {name}: {each}" for each in _fields(before[name], stage, skip={"name"})
        )
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield f"the order is now {', then '.join(after)}"
    yield from _fields(old, new, skip={"stages"})


def _way(gate: Gate) -> str:
    return ", then ".join(f"{one.name} ({_stage(one)})" for one in gate.stages)


def _stage(stage: Stage) -> str:
    joint = " or " if stage.mode == "any" else " and "
    needs = joint.join(f"{party.quorum} of {', '.join(party.approvers)}" for party in stage.parties)
    return needs + (f", if {stage.when}" if stage.when else "")


def _roles(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for role in sorted(old.keys() | new.keys()):
        before, after = set(old.get(role, ())), set(new.get(role, ()))
        if after - before:
            yield f"role {role} gains {', '.join(sorted(after - before))}"
        if before - after:
            yield f"role {role} loses {', '.join(sorted(before - after))}"


def _rest(old: Policy, new: Policy) -> Iterator[str]:
    for section in type(new).model_fields:
        if section in ("gates", "roles"):
            continue
        before, after = getattr(old, section), getattr(new, section)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from (f"{section}: {each}" for each in _fields(before, after))
        else:
            yield f"{section}: {_told(before)} becomes {_told(after)}"


def _fields(
    old: BaseModel, new: BaseModel, *, skip: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    for name in type(new).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if name not in skip and before != after:
            yield f"{name.rstrip('_')} was {_told(before)}, is now {_told(after)}"


def _told(value: Any) -> str:
    if value is None or value == ():
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(words := getattr(value, "words", None), str):
        return words
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, tuple | list):
        return ", ".join(_told(one) for one in value)
    if isinstance(value, BaseModel):
        kept = {
            name: getattr(value, name)
            for name in type(value).model_fields
            if getattr(value, name) not in (None, ())
        }
        return ", ".join(f"{name} {_told(one)}" for name, one in kept.items())
    return str(value)
