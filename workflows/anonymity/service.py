"""Disclosures: figures about groups of people that somebody was shown, and events that tell of one person."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.anonymity import queries

LEADERS, ASKED = "leaders", "asked"
"""Audiences. Whatever one of them was shown counts as known to all, because people talk, and change roles."""

UNTOLD_EVENTS = frozenset({"maturity.answered", "maturity.finished", "maturity.skipped"})
"""Actions about how one person takes part in a check-in, which webhooks never carry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure that was shown. `members` are ids that it counts and no earlier figure of its part does."""

    seq: int
    audience: str
    members: tuple[int, ...]
    figures: Mapping[str, Any]


def list_told(session: Session, scope: str) -> dict[str, list[Entry]]:
    """Part → every figure of it that was shown to any audience, oldest first."""
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
    """Keep a figure that is about to be shown; `after` are the earlier figures of its part, by which it was judged.

    False when another transaction has shown a figure of this part since: then this one may not be shown. That can't
    happen to a caller who has locked what the scope is about.
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
    """Figures that were judged in a read transaction, to be kept in the transaction that shows them.

    Judging can take long, and a write transaction has to be short.
    """

    _records: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def add(self, scope: str, part: str, **what: Any) -> None:
        """As `record_told`."""
        self._records.append((scope, part, what))

    def keep(self, session: Session) -> bool:
        """Keep all figures. False when another one was shown meanwhile: roll back, as none of these may be shown."""
        return all(record_told(session, scope, part, **what) for scope, part, what in self._records)
