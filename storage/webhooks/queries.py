"""Queries of webhooks, and of the ledger's entries for them."""

import sys
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry, AuditHead
from storage.delivery.tables import Hold
from storage.enums import HoldReason
from storage.webhooks.tables import Webhook


def find_webhook(session: Session, webhook_id: str, *, lock: bool = False) -> Webhook | None:
    """A webhook that was not removed."""
    statement = select(Webhook).where(Webhook.id == webhook_id, Webhook.removed_at.is_(None))
    if lock:
        statement = statement.with_for_update()
    return session.execute(statement).scalar_one_or_none()


def list_webhooks(session: Session) -> Sequence[Webhook]:
    """All that were not removed, in the order of their ids."""
    return (
        session.execute(select(Webhook).where(Webhook.removed_at.is_(None)).order_by(Webhook.id))
        .scalars()
        .all()
    )


def are_behind(session: Session) -> bool:
    """Whether the ledger has entries that some webhook has not read yet."""
    last = select(func.min(Webhook.seq)).where(Webhook.removed_at.is_(None))
    reached: int | None = session.execute(last).scalar_one_or_none()
    if reached is None:
        return False
    return bool(reached < session.execute(select(AuditHead.seq)).scalar_one())


def find_last_seq(session: Session) -> int:
    """The number of the ledger's last entry."""
    return session.execute(select(AuditHead.seq)).scalar_one()


def find_first_restored(session: Session) -> int:
    """The ledger's last entry before the first restore, `sys.maxsize` without one.

    Numbers of later entries may have been sent for other entries, before the restore.
    """
    first: int | None = session.execute(
        select(func.min(Hold.copy_seq)).where(Hold.why != HoldReason.ASKED)
    ).scalar_one()
    return sys.maxsize if first is None else first


def list_entries(session: Session, after: int, *, most: int) -> Sequence[tuple[int, str]]:
    """(seq, action) of the entries that follow, in order."""
    return session.execute(
        select(AuditEntry.seq, AuditEntry.action)
        .where(AuditEntry.seq > after)
        .order_by(AuditEntry.seq)
        .limit(most)
    ).all()


def find_body(session: Session, seq: int) -> str | None:
    """The canonical JSON of one entry."""
    return session.execute(
        select(AuditEntry.body).where(AuditEntry.seq == seq)
    ).scalar_one_or_none()
