"""Which of Slack's events were handled already: one that is delivered again changes nothing."""

from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Inbox
from workflows import clock

_ONCE: dict[str, Any] = {
    "sqlite": sqlite.insert(Inbox)
    .values(event_key=bindparam("key"), received_at=bindparam("at"))
    .on_conflict_do_nothing()
    .returning(Inbox.event_key),
    "postgresql": postgresql.insert(Inbox)
    .values(event_key=bindparam("key"), received_at=bindparam("at"))
    .on_conflict_do_nothing()
    .returning(Inbox.event_key),
}


def first_seen(session: Session, key: str) -> bool:
    """True the first time that this key is seen, in the transaction that handles what it names."""
    row = session.execute(
        _ONCE[session.get_bind().dialect.name],
        {"key": key, "at": clock.real_now(session)},
    ).scalar_one_or_none()
    return row is not None


KEPT = timedelta(days=7)
"""Far longer than Slack goes on delivering an event again."""


def purge(session: Session, *, most: int) -> int:
    """Forget events that cannot be delivered again any more; how many."""
    old = (
        select(Inbox.event_key)
        .where(Inbox.received_at < clock.real_now(session) - KEPT)
        .order_by(Inbox.received_at)
        .limit(most)
    )
    keys = session.execute(old).scalars().all()
    if keys:
        session.execute(delete(Inbox).where(Inbox.event_key.in_(keys)))
    return len(keys)
