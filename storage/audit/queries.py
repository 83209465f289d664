"""Reads of the ledger by what its entries are about."""

from collections.abc import Collection, Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry

# --- Which rows this transaction has locked, so that sealing them does not ask for the same
#     locks again

_LOCKED = "locked"


def hold(session: Session, kind: str, id_: str | int) -> None:
    """This row is locked until the transaction ends. Never say it inside a savepoint: undoing that lets go of the lock."""
    if not session.in_nested_transaction():
        session.info.setdefault(_LOCKED, set()).add((kind, str(id_)))


def is_held(session: Session, kind: str, id_: str | int) -> bool:
    """Whether that was said of this row."""
    return (kind, str(id_)) in session.info.get(_LOCKED, ())


# --- Reads of the ledger by what its entries are about

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
    """Entry number → its hash."""
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
