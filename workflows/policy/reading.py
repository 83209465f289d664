"""Reading governance.yml. A bad file is refused with the line and the reason."""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workflows.errors import GovernanceError
from workflows.policy import conditions
from workflows.policy.conditions import FACTS
from workflows.policy.gates import Fault, Gate, Party
from workflows.policy.root import Policy

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
"""Values in a file once every alias is written out. A policy has some hundreds; a few lines of aliases make billions."""


class PolicyRefused(GovernanceError):
    """A policy file that cannot be used; the sentence names file, line and reason for each fault."""


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy with the very text it was read from, and the digest that names it."""

    policy: Policy
    text: str
    sha256: str


def load(path: Path) -> PolicyText:
    """Read and check a policy file. Raises PolicyRefused naming the file, each line at fault and why."""
    text = read_text(
        path, missing=f"Copy the example with `mlgov policy example > {path}`.", noun="policy"
    )
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "governance.yml") -> PolicyText:
    """Check a policy text. Raises PolicyRefused with one line per fault."""
    policy = checked(text, Policy, name=name, noun="policy", faults=Policy.faults)
    return PolicyText(policy, text, digest(text))


def digest(text: str) -> str:
    """What names a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_text(path: Path, *, missing: str, noun: str) -> str:
    """The text of a file that people wrote. Raises PolicyRefused; `missing` says what to do when there is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise PolicyRefused(f"{path}: there is no such file. {missing}") from None
    except OSError as error:
        raise PolicyRefused(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_BYTES:
        raise PolicyRefused(f"{path}: is larger than {MAX_BYTES:,} bytes; that is no {noun}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyRefused(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8."
        ) from None


def checked(
    text: str,
    model: type[M],
    *,
    name: str,
    noun: str,
    faults: Callable[[M], Iterable[Fault]] = lambda parsed: (),
) -> M:
    """A YAML text as typed values. Raises PolicyRefused with one line per fault: file, line, key and reason.

    `faults` looks at what the types could not say.
    """
    data = _data(text, name=name, noun=noun)
    if not isinstance(data, dict):
        raise PolicyRefused(f"{name}: is empty or no mapping; it starts with `version: 1`.")
    try:
        parsed = model.model_validate(data)
        wrong = list(faults(parsed))
    except ValidationError as error:
        wrong = [(fault["loc"], _words(fault)) for fault in error.errors(include_url=False)]
        parsed = None
    if parsed is None or wrong:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raise PolicyRefused(
            "\n".join(
                f"{name}:{_line(node, path)}: {'.'.join(str(part) for part in path) or 'file'}: {words}"
                for path, words in wrong
            )
        )
    return parsed


def _data(text: str, *, name: str, noun: str) -> object:
    """What a YAML text says, as plain values. Raises PolicyRefused for all that no policy needs."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _refuse_oddities(node, name=name, noun=noun)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyRefused(
            f"{name}{line}: {getattr(error, 'problem', None) or 'is not YAML'}"
        ) from None
    except RecursionError:
        raise PolicyRefused(f"{name}: is nested too deeply to be a {noun}.") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        # PyYAML's own constructors raise these: for `2026-13-45`, `!!bool x` or `!!timestamp x`.
        raise PolicyRefused(
            f"{name}: holds a value that YAML can't read, such as a day that doesn't exist. Put it in quotation marks."
        ) from None


def line_of(text: str, path: tuple[int | str, ...]) -> int:
    """The line (from 1) at which a path of keys stands in a YAML text."""
    return _line(yaml.compose(text, Loader=yaml.SafeLoader), path)


def _words(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such key here"
    return str(fault["msg"]).removeprefix("Value error, ")


def _refuse_oddities(root: yaml.Node, *, name: str, noun: str) -> None:
    """Refuse keys that stand twice or are no words, and aliases that refer to themselves or multiply without an end.

    Each node is looked at once, however many aliases name it.
    """
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        """How many values the node stands for, with its aliases written out."""
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise PolicyRefused(
                    f"{name}:{node.start_mark.line + 1}: refers to itself by an alias; write the value out"
                )
            return known
        sizes[id(node)] = None
        total = 1
        if isinstance(node, yaml.MappingNode):
            _refuse_odd_keys(node, name)
            total += sum(size(value) for _key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        if total > MAX_VALUES:
            raise PolicyRefused(
                f"{name}:{node.start_mark.line + 1}: its aliases stand for more than {MAX_VALUES:,} values; that is no {noun}."
            )
        sizes[id(node)] = total
        return total

    size(root)


def _refuse_odd_keys(node: yaml.MappingNode, name: str) -> None:
    seen: set[str] = set()
    for key, _value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PolicyRefused(f"{name}:{line}: a key is a list or a mapping; a key is one word")
        if key.value in seen:
            raise PolicyRefused(f"{name}:{line}: {key.value} stands here twice")
        seen.add(key.value)


def _line(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    line = node.start_mark.line if node is not None else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line, match[1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1


def json_schema() -> dict[str, Any]:
    """The JSON Schema of governance.yml, for editors."""
    return Policy.model_json_schema()


# --- What is wrong with a policy that can be read
#
# stages that nothing reaches, that contradict, or that nobody could pass.

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
        if (words := conditions.wrong_literal(text, subject_type))
    }
    yield from wrong.items()
    if wrong:
        return
    known = {text: conditions.constants(text, subject_type) for text in written.values()}
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
    known: Iterable[Mapping[str, set[conditions.Value]] | None], subject_type: str
) -> tuple[list[Sample], bool]:
    """Facts on, below, above and between all values that they are compared with, and whether that is every combination."""
    values: dict[str, set[conditions.Value]] = {}
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


def _range(kind: str, values: set[conditions.Value]) -> list[str | int | float | bool]:
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
