"""Notices of the ledger to the world outside its database."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class LedgerHead(Notice):
    """The head of the ledger, read when this is sent, so it covers at least the entry that caused it."""

    kind: ClassVar[str] = "audit.head"
    why: str
    """`daily`, or the final decision that caused it (`approval:42`)."""


@dataclass(frozen=True, slots=True)
class PersonErased(Notice):
    """For the anchor alone: a person was erased, and has to be erased again from a restored copy that knows them."""

    kind: ClassVar[str] = "audit.erased"
    person_id: str
