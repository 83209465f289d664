"""What reads of the ledger return."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A head of the ledger on its way out: how many entries there are, the hash of the last, and when it was read."""

    seq: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verification:
    """What `mlgov audit verify` found. `broken` is the first entry at fault, None when everything holds."""

    entries: int
    hash: str
    compared: int
    """How many heads that were kept outside the database it was compared with."""
    broken: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether the whole chain, the texts beside it and every head kept outside agree."""
        return self.broken is None
