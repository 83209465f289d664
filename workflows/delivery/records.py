"""What delivery claims, how it ends, and what operators see."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from storage.enums import HoldReason, Op, OutboxState


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that stands in Slack."""

    id: int
    channel: str
    ts: str
    shown_hash: str


@dataclass(frozen=True, slots=True)
class Address:
    """What a lane's key says: the organisation, the Slack id, and whether it is a person's direct message."""

    org_key: str
    slack_id: str

    @property
    def is_person(self) -> bool:
        """Whether this is somebody's direct message, which must be opened first."""
        return self.slack_id[:1] in {"U", "W"}

    @classmethod
    def of(cls, lane_key: str) -> "Address":
        """Read `slack:<org>:<id>` or `home:slack:<org>:<id>`. Raises ValueError for any other lane."""
        scheme, _, rest = lane_key.removeprefix("home:").partition(":")
        org_key, _, slack_id = rest.partition(":")
        if scheme != "slack" or not org_key or not slack_id:
            raise ValueError(f"no conversation: {lane_key!r}")
        return cls(org_key, slack_id)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of which this database does not know what was sent: from the end of a copy until it came back."""

    real_from: datetime
    real_until: datetime
    governed_from: datetime
    governed_until: datetime


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A time in which nothing is sent; over when `released_at` is set."""

    id: int
    why: HoldReason
    held_at: datetime
    released_at: datetime | None
    copy_seq: int
    copy_hash: str
    known_seq: int | None
    window: Window


@dataclass(frozen=True, slots=True)
class Waits:
    """What a hold holds back: posts by id, how many rows of each other kind, and what has fallen due, by kind."""

    posts: tuple[int, ...]
    others: dict[str, int]
    timers: dict[str, int]
    schedules: dict[str, int]


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do, with the lane that was leased for it."""

    id: int
    op: Op
    kind: str
    notice: dict[str, Any]
    notice_version: int
    dedupe_key: str
    generation: int
    subject: tuple[str, str] | None
    lane: str
    epoch: int
    channel: str | None
    copy: Copy | None
    thread_ts: str | None
    is_unknown: bool
    """An earlier attempt has an unknown outcome: look before sending."""
    is_expired: bool
    attempts: int
    """This one included, unless the outcome of an earlier one is looked up first."""
    lookups: int
    attempt_at: datetime
    attempt_governed_at: datetime
    real_now: datetime
    """When it was claimed, in real time."""
    due_now: datetime
    """The same in governed time."""
    slot: datetime | None = None
    """From when the lane could send something new, in real time; None for an edit."""
    window: Window | None = None
    """Since this span it may have been sent by somebody of whom this database does not know: a copy of it came back."""
    lead: timedelta = timedelta(0)
    """How far real time is ahead of the clock, which Slack's own is compared with."""
    jumped: timedelta = timedelta(0)
    """How far the clock jumped ahead while this may have been under way."""

    @property
    def is_edit(self) -> bool:
        """Whether it changes what stands in Slack already."""
        return self.op in (Op.UPDATE, Op.DELETE)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim took. `was_full` says that there may be more to take at once."""

    errands: tuple[Errand, ...]
    was_full: bool


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox as operators see it."""

    id: int
    state: OutboxState
    op: Op
    kind: str
    lane_key: str
    channel: str | None
    subject: tuple[str, str] | None
    thread_of: int | None
    notice: dict[str, Any]
    dedupe_key: str
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    attempt_at: datetime | None
    ts: str | None
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values: times in ISO 8601, UTC."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What could not be sent to one destination."""

    destination: str
    slack_id: str | None
    is_person: bool
    letters: tuple[OutboxRow, ...]
