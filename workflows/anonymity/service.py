"""The ledger of disclosures: what was told of groups of people, to whom, and which events tell of one person."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.anonymity import queries

LEADERS, ASKED = "leaders", "asked"
"""Audiences. What one of them was told counts as known to all: people talk, and move on."""

UNTOLD_EVENTS = frozenset({"maturity.answered", "maturity.finished", "maturity.skipped"})
"""Entries of the ledger about how one person takes part in a check-in; systems outside are not told of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure that was told. `members` are the ids that it was the first of its part to count."""

    seq: int
    audience: str
    members: tuple[int, ...]
    figures: Mapping[str, Any]


def list_told(session: Session, scope: str) -> dict[str, list[Entry]]:
    """What was told in a scope to whomever, by part, oldest first."""
    parts: dict[str, list[Entry]] = {}
    for row in queries.list_told(session, scope):
        parts.setdefault(row.part, []).append(
            Entry(row.seq, row.audience, tuple(row.members), row.figures)
        )
    return parts


def record_told(
    session: Session,
    scope: str,
    part: str,
    *,
    after: Collection[Entry],
    audience: str,
    members: Collection[int],
    figures: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Keep what is being told; `after` is what was told of this part before.

    False when something else of this part was told meanwhile: then this may not be told. It can't be for those who have
    locked what the scope is about.
    """
    return queries.add(
        session,
        {
            "scope": scope,
            "part": part,
            "seq": max((one.seq for one in after), default=0) + 1,
            "audience": audience,
            "members": sorted(members),
            "figures": dict(figures),
            "told_at": now,
        },
    )


@dataclass(slots=True)
class DisclosureBatch:
    """What is going to be told, found out where nothing is written, to be kept in the transaction that tells it."""

    _records: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def add(self, scope: str, part: str, **what: Any) -> None:
        """As `record_told`."""
        self._records.append((scope, part, what))

    def keep(self, session: Session) -> bool:
        """Keep all of it. False when something else was told meanwhile: then none of this may be told."""
        return all(record_told(session, scope, part, **what) for scope, part, what in self._records)
