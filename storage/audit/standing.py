"""How the rows that the ledger governs stand, in the few values that decide: what an entry seals, and what is compared.

The last entry of a transaction about a subject carries its standing as `record`. Whoever changes a row afterwards
without an entry is found by comparing the two. Values are ids, times, amounts and digests: never a name, a Slack id or
a word that somebody wrote.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from storage.audit import locked
from storage.audit.rows import KINDS, PART, Record, digest, read
from storage.audit.tables import AuditEntry

if TYPE_CHECKING:
    from storage.ledger import PendingEntry

__all__ = ["KINDS", "Record", "digest", "read"]

REFUSED = ".refused"
"""How the actions of entries end that say that nothing was changed."""

_entry = cast(Table, AuditEntry.__table__)


def are_equal(ledger: Record, table: Record) -> bool:
    """Whether the rows stand as an entry sealed them."""
    if ledger.keys() != table.keys():
        # Sealed by another release, which sealed less or more: what both know counts.
        ledger = {name: value for name, value in ledger.items() if name in table}
        table = {name: value for name, value in table.items() if name in ledger}
    if "stages" not in ledger:
        return ledger == table
    sealed, stands = ledger["stages"], table["stages"]
    return (
        {**ledger, "stages": []} == {**table, "stages": []}
        and [
            # Whom a stage asks is not proven where it names somebody whom nobody here had met.
            (*before[:3], before[3] if before[3] is None else now[3])
            for before, now in zip(sealed, stands, strict=False)
        ]
        == [tuple(before) for before in sealed]
        and [now[:3] for now in stands] == [before[:3] for before in sealed]
    )


def _lock(session: Session, kind: str, ids: Sequence[str]) -> None:
    """Wait for whoever changes these rows: what is sealed must not be older than the entry before. No-op where they
    are locked already, which is nearly everywhere."""
    if session.get_bind().dialect.name != "postgresql" or not KINDS[kind].is_locked:
        return
    column = KINDS[kind].key
    ids = [each for each in ids if not locked.is_held(session, kind, each)]
    for start in range(0, len(ids), PART):
        part: list[Any] = list(ids[start : start + PART])
        if KINDS[kind].is_number:
            part = [int(each) for each in part]
        session.execute(
            select(column).where(column.in_(part)).order_by(column).with_for_update(key_share=True)
        )


def seal(session: Session, entries: Sequence["PendingEntry"]) -> list["PendingEntry"]:
    """The entries, each last one about a governed subject with how it stands now. Refusals changed nothing."""
    last: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(entries):
        if entry.subject_type in KINDS and not entry.action.endswith(REFUSED):
            last[entry.subject_type, entry.subject_id] = place
    sealed = list(entries)
    for kind in KINDS:
        ids = sorted(id_ for type_, id_ in last if type_ == kind)
        if not ids:
            continue
        _lock(session, kind, ids)
        for id_, record in read(session, kind, ids).items():
            place = last[kind, id_]
            sealed[place] = replace(sealed[place], record=record)
    return sealed


@dataclass(frozen=True, slots=True)
class Basis:
    """The last entry that changed a subject: what a comparison rests on."""

    seq: int
    hash: str
    at: datetime
    action: str
    actor_id: str
    record: Record | None
    """How the subject stood then; None for an entry of a release that sealed nothing."""


def parse_body(text: str) -> dict[str, Any]:
    """The content of an entry; empty for what was put in its place and is no content of ours."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


UNREADABLE = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What reading a row raises that holds something that no code of ours writes."""


def read_readable(
    session: Session, kind: str, ids: Collection[str]
) -> tuple[dict[str, Record], list[str]]:
    """How these subjects stand now, and those whose rows can't be read as what they should be."""
    try:
        return read(session, kind, ids), []
    except UNREADABLE:
        records: dict[str, Record] = {}
        broken = []
        for id_ in ids:
            try:
                records |= read(session, kind, [id_])
            except UNREADABLE:
                broken.append(id_)
        return records, broken


def find_bases(
    session: Session, kind: str, ids: Collection[str], *, after: int = 0
) -> dict[str, Basis]:
    """The last entry about each subject that is no refusal, of those after entry `after`."""
    by_id: dict[str, Basis] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        newest = (
            select(func.max(_entry.c.seq))
            .where(
                _entry.c.subject_type == kind,
                _entry.c.subject_id.in_(wanted[start : start + PART]),
                _entry.c.action.not_like(f"%{REFUSED}"),
                _entry.c.seq > after,
            )
            .group_by(_entry.c.subject_id)
        )
        for row in session.execute(select(_entry).where(_entry.c.seq.in_(newest))):
            by_id[row.subject_id] = Basis(
                row.seq,
                row.hash,
                row.at,
                row.action,
                row.actor_id,
                parse_body(row.body).get("record"),
            )
    return by_id


def list_ids(session: Session, kind: str, after: str | None, most: int) -> list[str]:
    """Ids of subjects that are there, in the order of their key, after this one."""
    column = KINDS[kind].key
    statement = select(column).order_by(column).limit(most)
    if after is not None:
        statement = statement.where(column > (int(after) if KINDS[kind].is_number else after))
    return [str(each) for each in session.execute(statement).scalars()]


def list_told_ids(
    session: Session, kind: str, beyond: str, most: int, *, after: int = 0
) -> list[str]:
    """Ids of subjects of which entries after `after` tell, in the order of their text, beyond this one."""
    return list(
        session.execute(
            select(_entry.c.subject_id)
            .where(
                _entry.c.subject_type == kind,
                _entry.c.subject_id > beyond,
                _entry.c.seq > after,
                _entry.c.action.not_like(f"%{REFUSED}"),
            )
            .group_by(_entry.c.subject_id)
            .order_by(_entry.c.subject_id)
            .limit(most)
        ).scalars()
    )
