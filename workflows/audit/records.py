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
class NotedErasure:
    """That a person was erased, as the anchor keeps it for copies that still know them: an opaque id and no name."""

    person_id: str
    seq: int
    """The entry of the ledger that says so."""
    at: datetime


@dataclass(frozen=True, slots=True)
class NotedRestoration:
    """That a copy of the database was put in place: the ledger goes on from its entry `seq`, and what was kept of
    later ones until then binds nobody any more."""

    seq: int
    hash: str
    known: int
    """The last entry that was known of before."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What the anchor keeps. `heads` are those that the ledger must still agree with, as (entries, hash)."""

    heads: tuple[tuple[int, str], ...] = ()
    erasures: tuple[NotedErasure, ...] = ()
    restorations: tuple[NotedRestoration, ...] = ()
    last_at: datetime | None = None
    """When the newest of its heads was published; None without any."""

    @property
    def known(self) -> int:
        """The last entry of the ledger that the anchor knows of and that was not given up; 0 for none."""
        return max((seq for seq, _hash in self.heads), default=0)


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
