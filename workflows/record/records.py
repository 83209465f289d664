"""What a comparison of the record with the ledger finds."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SAFE = re.compile(r"[\w:.+@-]{0,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the record and the ledger disagree. Ids, times and values; names come when it is told."""

    what: str
    """What kind of fault it is: `changed`, `added`, `gone`, …; see `wording`."""
    kind: str = ""
    """The type of subject: `approval`, `budget`, …"""
    id: str = ""
    entry: int | None = None
    """The entry of the ledger that proves otherwise, or the first one at fault."""
    field: str = ""
    ledger: str = ""
    """What the ledger says; empty for nothing."""
    table: str = ""
    """What the database says; empty for nothing."""
    person: str = ""
    """Whose decision, words or erasure it is, by opaque id."""
    day: str = ""
    """When that was, as ISO 8601."""

    def facts(self) -> dict[str, Any]:
        """As the ledger keeps it. What stands in a table may be anybody's words by now: those are left out."""
        return {
            "what": self.what,
            "kind": self.kind,
            "id": _safe(self.id),
            "entry": self.entry,
            "field": self.field,
            "ledger": _safe(self.ledger),
            "table": _safe(self.table),
            "person": _safe(self.person),
            "day": _safe(self.day),
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Fault":
        """From what the ledger keeps."""
        return cls(**{name: facts[name] for name in cls.__slots__ if name in facts})

    @property
    def key(self) -> str:
        """Names the fault, so that it is told once."""
        text = json.dumps([str(value) for value in self.facts().values()])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _safe(value: str) -> str:
    return value if _SAFE.fullmatch(value) else "something else"


@dataclass(frozen=True, slots=True)
class DescribedFault:
    """A fault in words."""

    fault: Fault
    sentence: str
    """What was changed, naming decision, person and day."""
    mend: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How far a comparison came."""

    subjects: int = 0
    """Requests, budgets, versions, tokens, … that were compared."""
    unproven: int = 0
    """Those whose last entry is of a release that sealed nothing: compared only by what older entries tell."""
    faults: tuple[Fault, ...] = ()
