"""The two times. Real time is the database's; governed time is real time plus an offset that only demo and tests set."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.delivery.tables import Runtime

_OFFSET = select(Runtime.offset_microseconds).where(Runtime.id == 1)
_OFFSET_AND_CLOCK = select(Runtime.offset_microseconds, func.clock_timestamp()).where(
    Runtime.id == 1
)


IN_REAL_TIME = "in_real_time"
"""The mark on sessions of a database whose governed time is real time: then no offset is read (see `storage.db`)."""


def real_now(session: Session) -> datetime:
    """The database's clock: PostgreSQL's `clock_timestamp()`, which all replicas share, or this machine's on SQLite."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def governed_now(session: Session) -> datetime:
    """What decides that something is due or expired and what is written in texts and in the ledger."""
    return both(session)[1]


def both(session: Session) -> tuple[datetime, datetime]:
    """Real and governed time, read at once."""
    if IN_REAL_TIME in session.info:
        real = real_now(session)
        return real, real
    if session.get_bind().dialect.name == "sqlite":
        real = datetime.now(UTC)
        return real, real + offset(session)
    ahead, clock = session.execute(_OFFSET_AND_CLOCK).one()
    real = clock.astimezone(UTC)
    return real, real + timedelta(microseconds=ahead)


def offset(session: Session) -> timedelta:
    """How far governed time is ahead of real time."""
    if IN_REAL_TIME in session.info:
        return timedelta(0)
    return timedelta(microseconds=session.execute(_OFFSET).scalar_one())


def set_offset(session: Session, value: timedelta) -> None:
    """Move governed time. Callers refuse this against a real Slack."""
    session.execute(
        update(Runtime)
        .where(Runtime.id == 1)
        .values(offset_microseconds=value // timedelta(microseconds=1))
    )


def made_by(session: Session) -> str:
    """Which command made this database: `run` or `demo`."""
    return session.execute(select(Runtime.made_by).where(Runtime.id == 1)).scalar_one()


def set_made_by(session: Session, value: str) -> None:
    """Mark the database as the demo's or a real one; once, when it is made."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(made_by=value))


def facts(session: Session) -> dict[str, Any]:
    """What this database knows of its surroundings: the organisation's key, once Slack has told it."""
    return dict(
        session.execute(select(Runtime.facts).where(Runtime.id == 1)).scalar_one()
    )


def set_facts(session: Session, values: dict[str, Any]) -> None:
    """Add to `facts`."""
    session.execute(
        update(Runtime).where(Runtime.id == 1).values(facts=facts(session) | values)
    )
