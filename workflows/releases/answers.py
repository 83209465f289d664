"""Whether an answer of mlgov's is about what was asked: for whoever asked, who must not take another one for it. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from workflows.errors import GovernanceError
from workflows.releases import rules
from workflows.releases.forms import AskRelease


class AnotherQuestion(GovernanceError):
    """The answer is about something else than what was asked."""


def require_answer(
    form: AskRelease, answer: Any, first: Mapping[str, Any] | None
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
    different = rules.list_differences(asked, wanted | _wanted_words(form, asked), names)
    if different:
        raise _another_question(answer, "; ".join(one.words for one in different))
    if form.reason and answer.get("reason") != form.reason:
        raise _another_question(answer, "the reason is another")
    for name in ("gate", "subject", "digest", "commit", "environment", "project"):
        if answer.get(name) != asked.get(name):
            raise _another_question(answer, f"it contradicts itself about the {name}")
    if answer.get("question") != rules.digest_question(asked):
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


def _require_payload(form: AskRelease, answer: Mapping[str, Any], payload: Any) -> None:
    try:
        statement = json.loads(base64.b64decode(payload, validate=True))
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
    unknown = sorted(rules.list_named(form) - people.keys())
    if unknown:
        raise AnotherQuestion(f"The answer doesn't say who {unknown[0]} is.")
    project = (
        form.project.strip().casefold()
        if form.project is not None
        else (opening.get("asked") or {}).get("project")
    )
    return rules.build_question(rules.list_fields(form, project or "", people), {})


def _wanted_words(form: AskRelease, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of free text, which stand in a question by their digests: the words themselves are compared apart."""
    return {name: asked.get(name, "") for name in rules.WORDS if getattr(form, name)}


def _another_question(answer: Mapping[str, Any], why: str) -> AnotherQuestion:
    return AnotherQuestion(
        f"The answer is about something else than what was asked (request {answer.get('id')}): {why}. "
        "Nothing here is approved by it."
    )


def _another_statement(name: str, says: Any, asked: Any) -> AnotherQuestion:
    return AnotherQuestion(
        f"Approved, but the statement is about another {name} ({says or 'none'}, not {asked or 'none'}), so it was not kept. "
        "Nothing here is approved by it."
    )
