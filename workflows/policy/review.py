"""What is wrong with a policy that can be read: stages that nothing reaches, that contradict, or that nobody could pass."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import prod

from workflows.policy import comparing, conditions
from workflows.policy.facts import FACTS
from workflows.policy.gates import Fault, Gate, Party
from workflows.policy.root import Policy

MOST_TRIED = 3_000
"""Combinations of facts that are tried at one gate."""

Sample = dict[str, str | int | float | bool]


def review(policy: Policy) -> list[Fault]:
    """Everything that can be told from the file alone, each with its place."""
    return [
        (("gates", name, *path), words)
        for name, gate in policy.gates.items()
        for path, words in (*_reach(gate, name), *_people(gate))
    ]


def _reach(gate: Gate, name: str) -> Iterator[Fault]:
    """What is claimed is proved: by trying every combination of facts around the values that stand in the conditions.

    Conditions that do more than compare a fact with a value are left alone.
    """
    subject_type = gate.subject_type(name)
    written = dict(gate.conditions())
    if not written:
        return
    wrong = {
        path: words
        for path, text in written.items()
        if (words := comparing.wrong_literal(text, subject_type))
    }
    yield from wrong.items()
    if wrong:
        return
    known = {text: comparing.constants(text, subject_type) for text in written.values()}
    tried, is_whole = samples(known.values(), subject_type)

    def is_known(*texts: str | None) -> bool:
        return all(known.get(text) is not None for text in texts if text)

    def holds(text: str, facts: Sample) -> bool:
        try:
            return conditions.holds(text, subject_type, facts)
        except conditions.ConditionFailed:
            return False

    before = is_known(gate.when, gate.auto_approve)
    asked = [
        facts
        for facts in tried
        if not (gate.when and not holds(gate.when, facts))
        and not (gate.auto_approve and holds(gate.auto_approve, facts))
    ]
    if not asked and before and is_whole:
        yield (
            ("stages",),
            "no stage is ever reached: every request passes by rule, whatever it asks",
        )
        return
    for index, stage in enumerate(gate.stages):
        if not stage.when or not is_known(stage.when) or not is_whole:
            continue
        if any(holds(stage.when, facts) for facts in asked):
            continue
        alone = any(holds(stage.when, facts) for facts in tried)
        if alone and not before:
            continue
        yield (
            ("stages", index, "when"),
            f"the stage {stage.name} is never reached: "
            + (
                "what meets its condition passes by rule before"
                if alone
                else "its condition contradicts itself"
            ),
        )
    stages = [stage.when for stage in gate.stages]
    if before and all(stages) and is_known(*stages):
        for facts in asked:
            if not any(holds(text or "true", facts) for text in stages):
                example = _shown(facts, list(written.values()), subject_type)
                yield (
                    ("stages",),
                    f"nobody is asked when {example}: such a request is refused; leave one stage without a condition, "
                    "or let it pass by auto_approve",
                )
                return


def _shown(facts: Sample, written: Sequence[str], subject_type: str) -> str:
    named = {one for text in written for one in conditions.names_in(text, subject_type)}
    return ", ".join(f"{one} is {facts[one]!r}" for one in FACTS[subject_type] if one in named)


def samples(
    known: Iterable[Mapping[str, set[comparing.Value]] | None], subject_type: str
) -> tuple[list[Sample], bool]:
    """Facts on, below, above and between all values that they are compared with, and whether that is every combination."""
    values: dict[str, set[comparing.Value]] = {}
    for each in known:
        for fact, some in (each or {}).items():
            values.setdefault(fact, set()).update(some)
    facts = FACTS[subject_type]
    ranges = [_range(kind, values.get(fact, set())) for fact, kind in facts.items()]
    if prod(len(each) for each in ranges) <= MOST_TRIED:
        return [dict(zip(facts, each, strict=True)) for each in product(*ranges)], True
    picked = random.Random(0)  # noqa: S311 - the same file is judged the same way each time
    return [
        dict(zip(facts, (picked.choice(each) for each in ranges), strict=True))
        for _ in range(MOST_TRIED)
    ], False


def _range(kind: str, values: set[comparing.Value]) -> list[str | int | float | bool]:
    """Something on each side of every value of a fact; one thing where it is compared with nothing."""
    numbers = sorted(one for one in values if isinstance(one, float))
    if kind == "bool":
        return [True, False] if values else [True]
    if kind == "string":
        return [*sorted(str(one) for one in values), "something else"]
    if kind == "int":
        near = {round(one) + step for one in numbers for step in (-1, 0, 1)}
        return sorted(near) or [0]
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    ends = [numbers[0] - 1, numbers[-1] + 1] if numbers else [0.0]
    return sorted({*numbers, *between, *ends})


def _people(gate: Gate) -> Iterator[Fault]:
    alone: dict[str, str] = {}
    for index, stage in enumerate(gate.stages):
        for party in stage.parties:
            only = _named(party)
            if only is None:
                continue
            if len(only) < party.quorum:
                yield (
                    ("stages", index),
                    f"the stage {stage.name} needs {party.quorum} people and names {len(only)}, so nobody could pass it",
                )
            elif len(only) == party.quorum and stage.mode == "all":
                for person in sorted(only):
                    if person in alone and not (stage.when and gate.stages[0].when):
                        yield (
                            ("stages", index),
                            f"{person} is needed in {alone[person]} and in {stage.name}, and nobody decides twice",
                        )
                    alone[person] = stage.name


def _named(party: Party) -> set[str] | None:
    """The Slack ids of a group that names only people; None when anything else stands in it."""
    if all(word[0] in "UW" for word in party.approvers):
        return set(party.approvers)
    return None
