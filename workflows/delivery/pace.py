"""How fast, how long and how often delivery tries. All times are real time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.delivery import claims
from workflows import clock

EVERYTHING = "*"
PLAIN_GATES = ("chat.postMessage", EVERYTHING)
"""Methods without a pace of their own: chat.postMessage is paced by channel, and `*` stands for the whole token."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a minute that a method allows in a workspace, and how many of them may be made at once."""

    a_minute: float
    burst: int
    ordinary: int | None = None
    """How many of the burst are for calls that nobody waits for; the rest is kept for a card that was just clicked."""

    @property
    def interval(self) -> timedelta:
        """Between two calls at an even pace."""
        return timedelta(minutes=1) / self.a_minute

    def tolerance(self, *, first: bool = False) -> timedelta:
        """How far calls may run ahead of the even pace; further when somebody waits for them."""
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
"""Slack's tiers (docs.slack.dev/apis/web-api/rate-limits): tier 3 is 50 and more a minute, tier 4 is 100 and more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of delivery, in seconds. `scaled` shrinks them all, for tests and stand-ins."""

    lease: float = 60.0
    """How long a lane is ours after a claim; a killed sender delays its lane by as much."""
    http_timeout: float = 10.0
    guard_margin: float = 2.0
    """Sending starts only while the lease outlasts the call by this much."""
    seconds_per_message: float = 1.01
    """Between two messages in one channel, counted from the start of sending."""
    catch_up: float = 0.2
    """A message that starts this little after its time does not put off the next one: the pace is even, not drifting."""
    poll: float = 1.5
    """How soon work of other processes is noticed; work of this one wakes the loop."""
    backoff: float = 1.0
    """Scale of the back-off: `min(2 ** attempts, 900)` of these, full jitter."""
    late_accept: float = 30.0
    """How long after an attempt Slack may still publish it; before that a miss proves nothing."""
    lookup_margin: float = 300.0
    """How far before the attempt a look-up begins, for clocks that differ from Slack's."""
    upload_budget: float = 20.0
    """How long the pictures of one message may take, from its claim; it goes out without those that take longer.
    Drawing takes what it takes, so that this is never scaled; the lease bounds it, too."""
    file_polls: tuple[float, ...] = (0.2, 0.4, 0.8, 1.6, 2.5, 2.5)
    """Waits until Slack is asked again whether it has looked at a picture."""
    auth_pause: float = 300.0
    """How long nothing is sent after Slack refused the token or a scope."""
    attempts: int = 12
    lookups: int = 10
    scale: float = 1.0

    def scaled(self, scale: float) -> "Pace":
        """The same with every wait shorter: 0.02 is fifty times as fast. Counts stay."""
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
        """The pace of a method, scaled."""
        rate = RATES[method]
        return replace(rate, a_minute=rate.a_minute / self.scale)

    def next_slot(self, slot: datetime | None, began: datetime) -> datetime:
        """When a lane may send its next message.

        Counted from when it could send this one, `slot`, where sending began nearly then, else from when it began: so
        the pace is even and does not drift by the time that it takes to notice.
        """
        late = began - slot if slot is not None else None
        is_even = late is not None and timedelta(0) <= late <= timedelta(seconds=self.catch_up)
        counted = slot if slot is not None and is_even else began
        return counted + timedelta(seconds=self.seconds_per_message)

    @property
    def guard(self) -> float:
        """Seconds after the start of the claim until which a call may begin."""
        return self.lease - self.http_timeout - self.guard_margin


def gate_key(org_key: str, method: str) -> str:
    """The name of a method's gate."""
    return f"{org_key}:{method}"


# --- Time that passed without a call, for a demonstration whose clock jumps


def rest(session: Session) -> None:
    """Hours went by for everybody, so Slack's allowances are whole again."""
    claims.open_all(session, clock.real_now(session))
