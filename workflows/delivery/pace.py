"""How fast delivery sends, how long it waits and how often it tries. All times are real time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.delivery import claims
from workflows import clock

EVERYTHING = "*"
PLAIN_GATES = ("chat.postMessage", EVERYTHING)
"""Gates without a pace of their own, which only close: chat.postMessage is paced by lane, `*` is the whole token."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The pace of one API method in a workspace: calls a minute, and how many of them may be made at once."""

    a_minute: float
    burst: int
    ordinary: int | None = None
    """How many of the burst are for calls that nobody waits for; the rest is kept for a card that was just clicked.

    Without that, copies that nobody looks at used up the burst, and of twenty clicks in a second ten waited up to ten
    seconds for their card.
    """

    @property
    def interval(self) -> timedelta:
        """The time between two calls at an even pace."""
        return timedelta(minutes=1) / self.a_minute

    def tolerance(self, *, first: bool = False) -> timedelta:
        """How far calls may run ahead of the even pace: a burst of n is n - 1 intervals. `first`: for a clicked card."""
        most = self.burst if first else self.ordinary or self.burst
        return self.interval * (most - 1)


RATES = {
    "chat.update": Rate(50, 30, ordinary=8),
    "conversations.history": Rate(50, 20),
    "conversations.replies": Rate(50, 20),
    "conversations.open": Rate(50, 20),
    "views.publish": Rate(100, 20),
    "files.getUploadURLExternal": Rate(100, 20),
}
"""Slack's tiers (docs.slack.dev/apis/web-api/rate-limits): tier 3 is 50 and more a minute, tier 4 is 100 and more.

The bursts are ours: Slack allows bursts and doesn't say how large.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of delivery, in seconds. `scaled` shrinks them all, for tests and stand-ins."""

    lease: float = 60.0
    """How long a lane is ours after a claim. A killed sender delays its lane by as much; a shorter lease would leave a
    call less room, whose time limit bounds each of its steps (each address of a host, write, each read) and not their sum."""
    http_timeout: float = 10.0
    guard_margin: float = 2.0
    """Sending starts only while the lease outlasts the call by this much (see `guard`)."""
    seconds_per_message: float = 1.01
    """Between two messages in one channel, from start to start of sending: just over Slack's limit of one a second."""
    catch_up: float = 0.2
    """A message that starts at most this late doesn't put off the next one, or each message would add the time that it
    takes to notice that the lane is free."""
    poll: float = 1.5
    """How often the loop looks for the work of other processes; a commit of its own process wakes it."""
    backoff: float = 1.0
    """Unit of the back-off: up to `min(2 ** attempts, 900)` of these (`settling.backoff`)."""
    late_accept: float = 30.0
    """How long after an attempt Slack may still publish the message; before that, not finding it proves nothing. Three
    time-outs; Slack names no bound, so a message published later still would stand there twice."""
    lookup_margin: float = 300.0
    """How far before the attempt a look-up begins, since our clock may be ahead of Slack's."""
    upload_budget: float = 20.0
    """How long the pictures of one message may take, from its claim; it goes out without those that take longer. Never
    scaled, since drawing takes as long in tests; the lease bounds it too."""
    file_polls: tuple[float, ...] = (0.2, 0.4, 0.8, 1.6, 2.5, 2.5)
    """Waits between asking Slack (`files.info`) whether a picture can be shown: 8 s in all; it takes about a second."""
    auth_pause: float = 300.0
    """How long a method rests after Slack refused the token or a scope, until somebody may have put it right."""
    attempts: int = 12
    """Attempts after which a message is a dead letter."""
    lookups: int = 10
    """Look-ups in a row that may fail before a message in doubt is a dead letter."""
    scale: float = 1.0

    def scaled(self, scale: float) -> "Pace":
        """The same with every wait shorter: 0.02 is fifty times as fast. Counts stay.

        Raises ValueError for a scale outside (0, 1].
        """
        if not 0 < scale <= 1:
            raise ValueError(f"a scale lies above 0 and is at most 1, not {scale}")
        return replace(
            self,
            lease=self.lease * scale,
            http_timeout=self.http_timeout * scale,
            guard_margin=self.guard_margin * scale,
            seconds_per_message=self.seconds_per_message * scale,
            catch_up=self.catch_up * scale,
            poll=self.poll * scale,
            backoff=self.backoff * scale,
            late_accept=self.late_accept * scale,
            lookup_margin=self.lookup_margin,
            file_polls=tuple(wait * scale for wait in self.file_polls),
            auth_pause=self.auth_pause * scale,
            scale=self.scale * scale,
        )

    def rate(self, method: str) -> Rate:
        """The pace of a method, scaled. Raises KeyError for one without a pace."""
        rate = RATES[method]
        return replace(rate, a_minute=rate.a_minute / self.scale)

    def next_slot(self, slot: datetime | None, began: datetime) -> datetime:
        """When a lane may send its next message: one message's time after `slot`, or after `began`.

        `slot` is when the lane could send this one, None where that is unknown, and `began` when sending started. `slot`
        counts where sending began at most `catch_up` after it.
        """
        late = began - slot if slot is not None else None
        is_even = late is not None and timedelta(0) <= late <= timedelta(seconds=self.catch_up)
        counted = slot if slot is not None and is_even else began
        return counted + timedelta(seconds=self.seconds_per_message)

    @property
    def guard(self) -> float:
        """Seconds after the start of the claim until which a call may begin: 48, unscaled.

        A process that was frozen for longer doesn't send: its lane may be leased to another one before the call ends.
        """
        return self.lease - self.http_timeout - self.guard_margin


def gate_key(org_key: str, method: str) -> str:
    """The key of a method's row in `gate`."""
    return f"{org_key}:{method}"


# --- For the demo, whose clock jumps by hours


def rest(session: Session) -> None:
    """Open every gate with its whole burst, as after hours without a call."""
    claims.open_all(session, clock.real_now(session))
