"""The two times (see `docs/delivery.md`): what decides that something is due, and what paces the sending.

Services never ask: they take `now`. Only edges call these, once per transaction.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import runtime
from workflows.errors import NotAllowed


def now(session: Session) -> datetime:
    """Governed time: what is due, expired, written in texts and in the ledger."""
    return runtime.governed_now(session)


def real_now(session: Session) -> datetime:
    """Real time, the database's: leases, pacing, back-off and rate limits. It never runs back.

    So an instant of it that was stored, also by another replica or before a restart, is never further ahead than it was
    when it was stored: a lease of a minute ends after a minute, whatever becomes of the clock.
    """
    return runtime.real_now(session)


def both(session: Session) -> tuple[datetime, datetime]:
    """Real and governed time, read at once."""
    return runtime.both(session)


def offset(session: Session) -> timedelta:
    """How far governed time is ahead of real time; zero but in demos and tests."""
    return runtime.offset(session)


def lead(session: Session) -> timedelta:
    """How far real time is ahead of the clock; zero where the clock was never set back."""
    return runtime.lead(session)


def jumped(session: Session, *, within: float) -> timedelta:
    """How far the clock jumped ahead in the last `within` seconds; a lease that others may hold ends so much later."""
    return runtime.jumped(session, within=within)


def governed(session: Session, real: datetime) -> datetime:
    """An instant of real time as governed time has it: what a text or the ledger says of something that is kept in real
    time, like a reading of Slack."""
    return real - runtime.lead(session) + runtime.offset(session)


def is_over(since: datetime | None, wait: timedelta, now: datetime) -> bool:
    """Whether this long has passed. What is said to have happened in the future, by a clock that was set back since,
    happened long enough ago."""
    return since is None or since > now or now - since >= wait


def move(session: Session, by: timedelta) -> None:
    """Move governed time forward. Only a database that the demo or a test made lets itself be moved."""
    if runtime.made_by(session) == "run":
        raise NotAllowed("This database governs a real organisation; its clock cannot be moved.")
    if by < timedelta(0):
        raise NotAllowed("The governed clock only moves forward.")
    runtime.set_offset(session, runtime.offset(session) + by)
