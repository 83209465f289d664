"""The two times, and the clock below them: this machine's on SQLite, the server's on PostgreSQL.

Governed time is the clock plus an offset that only demo and tests set; when the clock is set back, it goes back, too.
Real time is the clock plus a lead, so that it never does (`storage.runtime`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.delivery.tables import Runtime

# --- A clock that never runs back, for leases, pace, back-off and freshness, whatever is done
#     to the machine's
#
# A machine's clock is set back by hand, by time synchronisation that comes late, or when a
# virtual machine is resumed. What was leased or put off until a moment of the clock before
# would then be held up until that moment comes again. So real time here is the clock's reading
# plus a lead: nothing at first, and as much as the clock lost whenever it is seen to run back.
# The lead never shrinks, which makes replicas agree without talking: each may notice, and
# noticing twice changes nothing. What people read and what is due by the calendar follows the
# clock itself (`storage.runtime`).

STEP = timedelta(seconds=1)
"""Less than this is how clocks are: it is neither made up for nor told."""
_REMEMBERED = 16
"""Jumps ahead that are remembered."""


class SteadyClock:
    """The real time of one database in this process. Safe to call from many threads.

    It is measured by the machine's uptime (`monotonic`), which nobody can set, between one reading and the next.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self.lead = timedelta(0)
        """How far real time is ahead of the clock."""
        self.is_loaded = False
        self._lock = threading.Lock()
        self._latest: datetime | None = None
        self._latest_from = self._latest_to = 0.0
        self._jumps: deque[tuple[float, timedelta]] = deque(maxlen=_REMEMBERED)
        self._tried_at: float | None = None
        self._kept_lead = timedelta(0)

    def load(self, lead: timedelta, latest: datetime | None, clock: datetime) -> None:
        """Go on from what the database remembers: the lead, and the latest real time that anybody wrote down.

        The clock may have been set back while nothing ran.
        """
        with self._lock:
            if self.is_loaded:
                return
            self.lead = self._kept_lead = lead
            if latest is not None and clock + lead < latest - STEP:
                self.lead = latest - clock
            self.is_loaded = True

    def read(self, clock: datetime, asked_at: float) -> datetime:
        """Real time when the clock showed `clock`, which was read after `asked_at` of `monotonic`."""
        with self._lock:
            answered_at = self.monotonic()
            moment = clock + self.lead
            if self._latest is not None:
                least = self._latest + timedelta(seconds=asked_at - self._latest_to)
                most = self._latest + timedelta(seconds=answered_at - self._latest_from)
                if least - moment > STEP:
                    self.lead += least - moment
                    moment = least
                elif moment - most > STEP:
                    self._jumps.append((answered_at, moment - most))
            if self._latest is None or moment >= self._latest:
                self._latest = moment
                self._latest_from, self._latest_to = asked_at, answered_at
            return moment

    def jumped(self, within: float) -> timedelta:
        """How far the clock has jumped ahead in the last so many seconds.

        Real time follows such a jump, since what was read from Slack hours ago is old. Who waits for something that is
        under way at this moment, like a lease, takes it off, so that nobody's minute ends before it began.
        """
        with self._lock:
            since = self.monotonic() - within
            return sum(
                (far for noticed_at, far in self._jumps if noticed_at >= since), start=timedelta(0)
            )

    def should_be_kept(self, every: float) -> bool:
        """Whether the database should hear of it again: after so many seconds, and at once when the clock ran back.

        A yes counts as a try, so that a busy database is not asked at every tick.
        """
        with self._lock:
            now = self.monotonic()
            if self._tried_at is None or now - self._tried_at >= every:
                self._tried_at = now
                return True
            return self.lead > self._kept_lead

    def kept(self, lead: timedelta) -> None:
        """The database has this lead, which another replica may have raised."""
        with self._lock:
            self.lead = max(self.lead, lead)
            self._kept_lead = lead


# --- The two times, and the clock below them
#
# this machine's on SQLite, the server's on PostgreSQL. Governed time is the clock plus an
# offset that only demo and tests set; when the clock is set back, it goes back, too. Real time
# is the clock plus a lead, so that it never does (`storage.runtime`).

