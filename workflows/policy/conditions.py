"""Conditions of the policy: CEL over typed facts, checked when the policy is read, evaluated when somebody asks."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from workflows.errors import GovernanceError
from workflows.policy.facts import FACTS, Facts

MAX_LENGTH = 1000

_PLACE = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")
_NUMBERS = re.compile(r"\((?:double, int|int, double)\)")
_UNKNOWN = re.compile(r"undeclared reference to '([^']*)'")


class ConditionFailed(GovernanceError):
    """A condition could not be evaluated for this request, so nothing was decided by it."""


def fault(text: str, subject_type: str) -> str | None:
    """What is wrong with a condition over this subject's facts, in words; None for a good one."""
    if len(text) > MAX_LENGTH:
        return f"a condition has at most {MAX_LENGTH} characters"
    try:
        type_name = _compiled(text, subject_type).return_type().name()
    except RuntimeError as error:
        return _words(str(error), subject_type)
    if type_name != "BOOL":
        return f"a condition is true or false, and this one is {type_name.lower()}: {text}"
    return None


def holds(text: str, subject_type: str, facts: Facts) -> bool:
    """Whether a condition holds for these facts. Raises ConditionFailed, with the condition, when that cannot be told."""
    try:
        result = _compiled(text, subject_type).eval(data=dict(facts))
        value = result.value()
    except RuntimeError as error:
        raise ConditionFailed(_untold(text, str(error))) from None
    if not isinstance(value, bool):
        raise ConditionFailed(_untold(text, str(value)))
    return value


def constant(text: str, subject_type: str) -> bool | None:
    """What a condition says whatever the facts are; None when it depends on them."""
    try:
        return holds(text, subject_type, {})
    except ConditionFailed:
        return None


def names_in(text: str, subject_type: str) -> list[str]:
    """The facts that a condition speaks of."""
    return [
        name
        for name in FACTS[subject_type]
        if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)
    ]


_TEXT = re.compile(r"""(["'])((?:(?!\1)[^\\])*)\1""")


def texts_in(text: str) -> list[str]:
    """The texts that a condition compares with, as it writes them."""
    return [match[2] for match in _TEXT.finditer(text)]


def _untold(text: str, why: str) -> str:
    cause = why.splitlines()[0].removeprefix("INVALID_ARGUMENT: ").strip()
    return (
        f"The policy's condition `{text}` could not be told for this request ({cause[:200]}). Nothing was sent; "
        "ask an administrator to mend it in governance.yml."
    )


def _words(error: str, subject_type: str) -> str:
    match = _PLACE.search(error)
    if match is None:
        return error.splitlines()[0]
    place, cause = f"character {match[2]}", match[3]
    if unknown := _UNKNOWN.search(cause):
        known = ", ".join(FACTS[subject_type])
        return f"{place}: there is no fact {unknown[1]}; a {subject_type} has {known}"
    if _NUMBERS.search(cause):
        return f"{place}: {cause}; amounts and per cents have a decimal point, write 20.0 for 20, and whole numbers have none"
    return f"{place}: {cause}"


@lru_cache(maxsize=64)
def _environment(subject_type: str) -> Any:
    types: Mapping[str, Any] = {
        "double": cel.Type.DOUBLE,
        "int": cel.Type.INT,
        "string": cel.Type.STRING,
        "bool": cel.Type.BOOL,
    }
    return cel.NewEnv(variables={name: types[kind] for name, kind in FACTS[subject_type].items()})


@lru_cache(maxsize=1024)
def _compiled(text: str, subject_type: str) -> Any:
    return _environment(subject_type).compile(text)
