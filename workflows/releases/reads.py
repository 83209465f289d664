"""Looks at requests for those who follow them from outside Slack."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.enums import ApprovalState
from storage.people import lookups
from storage.releases import queries
from storage.releases.queries import AskedRow
from workflows.errors import InvalidInput, NotFound, RefusalFact
from workflows.releases import rules
from workflows.releases.forms import AskRelease
from workflows.sources.text import folded_email

# --- Questions that were asked, from the record, beside one that is asked now


def resolve_people(session: Session, asked: AskRelease) -> dict[str, str]:
    """Whom the words of a form stand for: word → person id. Raises InvalidInput for somebody who is nobody here."""
    words = {word: _folded(word) for word in rules.list_named(asked)}
    known = queries.find_people(session, set(words.values())) if words else {}
    for asked_field in sorted(rules.PEOPLE):
        for word in rules.list_named_in(asked, asked_field):
            if words[word] not in known:
                raise InvalidInput(
                    f"Nobody here is {word!r}: give a member id like U024BE7LH, or a member's e-mail address.",
                    field=asked_field,
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
        str(person)
        for asked in (before, now)
        for asked_field in rules.PEOPLE
        for person in rules.list_values(asked.get(asked_field))
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


# --- Looks at requests for those who follow them from outside Slack


@dataclass(frozen=True, slots=True)
class Mark:
    """How a request stands, in short: `text` differs whenever the request or a verdict on it does."""

    state: ApprovalState
    text: str

    @property
    def is_pending(self) -> bool:
        """Whether somebody may still decide."""
        return self.state is ApprovalState.PENDING


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request belongs. `asked` is the question of a release's request, by field; empty for other subjects."""

    gate: str
    project: str
    project_id: int
    requester_id: str
    asked: dict[str, Any]
    known: dict[str, Any] = field(default_factory=dict)
    """What mlgov read of its own record for it, by name."""

    @property
    def question(self) -> str | None:
        """The digest of the question; None for other subjects."""
        return rules.digest_question(self.asked) if self.asked else None


def load_marks(session: Session, ids: Collection[int]) -> dict[int, Mark]:
    """How these requests stand; those that do not exist are left out."""
    return {
        id_: Mark(ApprovalState(state), text)
        for id_, (state, text) in queries.list_marks(session, ids).items()
    }


def find_place(session: Session, approval_id: int) -> Place:
    """Where a request belongs. Raises NotFound."""
    row = queries.find_place(session, approval_id)
    if row is None:
        raise unknown_request(approval_id)
    asked = queries.find_asked(session, approval_id)
    return Place(
        row.gate,
        row.project,
        row.project_id,
        row.requester_id,
        question_of(asked) if asked is not None else {},
        {each["name"]: each["value"] for each in (row.bound or {}).get("known", ())},
    )


def list_ids(
    session: Session,
    *,
    state: ApprovalState | None,
    gates: Collection[str],
    projects: Collection[str],
    within: Collection[int] | None,
    before: int | None,
    most: int,
) -> list[int]:
    """Ids of requests, newest first; empty `gates` or `projects` mean all, and so does None for the ids `within`."""
    return list(
        queries.list_ids(
            session,
            state=state.value if state else None,
            gates=gates,
            projects=projects,
            within=within,
            before=before,
            most=most,
        )
    )


def unknown_request(approval_id: int, *, audit: RefusalFact | None = None) -> NotFound:
    """What is said of a request that is not there, or not for who asks."""
    return NotFound(
        f"There is no request {approval_id} here, or it is not for you. GET /api/v1/approvals lists those that are.",
        audit=audit,
    )
