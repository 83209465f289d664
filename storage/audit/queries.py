"""Reads of the ledger, and which rows the transaction has locked."""

from collections.abc import Collection, Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry

# --- Rows that this transaction has locked, so that sealing doesn't lock them again: a round trip

_LOCKED = "locked"


def hold(session: Session, kind: str, id_: str | int) -> None:
    """Note that this transaction holds the row's lock until its end.

    Ignored inside a savepoint: rolling that back releases the locks taken in it.
    """
    if not session.in_nested_transaction():
        session.info.setdefault(_LOCKED, set()).add((kind, str(id_)))


def is_held(session: Session, kind: str, id_: str | int) -> bool:
    """Whether `hold` was called for this row in this transaction."""
    return (kind, str(id_)) in session.info.get(_LOCKED, ())


# --- Reads of the ledger

_PART = 400
"""Subjects in one statement."""


def list_about(session: Session, subjects: Collection[tuple[str, str]]) -> Sequence[AuditEntry]:
    """Entries about these (type, id), oldest first."""
    wanted = sorted(set(subjects))
    entries: list[AuditEntry] = []
    for start in range(0, len(wanted), _PART):
        part = wanted[start : start + _PART]
        entries += session.execute(
            select(AuditEntry).where(
                tuple_(AuditEntry.subject_type, AuditEntry.subject_id).in_(part)
            )
        ).scalars()
    return sorted(entries, key=lambda entry: entry.seq)


def find_hashes(session: Session, seqs: Collection[int]) -> dict[int, str]:
    """Entry number → hash, for those that are there."""
    wanted = sorted(set(seqs))
    by_seq: dict[int, str] = {}
    for start in range(0, len(wanted), _PART):
        rows = session.execute(
            select(AuditEntry.seq, AuditEntry.hash).where(
                AuditEntry.seq.in_(wanted[start : start + _PART])
            )
        )
        by_seq |= {row.seq: row.hash for row in rows}
    return by_seq
