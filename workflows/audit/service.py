"""Recording entries in the ledger, and the private texts that they refer to."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit.tables import PrivateText
from workflows.context import Actor, Context

# --- What reads of the ledger return


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A head of the ledger to publish: number of entries, hash of the last one, and when it was read (governed time)."""

    seq: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NotedErasure:
    """An erasure as the anchor keeps it, by opaque id, for restored copies that still know the person."""

    person_id: str
    seq: int
    """The number of its entry in the ledger."""
    at: datetime


@dataclass(frozen=True, slots=True)
class NotedRestoration:
    """A restore as the anchor keeps it: the ledger continues from entry `seq`, so published heads of later entries, up to
    `known`, no longer have to be in it."""

    seq: int
    hash: str
    known: int
    """The last entry that the anchor knew of before the restore."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What the anchor keeps. `heads`, as (entries, hash), are those that the ledger must still contain."""

    heads: tuple[tuple[int, str], ...] = ()
    erasures: tuple[NotedErasure, ...] = ()
    restorations: tuple[NotedRestoration, ...] = ()
    last_at: datetime | None = None
    """When the newest of its heads was published; None without any."""

    @property
    def known(self) -> int:
        """The last entry of the heads that still count; 0 when there are none."""
        return max((seq for seq, _hash in self.heads), default=0)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `mlgov audit verify`. `broken` is the first entry at fault, None when everything agrees."""

    entries: int
    hash: str
    compared: int
    """The number of heads from outside the database that it was compared with."""
    broken: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether the chain, the private texts and every head kept outside agree."""
        return self.broken is None


# --- Recording


def record(ctx: Context, action: str, subject: tuple[str, str | int], **facts: Any) -> None:
    """Add an entry to the ledger at the end of this transaction: `ctx.actor` did it, at `ctx.now`.

    `action` is `noun.verb`. `facts` are JSON values: ids, numbers, dates. Free text by people goes through `write_text`,
    and into facts as `text_fact`, so that it can be erased.
    """
    write_entry(ctx.session, ctx.actor, action, subject, now=ctx.now, **facts)


def write_entry(
    session: Session,
    actor: Actor,
    action: str,
    subject: tuple[str, str | int],
    *,
    now: datetime,
    **facts: Any,
) -> None:
    """As `record`, where there is no context: in delivery, by the clock, and where the edge refuses."""
    session.info.setdefault("audit", []).append(
        ledger.PendingEntry(
            at=now,
            actor_id=actor.id,
            action=action,
            subject_type=subject[0],
            subject_id=str(subject[1]),
            facts=facts,
        )
    )


def write_text(session: Session, author: Actor, text: str, *, now: datetime) -> PrivateText:
    """Insert free text by a person, with a random salt of its own, so that it can be erased. Flushes, for its id."""
    salt = secrets.token_hex(16)
    kept = PrivateText(
        author_id=author.id,
        salt=salt,
        text=text,
        sha256=ledger.digest_text(salt, text),
        created_at=now,
        erased_at=None,
    )
    session.add(kept)
    session.flush()
    return kept


def text_fact(text: PrivateText) -> dict[str, Any]:
    """The fact by which an entry refers to a text: its id, and the digest that proves it until it is erased."""
    return {"text": text.id, "sha256": text.sha256}
