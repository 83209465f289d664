"""The question that a release's request answers: every field of the form, and one digest over all of them. Pure.

What mlgov reads of its own record (tier, class, who owns the project) is no part of it: that is today's, and kept
with the request. The fields come from the form itself, so one that is added later is part of the question at once.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from workflows.releases.forms import AskRelease, Kind

SAYS_WHY = "says_why"
"""The fact that says whether the asker gave a reason; without one, mlgov wrote a sentence in its place."""
GATE = "gate"


def _kinds(annotation: Any, metadata: Sequence[Any]) -> set[Kind]:
    marked = {each for each in metadata if isinstance(each, Kind)}
    for part in get_args(annotation):
        if isinstance(part, Kind):
            marked.add(part)
        elif get_args(part):
            marked |= _kinds(part, ())
    return marked


_MARKED = {
    name: _kinds(field.annotation, field.metadata)
    for name, field in AskRelease.model_fields.items()
}
PEOPLE = frozenset(name for name, kinds in _MARKED.items() if Kind.PERSON in kinds)
"""Fields that name people."""
WORDS = frozenset(name for name, kinds in _MARKED.items() if Kind.WORDS in kinds)
"""Fields of free text, which facts never hold."""

LABELS = {"data_class": "class of the data", "url": "address of the run"}
"""What people call a field, where that is not its name."""


def list_named(form: AskRelease) -> set[str]:
    """Everybody whom a form names, in its words."""
    return {word for field in PEOPLE for word in list_named_in(form, field)}


def list_named_in(form: AskRelease, field: str) -> tuple[str, ...]:
    """Whom one field of a form names."""
    return list_values(getattr(form, field))


def list_fields(form: AskRelease, project: str, people: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks, by field, without its free text: the gate as the policy writes it, the key of the project, and
    people by their ids. `people` are word → id, for every word that `list_named` gives. Raises KeyError for one without.
    """
    asked: dict[str, Any] = form.model_dump(mode="json", exclude=set(WORDS))
    for field in PEOPLE:
        value = getattr(form, field)
        if value is not None:
            ids = sorted({people[word] for word in list_values(value)})
            asked[field] = ids if isinstance(value, tuple) else ids[0]
    return asked | {GATE: form.gate_name, "project": project}


def list_values(value: Any) -> tuple[Any, ...]:
    """The values of a field that holds one, several or none."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def build_question(facts: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """The question by field, from what `list_fields` gave and the salted digests of its `words`. What was not said is left out."""
    known = {name: facts.get(name) for name in AskRelease.model_fields if name not in WORDS}
    return {
        name: value
        for name, value in {**known, **words}.items()
        if value is not None and name in AskRelease.model_fields
    }


def digest_question(asked: Mapping[str, Any]) -> str:
    """SHA-256 over a question in canonical JSON: equal exactly when every field is."""
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two questions differ, and how, in words."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Apart:
    """A request about the same release that waits at the same gate, and why an asking did not join it."""

    id: int
    differences: tuple[Difference, ...]


def list_differences(
    before: Mapping[str, Any], now: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[Difference, ...]:
    """In what two questions differ. `names` are ids of people → what they are called."""
    return tuple(
        Difference(name, _describe_difference(name, before.get(name), now.get(name), names))
        for name in AskRelease.model_fields
        if before.get(name) != now.get(name)
    )


def _describe_difference(name: str, before: Any, now: Any, names: Mapping[str, str]) -> str:
    label = LABELS.get(name, name.replace("_", " "))
    if name in WORDS:
        return f"the {label} is another"
    verb = "are" if name.endswith("s") else "is"
    there, here = (_describe_value(name, value, names) for value in (before, now))
    return f"the {label} {verb} {there} there, and {here} here"


def _describe_value(name: str, value: Any, names: Mapping[str, str]) -> str:
    if value is None:
        return "not said"
    if name in PEOPLE:
        people = sorted(names.get(one, "somebody else") for one in list_values(value))
        return ", ".join(people) or "nobody"
    return str(value)
