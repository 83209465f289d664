"""Reads of delivery: messages in Slack, how much waits, and uploaded pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.delivery import claims, outbox
from storage.enums import OutboxState, UploadState
from workflows import clock
from workflows.delivery.pace import Pace, gate_key
from workflows.delivery.records import Address


def find_shown_at(session: Session, channel: str, ts: str) -> tuple[str, dict[str, Any]] | None:
    """Kind and facts of the notice that our message with this `ts` shows; None for anybody else's message."""
    copy = claims.find_settled_copy(session, channel, ts)
    return None if copy is None else (copy.kind, copy.notice)


# --- Who reads what is sent to a lane


def reader(session: Session, address: Address) -> str | None:
    """The opaque id of the person whose direct message this is; None for a channel or somebody unknown."""
    if not address.is_person:
        return None
    return outbox.find_person_id(session, address.org_key, address.slack_id)


# --- How delivery stands, for metrics and health


@dataclass(frozen=True, slots=True)
class Measured:
    """Number of rows by state (pending, sending, dead), and by how many seconds the oldest unsettled one is overdue."""

    by_state: dict[str, int]
    oldest_seconds: float


def measure(session: Session) -> Measured:
    """Count the rows that are not settled, from partial indices, so that every scrape of metrics may ask."""
    now = clock.now(session)
    none = {
        state.value: 0 for state in (OutboxState.PENDING, OutboxState.SENDING, OutboxState.DEAD)
    }
    oldest = outbox.find_oldest_due(session, now=now)
    age = (now - oldest).total_seconds() if oldest is not None else 0.0
    return Measured(none | outbox.count_states(session), max(age, 0.0))


def daily_heads(session: Session) -> Sequence[tuple[str, str, datetime, datetime | None]]:
    """As `storage.delivery.outbox.list_daily_heads`."""
    return outbox.list_daily_heads(session)


# --- Which pictures were uploaded, and the pace at which more may be
#
# Each change is a transaction of its own.

METHOD = "files.getUploadURLExternal"
"""The gate that paces uploads. The calls that follow aren't counted: an upload makes one of each."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that Slack has as a file; `key` is the digest of what it shows. `is_ready`: a block can show it."""

    key: str
    file_id: str
    is_ready: bool


def find(session: Session, keys: Iterable[str]) -> dict[str, Upload]:
    """Those of these pictures that were uploaded, by key."""
    return {
        key: Upload(key, file_id, state is UploadState.READY)
        for key, (file_id, state) in claims.find(session, sorted(set(keys))).items()
    }


def wait(session: Session, org_key: str, pace: Pace) -> timedelta:
    """Count one upload and return zero; when it may not begin yet, count nothing and return how long to wait."""
    real = clock.real_now(session)
    rate, key = pace.rate(METHOD), gate_key(org_key, METHOD)
    claims.make(session, [key], outbox.NEVER_WAITED)
    return claims.take(
        session, key, real_now=real, interval=rate.interval, tolerance=rate.tolerance()
    )


def keep(session: Session, key: str, file_id: str) -> Upload:
    """Keep an uploaded picture, before anything shows it, and return the one that counts: what was kept first."""
    claims.add(session, key, file_id, now=clock.real_now(session))
    return find(session, [key])[key]


def mark_ready(session: Session, keys: Iterable[str]) -> None:
    """Note that Slack can show these pictures from now on."""
    claims.mark_ready(session, sorted(keys))


def forget(session: Session, files: Mapping[str, str]) -> None:
    """Forget files (key → file id) that Slack won't show, since they were deleted there; they are uploaded anew."""
    for key, file_id in sorted(files.items()):
        claims.forget(session, key, file_id)
