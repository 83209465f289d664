"""The hash chain of the ledger: each entry's hash covers its content and the hash before it.

Entries are collected while a transaction runs and chained as its last statements. Every writer needs one row, the head:
so it is locked for as short a time as possible, and last of all locks, so that nobody holds it and waits for another.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from storage.audit import governed
from storage.audit.tables import AuditEntry, AuditHead, PrivateText

GENESIS = "0" * 64
"""The hash before the first entry."""

_ENTRIES, _HEADS = cast(Table, AuditEntry.__table__), cast(Table, AuditHead.__table__)
"""Tables and not classes: every transaction ends with these, and SQLAlchemy writes through a class at twice the cost."""
_HEAD = select(_HEADS.c.seq, _HEADS.c.hash).where(_HEADS.c.id == 1).with_for_update()
_INSERT = insert(_ENTRIES)
_MOVE_HEAD = (
    update(_HEADS)
    .where(_HEADS.c.id == 1)
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)
_INSERT_AND_MOVE = (
    insert(_ENTRIES)
    .values({column.name: bindparam(column.name) for column in _ENTRIES.columns})
    .add_cte(_MOVE_HEAD.cte("moved"))
)
"""PostgreSQL inserts the last entry and moves the head in one statement: one round trip less while others wait."""


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry to be chained when the transaction ends.

    `at` is governed time. `facts` hold ids, numbers and digests, never free text or names, so that a person can be
    erased and the chain still verifies (decision 2).
    """

    at: datetime
    actor_id: str
    action: str
    subject_type: str
    subject_id: str
    facts: dict[str, Any]
    record: dict[str, Any] | None = None
    """The seal: how the rows that this entry is about stand once it is written (`storage.audit.governed`)."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the number of entries and the hash of the last one."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry, `seq`, at which the chain is broken, and a sentence that says how."""

    seq: int
    reason: str


def _around_seq(entry: PendingEntry) -> tuple[str, str]:
    """The canonical text of an entry, before and after its number, which is known only once the head is locked.

    Canonical, so that anybody can hash an entry again from its values: JSON with sorted keys, no spaces, text as it is
    (no \\u escapes), times as ISO 8601 in UTC to the microsecond. Around `seq` the keys are sorted already: action,
    actor, at, facts, record come before it, subject after. `record` is left out where there is none, since entries of
    older releases have no such key and must keep their hashes.
    """
    before = {
        "action": entry.action,
        "actor": entry.actor_id,
        "at": entry.at.isoformat(timespec="microseconds"),
        "facts": entry.facts,
    }
    if entry.record is not None:
        before["record"] = entry.record
    after = {"subject": [entry.subject_type, entry.subject_id]}
    return f'{_json(before)[:-1]},"seq":', f",{_json(after)[1:]}"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(previous: str, body: str) -> str:
    """The hash of an entry: SHA-256 over the hash before it, a newline, and its canonical text."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def append(session: Session, entries: Sequence[PendingEntry]) -> None:
    """Chain the entries at the end of the ledger. Call it last: it holds the head's row lock until COMMIT.

    Sealing and all of the canonical text but the number are done before the head is locked, as every writer waits for it.
    """
    if not entries:
        return
    prepared: list[tuple[dict[str, Any], str, str]] = [
        (
            {
                "at": entry.at,
                "actor_id": entry.actor_id,
                "action": entry.action,
                "subject_type": entry.subject_type,
                "subject_id": entry.subject_id,
            },
            *_around_seq(entry),
        )
        for entry in governed.seal(session, entries)
    ]
    connection = session.connection()
    seq, previous = connection.execute(_HEAD).one()
    rows = []
    for row, before, after in prepared:
        seq += 1
        body = f"{before}{seq}{after}"
        previous = link(previous, body)
        row["seq"], row["body"], row["hash"] = seq, body, previous
        rows.append(row)
    head = {"new_seq": seq, "new_hash": previous}
    if connection.dialect.name == "postgresql":
        *others, last = rows
        if others:
            connection.execute(_INSERT, others)
        connection.execute(_INSERT_AND_MOVE, last | head)
    else:
        connection.execute(_INSERT, rows)
        connection.execute(_MOVE_HEAD, head)


def head(session: Session) -> Head:
    """The head as its row says; whether that is true is for `verify`."""
    seq, digest = session.execute(
        select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == 1)
    ).one()
    return Head(seq, digest)


def find_last_at(session: Session) -> datetime | None:
    """When the last entry was written (governed time); None for an empty ledger."""
    return session.execute(
        select(AuditEntry.at).order_by(AuditEntry.seq.desc()).limit(1)
    ).scalar_one_or_none()


def find_last_about(
    session: Session, action: str, subject_type: str, subject_id: str
) -> tuple[int, datetime] | None:
    """Number and time of the last entry with this action about a subject; None when there is none."""
    row = session.execute(
        select(AuditEntry.seq, AuditEntry.at)
        .where(
            AuditEntry.subject_type == subject_type,
            AuditEntry.subject_id == subject_id,
            AuditEntry.action == action,
        )
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.seq, row.at)


def digest_text(salt: str, text: str) -> str:
    """SHA-256(salt ‖ text), hex: all that the ledger keeps of free text.

    Without the random salt, which is erased with the text, a short text could be found by trying.
    """
    return hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).hexdigest()


def _entries(session: Session, after: int, limit: int) -> list[Any]:
    return list(
        session.execute(
            select(_ENTRIES).where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq).limit(limit)
        )
    )


SLICE = 2000
"""Entries that are read at a time, so that memory doesn't grow with the ledger."""


