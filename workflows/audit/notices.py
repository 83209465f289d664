"""What the ledger tells the world outside its database."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class LedgerHead(Notice):
    """The head of the ledger, as it stands when this is sent: at least as far as the entry that caused it."""

    kind: ClassVar[str] = "audit.head"
    why: str
    """`daily`, or the final decision that caused it (`approval:42`)."""


@dataclass(frozen=True, slots=True)
class PersonErased(Notice):
    """For the anchor alone: a person was erased, so that they are erased once more from a copy that knows them."""

    kind: ClassVar[str] = "audit.erased"
    person_id: str
