"""When Slack's people, user groups and channels were read last, as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.people.tables import MirrorReading

KINDS = ("people", "groups", "channels")
"""The parts of the mirror, in the order in which they are read."""
WORDS = {"people": "people", "groups": "user groups", "channels": "channels"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one part of the mirror stands. Times are real."""

    read_at: datetime | None = None
    """When the last whole reading began; none when there was never one."""
    entries: int = 0
    failed_at: datetime | None = None
    failures: int = 0
    failure: str | None = None
    """Slack's word for why."""

    def age(self, real_now: datetime) -> timedelta | None:
        """How old it is; none when it was never read. A clock that was set back makes nothing younger than new."""
        if self.read_at is None:
            return None
        return max(timedelta(0), real_now - self.read_at)


def read_standing(session: Session) -> dict[str, Standing]:
    """How each part stands; one that was never tried is there too, with nothing in it."""
    rows = {row.kind: row for row in session.execute(select(MirrorReading)).scalars()}
    return {
        kind: Standing(row.read_at, row.entries, row.failed_at, row.failures, row.failure)
        if (row := rows.get(kind)) is not None
        else Standing()
        for kind in KINDS
    }


def list_unread(session: Session) -> tuple[str, ...]:
    """The parts that were never read, in words; empty once there is a mirror."""
    read = set(
        session.execute(
            select(MirrorReading.kind).where(MirrorReading.read_at.is_not(None))
        ).scalars()
    )
    return tuple(WORDS[kind] for kind in KINDS if kind not in read)


def record(session: Session, entries: Mapping[str, int], began: datetime) -> None:
    """These parts were read whole, beginning at that instant."""
    for kind, count in entries.items():
        row = _row(session, kind)
        row.read_at, row.entries = began, count
        row.failed_at, row.failures, row.failure = None, 0, None
    session.flush()


def record_failures(session: Session, failures: Mapping[str, str], real_now: datetime) -> None:
    """These parts could not be read; Slack's word for why."""
    for kind, code in failures.items():
        row = _row(session, kind)
        row.failed_at, row.failure = real_now, code[:200]
        row.failures += 1
    session.flush()


def _row(session: Session, kind: str) -> MirrorReading:
    row = session.get(MirrorReading, kind)
    if row is None:
        row = MirrorReading(kind=kind, entries=0, failures=0)
        session.add(row)
    return row
