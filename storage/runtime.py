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

# --- Real time, which never runs back: for leases, pace, back-off and freshness (decision 15)
#
# A machine's clock is set back by hand, by time synchronisation that comes late, or when a
# virtual machine is resumed. A lease or a pause that was stored as an instant would then last
# until the clock shows that instant again. So real time is the clock's reading plus a lead:
# zero at first, raised by whatever the clock lost whenever it is seen to run back. The lead
# never shrinks, so replicas agree without talking: each may notice a step, and noticing it
# twice changes nothing. Governed time, for people and the calendar, follows the clock itself.

STEP = timedelta(seconds=1)
"""Smaller differences are neither compensated nor reported: time synchronisation corrects clocks by as much all day."""
_REMEMBERED = 16
"""How many jumps ahead are remembered; `jumped` asks for those of a minute or so."""


class SteadyClock:
    """The real time of one database in this process. Safe to call from many threads.

    Between two readings of the clock the time is measured by `monotonic`, in seconds, which nobody can set.
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
        """Continue from the lead and the latest real time in the database (None: none was written yet).

        Where the clock with its lead lies before that time, it was set back while nothing ran, and the lead makes up for
        it. Only the first call counts.
        """
        with self._lock:
            if self.is_loaded:
                return
            self.lead = self._kept_lead = lead
            if latest is not None and clock + lead < latest - STEP:
                self.lead = latest - clock
            self.is_loaded = True

    def read(self, clock: datetime, asked_at: float) -> datetime:
        """Real time for a reading of the clock, which was asked for at `asked_at` of `monotonic` and has just come.

        The clock was read at some moment between the two. So the time since the latest reading is known only within
        bounds (a slow answer of a server is no step): below them the clock was set back, above them it jumped ahead.
        """
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
        """How far the clock has jumped ahead in the last `within` seconds.

        Real time follows a jump, since what was read from Slack hours ago is old however the hours passed. Waits for
        something under way at this moment, like a lease, take the jump off, so that it doesn't cut them short.
        """
        with self._lock:
            since = self.monotonic() - within
            return sum(
                (far for noticed_at, far in self._jumps if noticed_at >= since), start=timedelta(0)
            )

    def should_be_kept(self, every: float) -> bool:
        """Whether the time should be written to the database: every so many seconds, and at once when the clock ran back.

        True counts as a try whatever becomes of it, so that a busy database isn't asked at every tick.
        """
        with self._lock:
            now = self.monotonic()
            if self._tried_at is None or now - self._tried_at >= every:
                self._tried_at = now
                return True
            return self.lead > self._kept_lead

    def kept(self, lead: timedelta) -> None:
        """Take over the lead that is in the database now, which another replica may have raised."""
        with self._lock:
            self.lead = max(self.lead, lead)
            self._kept_lead = lead


# --- The two times, from one clock: this machine's on SQLite, the server's on PostgreSQL, where
#     replicas' own clocks may differ. `clock_timestamp()`, as `now()` stands still in a transaction

_OFFSET = select(Runtime.offset_microseconds).where(Runtime.id == 1)
_STEADY = select(Runtime.lead_microseconds, Runtime.clock_at).where(Runtime.id == 1)
_OFFSET_AND_CLOCK = select(Runtime.offset_microseconds, func.clock_timestamp()).where(
    Runtime.id == 1
)


IN_REAL_TIME = "in_real_time"
"""The mark on sessions of a database whose governed time is real time: then no offset is read (see `storage.db`)."""


STEADY = "steady"
"""Key of the `SteadyClock` in `session.info`."""
KEEP_EVERY = 10.0
"""Seconds between two writings of the latest real time. A clock set back while nothing runs is noticed at the next start
only as far as it lies before the last writing."""
_MICROSECOND = timedelta(microseconds=1)


def real_now(session: Session) -> datetime:
    """Real time: decides leases, pace, back-off and freshness. It never runs back, and all replicas share it."""
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
    """How far the clock jumped ahead in the last `within` seconds (see `SteadyClock.jumped`)."""
    return _steady(session).jumped(within)


def governed_now(session: Session) -> datetime:
    """Governed time: decides what is due or expired, and is written in texts and the ledger."""
    return both(session)[1]


def both(session: Session) -> tuple[datetime, datetime]:
    """Real and governed time, from one reading of the clock."""
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
    """How far governed time is ahead of the clock; zero but in demos and tests."""
    if IN_REAL_TIME in session.info:
        return timedelta(0)
    return timedelta(microseconds=session.execute(_OFFSET).scalar_one())


def set_offset(session: Session, value: timedelta) -> None:
    """Set how far governed time is ahead of the clock. Callers refuse this against a real Slack."""
    session.execute(
        update(Runtime)
        .where(Runtime.id == 1)
        .values(offset_microseconds=value // timedelta(microseconds=1))
    )


def made_by(session: Session) -> str:
    """Which command made this database: `run` or `demo`."""
    return session.execute(select(Runtime.made_by).where(Runtime.id == 1)).scalar_one()


def set_made_by(session: Session, value: str) -> None:
    """Mark the database as made by `run` or `demo`; once, when it is made."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(made_by=value))


def facts(session: Session) -> dict[str, Any]:
    """What this database knows of its surroundings, like the organisation's key, once Slack has told it."""
    return dict(session.execute(select(Runtime.facts).where(Runtime.id == 1)).scalar_one())


def set_facts(session: Session, values: dict[str, Any]) -> None:
    """Add to `facts`, or replace values there."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(facts=facts(session) | values))


@dataclass(frozen=True, slots=True)
class SetBack:
    """The clock was set back: `at`, as it showed afterwards, and how far."""

    at: datetime
    by: timedelta


def should_keep_clock(session: Session) -> bool:
    """Whether `keep_clock` is due in this process. Reads the clock and writes nothing."""
    real_now(session)
    return _steady(session).should_be_kept(KEEP_EVERY)


def keep_clock(session: Session) -> SetBack | None:
    """Write the lead and the latest real time, so that other replicas and later starts notice a clock that is set back.

    A step back that nobody has reported yet is returned, so each is to one caller; else None.
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
    """Write something, so that a database that takes no change raises CannotWrite."""
    session.execute(update(Runtime).where(Runtime.id == 1).values(clock_at=real_now(session)))


def last_set_back(session: Session) -> SetBack | None:
    """The last time that the clock was seen to run back; None when it never was."""
    at, by = session.execute(
        select(Runtime.set_back_at, Runtime.set_back_microseconds).where(Runtime.id == 1)
    ).one()
    return None if at is None else SetBack(at, timedelta(microseconds=by))
