"""Records of delivery: what a claim takes, holds, and what operators see."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from storage.enums import HoldReason, Op, OutboxState


@dataclass(frozen=True, slots=True)
class Copy:
    """A message in Slack that an edit is about. `shown_hash` is the digest of what it shows."""

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
    """A span in which this database doesn't know what was sent: from the end of a copy until its restore."""

    real_from: datetime
    real_until: datetime
    governed_from: datetime
    governed_until: datetime


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A time in which nothing is sent; in force until `released_at` is set. See `storage.delivery.tables.Hold`."""

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
    """What a hold keeps from being sent or run: ids of posts, rows by operation, timers and schedules by kind."""

    posts: tuple[int, ...]
    others: dict[str, int]
    timers: dict[str, int]
    schedules: dict[str, int]


@dataclass(frozen=True, slots=True)
class Errand:
    """One row to send, with the lane that was leased for it."""

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
    """An earlier attempt has an unknown outcome: a post is looked up before it is sent."""
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
    """In this span it may have been sent, unknown to this database; None when it can't have been."""
    lead: timedelta = timedelta(0)
    """How far real time is ahead of the clock. A look-up takes it off: Slack stamps messages by its own clock."""
    jumped: timedelta = timedelta(0)
    """How far the clock jumped ahead in the last lease or late-accept time, whichever is longer."""

    @property
    def is_edit(self) -> bool:
        """Whether it changes what stands in Slack already."""
        return self.op in (Op.UPDATE, Op.DELETE)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim took. `was_full` says that more may be ready to be claimed now."""

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
    """The dead letters of one lane. `slack_id` is None where the lane isn't a conversation."""

    destination: str
    slack_id: str | None
    is_person: bool
    letters: tuple[OutboxRow, ...]