_OFFSET = select(Runtime.offset_microseconds).where(Runtime.id == 1)
_STEADY = select(Runtime.lead_microseconds, Runtime.clock_at).where(Runtime.id == 1)
_OFFSET_AND_CLOCK = select(Runtime.offset_microseconds, func.clock_timestamp()).where(
    Runtime.id == 1
)


IN_REAL_TIME = "in_real_time"
"""The mark on sessions of a database whose governed time is real time: then no offset is read (see `storage.db`)."""


STEADY = "steady"
"""Where sessions carry the `SteadyClock` of their database."""
KEEP_EVERY = 10.0
"""Seconds after which the latest real time is written down again."""
_MICROSECOND = timedelta(microseconds=1)


def real_now(session: Session) -> datetime:
    """What decides leases, pace, back-off and freshness. It never runs back, and all replicas share it."""
    asked_at = time.monotonic()
    return _real(session, _clock(session), asked_at)


def _clock(session: Session) -> datetime:
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def _real(session: Session, clock: datetime, asked_at: float) -> datetime:
    steady = _steady(session)
    if not steady.is_loaded:
        lead, latest = session.execute(_STEADY).one()
        steady.load(timedelta(microseconds=lead), latest, clock)
    return steady.read(clock, asked_at)


def _steady(session: Session) -> SteadyClock:
    steady: SteadyClock = session.info.setdefault(STEADY, SteadyClock())
    return steady


def lead(session: Session) -> timedelta:
    """How far real time is ahead of the clock; zero where it was never set back."""
    return _steady(session).lead


def jumped(session: Session, *, within: float) -> timedelta:
    """How far the clock jumped ahead in the last so many seconds (see `SteadyClock.jumped`)."""
    return _steady(session).jumped(within)


def governed_now(session: Session) -> datetime:
    """What decides that something is due or expired and what is written in texts and in the ledger."""
    return both(session)[1]


def both(session: Session) -> tuple[datetime, datetime]:
    """Real and governed time, read at once."""
    asked_at = time.monotonic()
    if IN_REAL_TIME in session.info:
        clock, ahead = _clock(session), timedelta(0)
    elif session.get_bind().dialect.name == "sqlite":
        clock, ahead = datetime.now(UTC), offset(session)
    else:
        microseconds, moment = session.execute(_OFFSET_AND_CLOCK).one()
        clock, ahead = moment.astimezone(UTC), timedelta(microseconds=microseconds)
    return _real(session, clock, asked_at), clock + ahead


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
    return dict(session.execute(select(Runtime.facts).where(Runtime.id == 1)).scalar_one())


def set_facts(session: Session, values: dict[str, Any]) -> None:
    """Add to `facts`."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(facts=facts(session) | values))


@dataclass(frozen=True, slots=True)
class SetBack:
    """The clock ran back: when, by the clock after it, and how far."""

    at: datetime
    by: timedelta


def should_keep_clock(session: Session) -> bool:
    """Whether `keep_clock` is due in this process. Reads the clock, and nothing else."""
    real_now(session)
    return _steady(session).should_be_kept(KEEP_EVERY)


def keep_clock(session: Session) -> SetBack | None:
    """Write down how late it is, so that a clock that is set back is noticed after a restart and by other replicas.

    Returns what nobody has noticed before; each time that the clock runs back is returned to one caller.
    """
    row = session.execute(select(Runtime).where(Runtime.id == 1).with_for_update()).scalar_one()
    real, steady = real_now(session), _steady(session)
    known = timedelta(microseconds=row.lead_microseconds)
    lead = max(known, steady.lead)
    row.lead_microseconds = lead // _MICROSECOND
    if row.clock_at is None or row.clock_at < real:
        row.clock_at = real
    noticed = None
    if lead - known > STEP:
        noticed = SetBack(real - steady.lead, lead - known)
        row.set_back_at = noticed.at
        row.set_back_microseconds = noticed.by // _MICROSECOND
    session.flush()
    steady.kept(lead)
    return noticed


def touch(session: Session) -> None:
    """Write something, so that a database that takes no change says so."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(clock_at=real_now(session)))


def last_set_back(session: Session) -> SetBack | None:
    """When the clock was last seen to run back; None when it never was."""
    at, by = session.execute(
        select(Runtime.set_back_at, Runtime.set_back_microseconds).where(Runtime.id == 1)
    ).one()
    return None if at is None else SetBack(at, timedelta(microseconds=by))
