"""Questions that were asked, from the record, beside one that is asked now."""

import re
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.people import lookups
from storage.releases import queries
from storage.releases.queries import AskedRow
from workflows.errors import InvalidInput
from workflows.releases import rules
from workflows.releases.forms import AskRelease
from workflows.sources.text import folded_email


def resolve_people(session: Session, asked: AskRelease) -> dict[str, str]:
    """Whom the words of a form stand for: word → person id. Raises InvalidInput for somebody who is nobody here."""
    words = {word: _folded(word) for word in rules.list_named(asked)}
    known = queries.find_people(session, set(words.values())) if words else {}
    for field in sorted(rules.PEOPLE):
        for word in rules.list_named_in(asked, field):
            if words[word] not in known:
                raise InvalidInput(
                    f"Nobody here is {word!r}: give a member id like U024BE7LH, or a member's e-mail address.",
                    field=field,
                )
    return {word: known[folded] for word, folded in words.items()}


def question_of(row: AskedRow) -> dict[str, Any]:
    """What a request was asked, by field (see `rules.build_question`)."""
    facts, words = _facts(row), {}
    if facts[rules.SAYS_WHY] and row.reason_sha256 is not None:
        words["reason"] = row.reason_sha256
    return rules.build_question(facts, words)


def question_beside(row: AskedRow, form: AskRelease, facts: dict[str, Any]) -> dict[str, Any]:
    """What a form asks (`facts` as `rules.list_fields` gave them), with its words digested as those of `row` were.

    Erased words have no salt any more, so nothing equals them.
    """
    words = {}
    if form.reason:
        words["reason"] = ledger.digest_text(row.reason_salt or "", form.reason)
    return rules.build_question(facts, words)


def list_differences(
    session: Session, before: dict[str, Any], now: dict[str, Any]
) -> tuple[rules.Difference, ...]:
    """In what two questions differ, with people by name."""
    ids = {
        person
        for asked in (before, now)
        for field in rules.PEOPLE
        for person in rules.list_values(asked.get(field))
    }
    rows = lookups.find_people(session, ids) if ids else {}
    return rules.list_differences(before, now, {person: row.name for person, row in rows.items()})


_NO_REASON = re.compile(r"Asked by .*; no reason was given\.", re.DOTALL)


def reason_of(form: AskRelease, token_name: str) -> str:
    """What those who decide read as the reason."""
    return form.reason or f"Asked by {token_name}; no reason was given."


def _facts(row: AskedRow) -> dict[str, Any]:
    """The facts of a request with every field of the question; of one that an older release opened, as far as its row tells."""
    if rules.GATE in row.facts:
        return dict(row.facts)
    bound = row.bound or {}
    people = bound.get("people", {})
    return {
        **row.facts,
        rules.GATE: row.gate,
        "project": row.project,
        "developer": people.get("developer"),
        "validator": people.get("validator"),
        "contributors": sorted(bound.get("contributors", ())) or None,
        rules.SAYS_WHY: not _NO_REASON.fullmatch(row.reason or ""),
    }


def _folded(word: str) -> str:
    return folded_email(word) or word if "@" in word else word
