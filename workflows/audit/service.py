"""Recording in the ledger, and the words that stand beside it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit.tables import PrivateText
from workflows.actors import Actor
from workflows.context import Context

# --- What reads of the ledger return


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


# --- Recording in the ledger, and the words that stand beside it


def record(ctx: Context, action: str, subject: tuple[str, str | int], **facts: Any) -> None:
    """Put an entry on the ledger when this transaction commits: `ctx.actor` did it, at `ctx.now`.

    `action` is `noun.verb`. `facts` hold ids, numbers and dates as JSON values; words that a person wrote go through
    `write_text` and into facts as `text_fact`.
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
    """As `record`, for what knows of no policy: delivery, the clock, and the edge that refuses."""
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
    """Keep words that a person wrote beside the ledger, with a salt of their own, so that they can be erased."""
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
    """How the ledger names words: where they stand, and the digest that proves them while they do."""
    return {"text": text.id, "sha256": text.sha256}
