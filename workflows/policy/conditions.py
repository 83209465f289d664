"""Conditions of the policy: CEL over typed facts, checked when the policy is read, evaluated when somebody asks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from cel_expr_python import cel

from workflows.errors import GovernanceError

# --- What conditions may speak of, per kind of subject
#
# names and types. The subject types fill exactly these.

FactType = Literal["double", "int", "string", "bool"]
Facts = Mapping[str, str | int | float | bool]
"""The facts of one request, by name. Money and per cents are doubles here and nowhere else: they choose who is asked,
never what is booked."""

_PROJECT: dict[str, FactType] = {
    "project.key": "string",
    "project.category": "string",
    "project.status": "string",
    "project.business_unit": "string",
}

FACTS: Mapping[str, Mapping[str, FactType]] = MappingProxyType(
    {
        "budget": {
            "increase.percent": "double",
            "increase.amount": "double",
            "increase.new": "double",
            "increase.currency": "string",
            "increase.scope": "string",
            **_PROJECT,
        },
        "milestone": {
            "delay.days": "int",
            "delay.total_days": "int",
            "milestone.type": "string",
            **_PROJECT,
        },
        "release": {
            "model.name": "string",
            "model.version": "string",
            "model.tier": "int",
            "environment": "string",
            "data.class": "string",
            "region": "string",
            **_PROJECT,
        },
        "model_version": {
            "model.name": "string",
            "model.version": "string",
            "model.tier": "int",
            "model.kind": "string",
            "model.eu_class": "string",
            "model.exposure": "string",
            "model.affects_people": "bool",
            "evidence.waived": "int",
            "evidence.flagged": "int",
            "findings.open": "int",
            "findings.high": "int",
            **_PROJECT,
        },
        "case": {
            "case.costs": "double",
            "case.benefits": "double",
            "case.npv": "double",
            "case.multiple": "double",
            "case.months": "int",
            "case.currency": "string",
            "case.tier": "int",
            "case.is_first": "bool",
            "case.cost_change": "double",
            **_PROJECT,
        },
    }
)

SUBJECT_OF = {
    "budget_increase": "budget",
    "milestone_reschedule": "milestone",
    "model_approval": "model_version",
    "business_case": "case",
}
"""Gates whose name says what is decided there; every other gate is for a release unless it says `for`."""


# --- Conditions of the policy
#
# CEL over typed facts, checked when the policy is read, evaluated when somebody asks.

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
def _environment(subject_type: str) -> cel.Env:
    types: Mapping[str, Any] = {
        "double": cel.Type.DOUBLE,
        "int": cel.Type.INT,
        "string": cel.Type.STRING,
        "bool": cel.Type.BOOL,
    }
    return cel.NewEnv(variables={name: types[kind] for name, kind in FACTS[subject_type].items()})


@lru_cache(maxsize=1024)
def _compiled(text: str, subject_type: str) -> cel.Expression:
    return _environment(subject_type).compile(text)


# --- Which conditions can be judged by trying
#
# those that only compare a fact with values that stand in them.

Value = str | float | bool

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"\\]*"|'[^'\\]*')"""
    r"""|(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"""
    r"""|(?P<name>[A-Za-z_][\w.]*)|(?P<sign>&&|\|\||[=!<>]=|[<>!(),\[\]]))"""
)
_ORDER = ("<", "<=", ">", ">=")
_EQUAL = ("==", "!=")
_LITERAL_CALL = re.compile(
    r"""(?P<call>(?:duration|timestamp|int|uint|double|bool)\(\s*(?P<first>"[^"]*"|'[^']*')\s*\))"""
    r"""|\.matches\(\s*(?P<second>r?"[^"]*"|r?'[^']*')\s*\)"""
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


class _NotDecidable(Exception):
    """The condition does more than compare facts with values."""


def constants(text: str, subject_type: str) -> dict[str, set[Value]] | None:
    """What each fact of a condition is compared with; None where the condition does anything else.

    Such a condition changes only where a fact passes one of these values, so trying all around them proves what it does.
    Functions, sums, comparisons of two facts and the order of texts are anything else.
    """
    try:
        return _constants(list(_tokens(text)), FACTS[subject_type])
    except _NotDecidable:
        return None


def wrong_literal(text: str, subject_type: str) -> str | None:
    """What is wrong with a pattern, duration or time that stands in a condition, in words; None where nothing is."""
    for match in _LITERAL_CALL.finditer(text):
        literal = match["first"] or match["second"]
        call = match["call"]
        probe = f"{call} == {call}" if call else f"''.matches({literal})"
        try:
            holds(probe, subject_type, {})
        except ConditionFailed as error:
            if call is None:
                return f"{literal} is no regular expression"
            if call.startswith("duration"):
                return f"{literal} is no duration; write it in h, m and s, like '36h'"
            if call.startswith("timestamp"):
                return f"{literal} is no time; write it like '2026-01-31T00:00:00Z'"
            return f"{call} can't be told ({error.sentence.partition('(')[2].partition(')')[0]})"
    return None


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _NotDecidable
        yield _Token(match.lastgroup, match[match.lastgroup])
        place = match.end()


def _constants(tokens: list[_Token], facts: Mapping[str, str]) -> dict[str, set[Value]]:
    constants: dict[str, set[Value]] = {}
    used: set[int] = set()
    for place, token in enumerate(tokens):
        if token.text == "in" and token.kind == "name":
            end, values = _list(tokens, place + 1)
            fact = tokens[place - 1].text if place else ""
            _know(constants, facts, fact, "==", values)
            used |= set(range(place - 1, end + 1))
        elif token.kind == "sign" and token.text in (*_ORDER, *_EQUAL):
            if not 0 < place < len(tokens) - 1:
                raise _NotDecidable
            left, right = tokens[place - 1], tokens[place + 1]
            if left.text not in facts or left.kind != "name":
                left, right = right, left
            if {place - 1, place + 1} & used:
                raise _NotDecidable
            _know(constants, facts, left.text, token.text, [right])
            used |= {place - 1, place, place + 1}
    for place, token in enumerate(tokens):
        if place in used:
            continue
        if token.kind == "name" and facts.get(token.text) == "bool":
            constants.setdefault(token.text, set()).update((True, False))
        elif token.kind == "name" and token.text in ("true", "false"):
            continue
        elif token.kind != "sign" or token.text not in ("&&", "||", "!", "(", ")"):
            raise _NotDecidable
    return constants


def _list(tokens: list[_Token], start: int) -> tuple[int, list[_Token]]:
    """Where a list of values ends, and the values."""
    if start >= len(tokens) or tokens[start].text != "[":
        raise _NotDecidable
    values: list[_Token] = []
    for place in range(start + 1, len(tokens)):
        token = tokens[place]
        if token.text == "]" and token.kind == "sign":
            return place, values
        if token.kind in ("text", "number"):
            values.append(token)
        elif token.text != ",":
            break
    raise _NotDecidable


def _know(
    constants: dict[str, set[Value]],
    facts: Mapping[str, str],
    fact: str,
    sign: str,
    values: list[_Token],
) -> None:
    kind = facts.get(fact)
    for value in values:
        if kind == "string" and value.kind == "text" and sign in _EQUAL:
            constants.setdefault(fact, set()).add(value.text[1:-1])
        elif kind in ("double", "int") and value.kind == "number":
            constants.setdefault(fact, set()).add(float(value.text))
        elif kind == "bool" and value.text in ("true", "false") and sign in _EQUAL:
            constants.setdefault(fact, set()).update((True, False))
        else:
            raise _NotDecidable
    constants.setdefault(fact, set())
