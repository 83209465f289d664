"""When Slack's people, user groups and channels were last read as a whole, and who is missing from Slack's list."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from storage.people.lookups import parts
from storage.people.tables import MirrorReading, Person

KINDS = ("people", "groups", "channels")
"""The parts of the mirror, in the order in which they are read."""
WORDS = {"people": "people", "groups": "user groups", "channels": "channels"}


@dataclass(frozen=True, slots=True)
class Standing:
    """When one part of the mirror was read and failed. Times are real time."""

    read_at: datetime | None = None
    """When the last whole reading began (what changed during it may be missing); None: there was never one."""
    entries: int = 0
    failed_at: datetime | None = None
    failures: int = 0
    failure: str | None = None
    """Slack's error code of the last failure; failures are counted since the last success."""

    def age(self, real_now: datetime) -> timedelta | None:
        """How old the last reading is, at least zero; None when there was never one."""
        if self.read_at is None:
            return None
        return max(timedelta(0), real_now - self.read_at)


def read_standing(session: Session) -> dict[str, Standing]:
    """Kind → standing, for all of `KINDS`; one that was never tried has an empty one."""
    rows = {row.kind: row for row in session.execute(select(MirrorReading)).scalars()}
    return {
        kind: Standing(row.read_at, row.entries, row.failed_at, row.failures, row.failure)
        if (row := rows.get(kind)) is not None
        else Standing()
        for kind in KINDS
    }


def list_unread(session: Session) -> tuple[str, ...]:
    """The parts that were never read, in words for people; empty once all were."""
    read = set(
        session.execute(
            select(MirrorReading.kind).where(MirrorReading.read_at.is_not(None))
        ).scalars()
    )
    return tuple(WORDS[kind] for kind in KINDS if kind not in read)


def record(session: Session, entries: Mapping[str, int], began: datetime) -> None:
    """Note that these parts (kind → number of entries) were read whole, by a reading that began at `began`."""
    for kind, count in entries.items():
        row = _row(session, kind)
        row.read_at, row.entries = began, count
        row.failed_at, row.failures, row.failure = None, 0, None
    session.flush()


def record_failures(session: Session, failures: Mapping[str, str], real_now: datetime) -> None:
    """Note that these parts (kind → Slack's error code) could not be read."""
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


# --- People in the mirror whom Slack no longer lists


class Listed(NamedTuple):
    """Somebody in the mirror; `missing_since` (real time) is set once Slack no longer lists them."""

    id: str
    slack_id: str
    name: str
    missing_since: datetime | None


_LISTED = select(
    Person.id,
    # Never NULL here, as all of these were listed by Slack once; coalesce is for the type.
    func.coalesce(Person.slack_id, ""),
    Person.name,
    Person.missing_since,
)


def list_known(
    session: Session, org_key: str, team_ids: Collection[str], *, before: datetime
) -> list[Listed]:
    """The active people of these workspaces, without bots, whom Slack has not described since `before` (real time).

    Who was never described has no workspace, and is left out.
    """
    rows = session.execute(
        _LISTED.where(
            *_active(org_key, team_ids),
            or_(Person.refreshed_at.is_(None), Person.refreshed_at < before),
        ).order_by(Person.id)
    )
    return [Listed(*row) for row in rows]


def count_active(session: Session, org_key: str, team_ids: Collection[str]) -> int:
    """The number of active people in these workspaces, without bots."""
    return session.execute(
        select(func.count()).select_from(Person).where(*_active(org_key, team_ids))
    ).scalar_one()


def _active(org_key: str, team_ids: Collection[str]) -> list[ColumnElement[bool]]:
    return [
        Person.org_key == org_key,
        Person.slack_id.is_not(None),
        Person.team_id.in_(sorted(set(team_ids))),
        Person.is_bot.is_(False),
        Person.is_stranger.is_(False),
        Person.is_deactivated.is_(False),
        Person.erased_at.is_(None),
    ]


def set_missing(session: Session, ids: Collection[str], since: datetime | None) -> None:
    """Set since when these people are missing from Slack's list (real time); None: they are listed again."""
    for part in parts(ids):
        session.execute(
            update(Person)
            .where(Person.id.in_(part))
            .values(missing_since=since)
            .execution_options(synchronize_session="fetch")
        )


def list_missing(session: Session, org_key: str) -> list[Listed]:
    """The people who are kept as active although Slack no longer lists them, by name."""
    rows = session.execute(
        _LISTED.where(
            Person.org_key == org_key,
            Person.missing_since.is_not(None),
            Person.is_deactivated.is_(False),
            Person.erased_at.is_(None),
        ).order_by(Person.name, Person.id)
    )
    return [Listed(*row) for row in rows]
