"""Recording in the ledger, and the words that stand beside it."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit.tables import PrivateText
from workflows.actors import Actor


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: tuple[str, str | int],
    *,
    now: datetime,
    **facts: Any,
) -> None:
    """Put an entry on the ledger when this transaction commits.

    `action` is `noun.verb`. `facts` hold ids, numbers and dates as JSON values; words that a person wrote go through
    `write_text` and into facts as `text_fact`.
    """
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
