"""The question that a release's request answers: every field of the form, and one digest over all of them. Pure.

What mlgov reads of its own record (tier, class, who owns the project) is no part of it: that is today's, and kept
with the request. The fields come from the form itself, so one that is added later is part of the question at once.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from workflows.errors import GovernanceError
from workflows.releases.forms import AskRelease, Kind

SAYS_WHY = "says_why"
"""The fact that says whether the asker gave a reason; without one, mlgov wrote a sentence in its place."""
GATE = "gate"


def _kinds(annotation: object, metadata: Sequence[object]) -> set[Kind]:
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
    return tuple(str(word) for word in list_values(getattr(form, field)))


def list_fields(form: AskRelease, project: str, people: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks, by field, without its free text: the gate as the policy writes it, the key of the project, and
    people by their ids. `people` are word → id, for every word that `list_named` gives. Raises KeyError for one without.
    """
    asked: dict[str, Any] = form.model_dump(mode="json", exclude=set(WORDS))
    for field in PEOPLE:
        value = getattr(form, field)
        if value is not None:
            ids = sorted({people[word] for word in list_named_in(form, field)})
            asked[field] = ids if isinstance(value, tuple) else ids[0]
    return asked | {GATE: form.gate_name, "project": project}


def list_values(value: object) -> tuple[object, ...]:
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


def _describe_difference(name: str, before: object, now: object, names: Mapping[str, str]) -> str:
    label = LABELS.get(name, name.replace("_", " "))
    if name in WORDS:
        return f"the {label} is another"
    verb = "are" if name.endswith("s") else "is"
    there, here = (_describe_value(name, value, names) for value in (before, now))
    return f"the {label} {verb} {there} there, and {here} here"


def _describe_value(name: str, value: object, names: Mapping[str, str]) -> str:
    if value is None:
        return "not said"
    if name in PEOPLE:
        people = sorted(names.get(str(one), "somebody else") for one in list_values(value))
        return ", ".join(people) or "nobody"
    return str(value)


# --- Whether an answer of mlgov's is about what was asked
#
# for whoever asked, who must not take another one for it. Pure.


class AnotherQuestion(GovernanceError):
    """The answer is about something else than what was asked."""


def require_answer(
    form: AskRelease, answer: object, first: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The answer, once it is about what `form` asks.

    `first` is the answer to the asking itself, None when this is that one. It says whom the words of the form stand
    for, which project is meant where the form names none, and which request and question every later answer is about.
    Raises AnotherQuestion.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("asked"), dict):
        raise AnotherQuestion(
            "The answer doesn't say what it is about, so it can't be taken for one. "
            "Does MLGOV_URL lead to an mlgov of this release or a later one?"
        )
    asked: dict[str, Any] = answer["asked"]
    opening = first if first is not None else answer
    wanted = _wanted_question(form, opening)
    strange = sorted(asked.keys() - AskRelease.model_fields.keys())
    if strange:
        raise _another_question(answer, f"it says {strange[0]}, which was not asked")
    names = {person: word for word, person in (opening.get("people") or {}).items()}
    different = list_differences(asked, wanted | _wanted_words(form, asked), names)
    if different:
        raise _another_question(answer, "; ".join(one.words for one in different))
    if form.reason and answer.get("reason") != form.reason:
        raise _another_question(answer, "the reason is another")
    for name in ("gate", "subject", "digest", "commit", "environment", "project"):
        if answer.get(name) != asked.get(name):
            raise _another_question(answer, f"it contradicts itself about the {name}")
    if answer.get("question") != digest_question(asked):
        raise _another_question(answer, "its digest is not that of the question")
    for name in ("id", "question"):
        if answer.get(name) != opening.get(name):
            raise _another_question(answer, f"its {name} is not the one that was asked first")
    if isinstance(signed := answer.get("statement"), dict):
        _require_payload(form, opening, signed.get("payload"))
    return answer


def require_statement(form: AskRelease, answer: Mapping[str, Any], envelope: bytes) -> None:
    """Refuse a statement that is about something else than what `form` asked and `answer` answers. Raises AnotherQuestion.

    Its signature is for `mlgov verify`, where the release is deployed.
    """
    try:
        payload = json.loads(envelope)["payload"]
    except (ValueError, KeyError, TypeError, RecursionError):
        payload = None
    _require_payload(form, answer, payload)


def _require_payload(form: AskRelease, answer: Mapping[str, Any], payload: str | None) -> None:
    try:
        statement = json.loads(base64.b64decode(payload or "", validate=True))
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        says = {
            "subject": subject["name"],
            "digest": f"sha256:{subject['digest']['sha256']}",
            **{name: predicate[name] for name in ("gate", "project", "commit")},
            "environment": predicate["environment"],
            "approval": predicate["approval"],
            "question": predicate.get("question"),
            "asked": predicate.get("asked") or {},
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AnotherQuestion(
            "Approved, but the statement can't be read, so it was not kept."
        ) from None
    asked = answer["asked"]
    for name in ("subject", "digest", "gate", "project", "commit", "environment"):
        if says[name] != asked.get(name):
            raise _another_statement(name, says[name], asked.get(name))
    for name, value in says["asked"].items():
        if name in AskRelease.model_fields and value != asked.get(name):
            raise _another_statement(name, value, asked.get(name))
    if says["approval"] != answer.get("id"):
        raise _another_statement("request", says["approval"], answer.get("id"))
    # None in what a release of mlgov issued that did not say it yet.
    if says["question"] not in (None, answer.get("question")):
        raise _another_statement("question", says["question"], answer.get("question"))


def _wanted_question(form: AskRelease, opening: Mapping[str, Any]) -> dict[str, Any]:
    people = opening.get("people") or {}
    unknown = sorted(list_named(form) - people.keys())
    if unknown:
        raise AnotherQuestion(f"The answer doesn't say who {unknown[0]} is.")
    project = (
        form.project.strip().casefold()
        if form.project is not None
        else (opening.get("asked") or {}).get("project")
    )
    return build_question(list_fields(form, project or "", people), {})


def _wanted_words(form: AskRelease, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of free text, which stand in a question by their digests: the words themselves are compared apart."""
    return {name: asked.get(name, "") for name in WORDS if getattr(form, name)}


def _another_question(answer: Mapping[str, Any], why: str) -> AnotherQuestion:
    return AnotherQuestion(
        f"The answer is about something else than what was asked (request {answer.get('id')}): {why}. "
        "Nothing here is approved by it."
    )


def _another_statement(name: str, says: object, asked: object) -> AnotherQuestion:
    return AnotherQuestion(
        f"Approved, but the statement is about another {name} ({says or 'none'}, not {asked or 'none'}), so it was not kept. "
        "Nothing here is approved by it."
    )
