"""Publishing the ledger's head outside the database: only that shows a chain that was cut or wholly rewritten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit.queries import list_about
from storage.people.lookups import find_channel
from workflows import outbox
from workflows.audit.notices import LedgerHead, PersonErased
from workflows.audit.service import NotedErasure, PublishedHead, Verification
from workflows.context import Context
from workflows.outbox import Destination

ERASED = "person.erased"
"""The action of the entry of an erasure."""


def publish(ctx: Context, *, reason_key: str) -> None:
    """Send the head to the policy's audit channel, if the bot knows it, and to the anchor, once this commits.

    `reason_key` names why (`daily:2026-01-26`, `approval:42`): each reason publishes once. The head is read when it is
    sent, so it covers at least the entries of this transaction.
    """
    notice = LedgerHead(reason_key)
    if (audit_channel := find_channel(ctx.session, ctx.org, ctx.policy.channels.audit)) is not None:
        outbox.post(
            ctx.session,
            notice,
            to=Destination.channel(ctx.org, audit_channel),
            dedupe_key=f"head:{reason_key}:channel",
            now=ctx.now,
        )
    outbox.anchor_head(ctx.session, notice, dedupe_key=f"head:{reason_key}:anchor", now=ctx.now)


def witness(session: Session, *, now: datetime) -> None:
    """Send the anchor a head at the first start, once, so that even a young ledger can be compared with something."""
    outbox.anchor_head(session, LedgerHead("first"), dedupe_key="head:first:anchor", now=now)


def read_current(session: Session, *, now: datetime) -> PublishedHead:
    """The head as its row says now."""
    head = ledger.head(session)
    return PublishedHead(head.seq, head.hash, now)


def note_erasure(ctx: Context, person_id: str) -> None:
    """Send the anchor, once this commits, that a person was erased, so that they are erased again from a copy of the
    database that was made before."""
    outbox.anchor_head(
        ctx.session,
        PersonErased(person_id),
        dedupe_key=f"erasure:{person_id}:{ctx.now.isoformat()}",
        now=ctx.now,
    )


def find_erasure(session: Session, person_id: str) -> NotedErasure | None:
    """The person's last erasure as the anchor keeps it; None when the ledger has none."""
    entry = ledger.find_last_about(session, ERASED, "person", person_id)
    return None if entry is None else NotedErasure(person_id, *entry)


def list_erasures(session: Session, person_id: str) -> int:
    """How many erasures of a person the ledger has."""
    entries = list_about(session, [("person", person_id)])
    return sum(entry.action == ERASED for entry in entries)


def for_anchor(
    session: Session, notice: Mapping[str, Any], kind: str, *, now: datetime
) -> PublishedHead | NotedErasure | None:
    """What an outbox row of this kind sends to the anchor, read now; None for an erasure that the ledger doesn't have."""
    if kind == PersonErased.kind:
        return find_erasure(session, str(notice["person_id"]))
    return read_current(session, now=now)


def verify(session: Session, kept: Sequence[tuple[int, str]]) -> Verification:
    """Check the whole chain, the private texts, and the heads kept outside, as (entries, hash)."""
    broken = ledger.verify(session, [ledger.Head(seq, digest) for seq, digest in kept])
    head = ledger.head(session)
    if broken is None:
        return Verification(head.seq, head.hash, len(kept))
    return Verification(head.seq, head.hash, len(kept), broken.seq, broken.reason)