def group_by_seq(published: Iterable[Head]) -> dict[int, set[str]]:
    """Hashes of published heads by entry; more than one for an entry means that the chain was rewritten."""
    kept: dict[int, set[str]] = {}
    for item in published:
        kept.setdefault(item.seq, set()).add(item.hash)
    return kept


def walk(
    session: Session, after: Head, kept: Mapping[int, set[str]], *, limit: int = SLICE
) -> Head | Broken:
    """Check the next `limit` entries after a head that is trusted, and the texts that they refer to.

    The head reached, or where the chain is broken; `after` itself when no entry follows. `kept` are published heads, as
    `group_by_seq` returns them.
    """
    expected_seq, previous = after.seq, after.hash
    rows = _entries(session, after.seq, limit)
    references: list[tuple[int, dict[str, Any]]] = []
    for row in rows:
        expected_seq += 1
        if row.seq != expected_seq:
            return Broken(
                expected_seq, f"entry {expected_seq} is missing; the next one found is {row.seq}"
            )
        if link(previous, row.body) != row.hash:
            return Broken(
                row.seq, f"entry {row.seq} was changed: its hash does not follow from its content"
            )
        if (difference := _column_difference(row)) is not None:
            return Broken(
                row.seq,
                f"entry {row.seq} was changed: its column {difference} does not match its content",
            )
        previous = row.hash
        if not kept.get(row.seq, {row.hash}) <= {row.hash}:
            return Broken(
                row.seq,
                f"the chain was written anew: entry {row.seq} does not have the hash that was published for it",
            )
        if '"sha256"' in row.body:
            facts = json.loads(row.body)["facts"]
            references += [(row.seq, each) for each in _text_references(facts)]
    return _verify_texts(session, references) or Head(expected_seq, previous)


def check_end(session: Session, at: Head, kept: Mapping[int, set[str]]) -> Broken | None:
    """What is wrong with the end of a chain whose last entry is `at`; None when nothing is.

    Every published head must be in the chain, or its end was cut off, and the head's row must say the same as the chain.
    """
    stored = head(session)
    if beyond := [seq for seq in kept if seq > at.seq]:
        return Broken(
            at.seq + 1,
            f"the ledger was cut: {at.seq} entries are left, but the head of entry {max(beyond)} was published",
        )
    if stored != at:
        return Broken(
            at.seq + 1,
            f"the ledger was cut or extended: its head says {stored.seq} entries, {at.seq} are there",
        )
    return None


