"""Which conditions can be judged by trying: those that only compare a fact with values that stand in them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workflows.policy import conditions
from workflows.policy.facts import FACTS

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
            conditions.holds(probe, subject_type, {})
        except conditions.ConditionFailed as error:
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
