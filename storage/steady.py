"""A clock that never runs back, for leases, pace, back-off and freshness, whatever is done to the machine's.

A machine's clock is set back by hand, by time synchronisation that comes late, or when a virtual machine is resumed. What
was leased or put off until a moment of the clock before would then be held up until that moment comes again. So real time
here is the clock's reading plus a lead: nothing at first, and as much as the clock lost whenever it is seen to run back.
The lead never shrinks, which makes replicas agree without talking: each may notice, and noticing twice changes nothing.
What people read and what is due by the calendar follows the clock itself (`storage.runtime`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

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