def check_trusted(session: Session, trusted: Head) -> Broken | None:
    """What is wrong with the entry that a trusted head ends with; None when it is there, with the same hash."""
    if trusted == Head(0, GENESIS):
        return None
    stored = session.execute(
        select(_ENTRIES.c.hash).where(_ENTRIES.c.seq == trusted.seq)
    ).scalar_one_or_none()
    if stored is None:
        return Broken(
            trusted.seq,
            f"the ledger was cut: entry {trusted.seq}, from which on it is checked, is not there",
        )
    if stored != trusted.hash:
        return Broken(
            trusted.seq,
            f"the chain was written anew: entry {trusted.seq} does not have the hash from which on it is checked",
        )
    return None


def verify(
    session: Session, published: Sequence[Head] = (), *, since: Head | None = None
) -> Broken | None:
    """Check the whole chain and compare it with heads that were published outside the database.

    Returns the first broken place, or None. The chain alone can't show that all of it was rewritten, or that its end was
    cut off; only a head kept elsewhere can. Texts must match the digests in the ledger, unless they were erased. With
    `since`, a head that is trusted, only later entries are checked.
    """
    kept = group_by_seq(published)
    at = since or Head(0, GENESIS)
    if kept.get(0, {GENESIS}) != {GENESIS}:
        return Broken(
            0, "the published head of the empty ledger is not the one that this ledger started from"
        )
    if (broken := check_trusted(session, at)) is not None:
        return broken
    while True:
        further = walk(session, at, kept)
        if isinstance(further, Broken):
            return further
        if further == at:
            return check_end(session, at, kept)
        at = further


def is_self_consistent(session: Session, seq: int) -> bool:
    """Whether an entry's hash follows from its content and the hash before it, and its columns match its content.

    False for an entry that isn't there, or whose predecessor isn't.
    """
    rows = {row.seq: row for row in _entries(session, max(seq - 2, 0), 2)}
    row = rows.get(seq)
    if row is None:
        return False
    before = GENESIS if seq == 1 else rows[seq - 1].hash if seq - 1 in rows else None
    return (
        before is not None
        and link(before, row.body) == row.hash
        and _column_difference(row) is None
    )


def _column_difference(row: Any) -> str | None:
    """The first column that differs from the hashed body, None when none does. Columns are for queries; only the body is
    hashed, so a changed column alone would not break the chain."""
    try:
        body = json.loads(row.body)
        sealed = (body["seq"], body["actor"], body["action"], body["at"], *body["subject"])
    except (ValueError, KeyError, TypeError):
        return "body"
    at = row.at.isoformat(timespec="microseconds")
    columns = (row.seq, row.actor_id, row.action, at, row.subject_type, row.subject_id)
    names = ("seq", "actor_id", "action", "at", "subject_type", "subject_id")
    return next((name for name, a, b in zip(names, sealed, columns, strict=False) if a != b), None)


_TEXTS_AT_ONCE = 400
"""Ids in one statement, each a bind parameter (`storage.people.lookups.PART`)."""


def _verify_texts(
    session: Session, references: Sequence[tuple[int, dict[str, Any]]]
) -> Broken | None:
    texts: dict[int, Any] = {}
    wanted = sorted({reference["text"] for _, reference in references})
    for start in range(0, len(wanted), _TEXTS_AT_ONCE):
        rows = session.execute(
            select(PrivateText.id, PrivateText.salt, PrivateText.text, PrivateText.erased_at).where(
                PrivateText.id.in_(wanted[start : start + _TEXTS_AT_ONCE])
            )
        )
        texts |= {row.id: row for row in rows}
    for seq, reference in references:
        row = texts.get(reference["text"])
        if row is None:
            return Broken(seq, f"the text beside entry {seq} was removed without being erased")
        if row.erased_at is not None and row.text is None:
            continue
        if (
            row.salt is None
            or row.text is None
            or digest_text(row.salt, row.text) != reference["sha256"]
        ):
            return Broken(seq, f"the text beside entry {seq} was changed")
    return None


def _text_references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.keys() == {"text", "sha256"}:
            yield value
        else:
            for inner in value.values():
                yield from _text_references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _text_references(inner)
