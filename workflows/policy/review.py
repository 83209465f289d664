"""What is wrong with a policy that can be read: stages that nothing reaches, that contradict, or that nobody could pass."""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice, product

from workflows.policy import conditions
from workflows.policy.facts import FACTS
from workflows.policy.gates import Fault, Gate, Party
from workflows.policy.root import Policy

MOST_TRIED = 3_000
"""Combinations of facts that are tried at one gate."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")

Sample = dict[str, str | int | float | bool]


def review(policy: Policy) -> list[Fault]:
    """Everything that can be told from the file alone, each with its place."""
    return [
        (("gates", name, *path), words)
        for name, gate in policy.gates.items()
        for path, words in (*_reach(gate, name), *_people(gate))
    ]


def _reach(gate: Gate, name: str) -> Iterator[Fault]:
    """Conditions are tried on facts around every number and word that stands in them."""
    subject_type = gate.subject_type(name)
    written = dict(gate.conditions())
    if not written:
        return
    tried = samples(list(written.values()), subject_type)

    def holds(text: str, facts: Sample) -> bool:
        try:
            return conditions.holds(text, subject_type, facts)
        except conditions.ConditionFailed:
            return False

    asked = [
        facts
        for facts in tried
        if not (gate.when and not holds(gate.when, facts))
        and not (gate.auto_approve and holds(gate.auto_approve, facts))
    ]
    if not asked:
        yield (
            ("stages",),
            "no stage is ever reached: every request passes by rule, whatever it asks",
        )
        return
    for index, stage in enumerate(gate.stages):
        if not stage.when or any(holds(stage.when, facts) for facts in asked):
            continue
        alone = any(holds(stage.when, facts) for facts in tried)
        yield (
            ("stages", index, "when"),
            f"the stage {stage.name} is never reached: "
            + (
                "what meets its condition passes by rule before"
                if alone
                else "its condition contradicts itself"
            ),
        )
    if all(stage.when for stage in gate.stages):
        for facts in asked:
            if not any(holds(stage.when or "true", facts) for stage in gate.stages):
                shown = _shown(facts, list(written.values()), subject_type)
                yield (
                    ("stages",),
                    f"nobody is asked when {shown}: such a request is refused; leave one stage without a condition, "
                    "or let it pass by auto_approve",
                )
                return


def _shown(facts: Sample, written: Sequence[str], subject_type: str) -> str:
    named = {one for text in written for one in conditions.names_in(text, subject_type)}
    return ", ".join(
        f"{one} is {facts[one]!r}" for one in FACTS[subject_type] if one in named
    )


def samples(written: Sequence[str], subject_type: str) -> list[Sample]:
    """Facts on, below and above every number, and each word and another one, in all combinations or many of them."""
    text = " ".join(written)
    bare = _TEXT.sub(" ", text)
    numbers = sorted({float(one) for one in _NUMBER.findall(bare)})
    words = sorted({first or second for first, second in _TEXT.findall(text)})
    around = sorted({near for one in numbers for near in (one - 1, one, one + 1)})
    values: dict[str, list[str | int | float | bool]] = {
        "double": list(around or [0.0]),
        "int": [int(one) for one in sorted({int(one) for one in around})] or [0],
        "string": [*words, "something else"],
        "bool": [True, False],
    }
    facts = FACTS[subject_type]
    used = {one for each in written for one in conditions.names_in(each, subject_type)}
    ranges = [
        values[kind] if name in used else values[kind][-1:]
        for name, kind in facts.items()
    ]
    combinations = 1
    for each in ranges:
        combinations *= len(each)
    if combinations <= MOST_TRIED:
        return [dict(zip(facts, each, strict=True)) for each in product(*ranges)]
    picked = random.Random(0)  # noqa: S311 - the same file is judged the same way each time
    many = (
        dict(zip(facts, (picked.choice(each) for each in ranges), strict=True))
        for _ in range(MOST_TRIED)
    )
    return list(islice(many, MOST_TRIED))


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
