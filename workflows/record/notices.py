"""What people are told about the record."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class RecordChanged(Notice):
    """Places of the record that were changed outside mlgov, by the keys under which the ledger keeps them."""

    kind: ClassVar[str] = "record.changed"
    keys: tuple[str, ...]
    number: int
    """How many there are in all; only the first few are named."""
