"""What stands in Slack, by where it stands."""

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
    """Kind and facts of the notice that this message of ours shows; None for any other message."""
    copy = claims.find_settled_copy(session, channel, ts)
    return None if copy is None else (copy.kind, copy.notice)


# --- Who reads what is sent to a lane


def reader(session: Session, address: Address) -> str | None:
    """The person whose direct message it is, by their opaque id; None for a channel, or for somebody unknown."""
    if not address.is_person:
        return None
    return outbox.find_person_id(session, address.org_key, address.slack_id)


# --- How delivery stands, for metrics and health


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows by state (pending, sending, dead), and how late the oldest row is that is due and not settled."""

    by_state: dict[str, int]
    oldest_seconds: float


def measure(session: Session) -> Measured:
    """Count what waits; cheap enough for every scrape."""
    now = clock.now(session)
    none = {
        state.value: 0 for state in (OutboxState.PENDING, OutboxState.SENDING, OutboxState.DEAD)
    }
    oldest = outbox.find_oldest_due(session, now=now)
    age = (now - oldest).total_seconds() if oldest is not None else 0.0
    return Measured(none | outbox.count_states(session), max(age, 0.0))


def daily_heads(session: Session) -> Sequence[tuple[str, str, datetime, datetime | None]]:
    """The latest daily publications of the ledger's head: key, state, when it was written, and when it was settled."""
    return outbox.list_daily_heads(session)


# --- Which pictures were uploaded, and the pace at which more may be
#
# Each change is a transaction of its own.

METHOD = "files.getUploadURLExternal"
"""The gate that paces uploads; the calls that follow go with it, one each."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that Slack has, by the digest of what it shows. `is_ready` says that a block can show it."""

    key: str
    file_id: str
    is_ready: bool


def find(session: Session, keys: Iterable[str]) -> dict[str, Upload]:
    """What of these was uploaded before."""
    return {
        key: Upload(key, file_id, state is UploadState.READY)
        for key, (file_id, state) in claims.find(session, sorted(set(keys))).items()
    }


def wait(session: Session, org_key: str, pace: Pace) -> timedelta:
    """Count one upload; zero when it may begin, else how long to wait until one may."""
    real = clock.real_now(session)
    rate, key = pace.rate(METHOD), gate_key(org_key, METHOD)
    claims.make(session, [key], outbox.NEVER_WAITED)
    return claims.take(
        session, key, real_now=real, interval=rate.interval, tolerance=rate.tolerance()
    )


def keep(session: Session, key: str, file_id: str) -> Upload:
    """Remember an uploaded picture before anything shows it; the one that another replica kept first counts."""
    claims.add(session, key, file_id, now=clock.real_now(session))
    return find(session, [key])[key]


def mark_ready(session: Session, keys: Iterable[str]) -> None:
    """Slack can show these from now on."""
    claims.mark_ready(session, sorted(keys))


def forget(session: Session, files: Mapping[str, str]) -> None:
    """Slack will not show these files (key → file id): they were deleted there."""
    for key, file_id in sorted(files.items()):
        claims.forget(session, key, file_id)
