"""Which events from outside were handled already: one that is delivered again changes nothing, and none is lost.

What one transaction handles is marked in it (`note_first_seen`). What takes several is marked as begun and, after it, as done:
whoever died in between is asked again, since nothing was acknowledged.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Inbox
from workflows import clock

PATIENCE = timedelta(seconds=45)
"""After so long (real time) an event that somebody began to handle, and did not end, is handled by whoever is asked next.

Slack asks again at once, after a minute and after five: the second time finds it so.
"""


class Turn(Enum):
    """Whose it is to handle an event."""

    MINE = auto()
    """It is new, or whoever began died of it."""
    UNDER_WAY = auto()
    """Somebody handles it at this moment: it is not to be acknowledged, so that it comes again."""
    DONE = auto()


_ONCE: dict[str, Any] = {
    "sqlite": sqlite.insert(Inbox)
    .values(event_key=bindparam("key"), received_at=bindparam("at"), done_at=bindparam("done"))
    .on_conflict_do_nothing()
    .returning(Inbox.event_key),
    "postgresql": postgresql.insert(Inbox)
    .values(event_key=bindparam("key"), received_at=bindparam("at"), done_at=bindparam("done"))
    .on_conflict_do_nothing()
    .returning(Inbox.event_key),
}


def note_first_seen(session: Session, key: str) -> bool:
    """True the first time that this key is seen, in the transaction that handles what it names."""
    now = clock.real_now(session)
    return _insert(session, key, began_at=now, done_at=now)


def begin(session: Session, key: str) -> Turn:
    """Whether to handle the event of this key now; `done` says that it was."""
    now = clock.real_now(session)
    if _insert(session, key, began_at=now, done_at=None):
        return Turn.MINE
    row = session.execute(
        select(Inbox)
        .where(Inbox.event_key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None or row.done_at is not None:
        return Turn.DONE
    # A clock that was set back holds up nothing.
    if abs(now - row.received_at) < PATIENCE:
        return Turn.UNDER_WAY
    row.received_at = now
    return Turn.MINE


def mark_done(session: Session, key: str) -> None:
    """The event of this key was handled."""
    row = session.get(Inbox, key)
    if row is not None:
        row.done_at = clock.real_now(session)


def _insert(session: Session, key: str, *, began_at: datetime, done_at: datetime | None) -> bool:
    row = session.execute(
        _ONCE[session.get_bind().dialect.name], {"key": key, "at": began_at, "done": done_at}
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
