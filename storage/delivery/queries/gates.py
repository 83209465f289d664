"""Workspace-wide back-off and pace: one row per method, used as the clock of a leaky bucket (GCRA).

A row holds the moment at which the next call is due at an even pace. A call may run ahead of that by the burst that
the method allows; the row is locked while it is moved, so that all replicas share one pace.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Gate

_MAKE: dict[str, Any] = {
    "sqlite": sqlite.insert(Gate).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(Gate).on_conflict_do_nothing(index_elements=["key"]),
}
_ALL = select(Gate.key, Gate.not_before)
_LOCKED = select(Gate.not_before).where(Gate.key == bindparam("gate_key")).with_for_update()
_MOVE = (
    update(Gate)
    .where(Gate.key == bindparam("gate_key"))
    .values(not_before=bindparam("until"))
    .execution_options(synchronize_session=False)
)


def make(session: Session, keys: list[str], never: datetime) -> None:
    """See to it that these gates exist, open."""
    for key in sorted(keys):
        session.execute(_MAKE[session.get_bind().dialect.name], {"key": key, "not_before": never})


def open_all(session: Session, since: datetime) -> None:
    """No gate holds anything back that was held since then; every burst is whole again."""
    session.execute(update(Gate).where(Gate.not_before > since).values(not_before=since))


def read(session: Session) -> dict[str, datetime]:
    """All gates, without a lock."""
    return {row.key: row.not_before for row in session.execute(_ALL)}


def take(
    session: Session, key: str, *, real_now: datetime, interval: timedelta, tolerance: timedelta
) -> timedelta:
    """Count one call; zero when it may be made, else how long to wait until one may."""
    due: datetime = session.execute(_LOCKED, {"gate_key": key}).scalar_one()
    due = max(due, real_now)
    if due - real_now > tolerance:
        return due - real_now - tolerance
    session.execute(_MOVE, {"gate_key": key, "until": due + interval})
    return timedelta(0)


def close(session: Session, key: str, until: datetime) -> None:
    """Let nothing pass before then; a gate that is closed for longer stays so."""
    due: datetime = session.execute(_LOCKED, {"gate_key": key}).scalar_one()
    if due < until:
        session.execute(_MOVE, {"gate_key": key, "until": until})
