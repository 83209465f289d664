"""Who has left without a word of Slack's: people whom it does not know any more, or no longer lists."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy.orm import Session

from storage.people import leaving as leaving_queries
from storage.people import queries
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.outbox import Notice
from workflows.people import linking, mirror
from workflows.people.forms import PersonSeen
from workflows.policy import Policy

KEPT_FOR = timedelta(days=1)
"""How long Slack has to leave many people out before all of them count as having left."""
FEW = 10
"""As many may go at once, however small the organisation, while at least half of it stays."""
TENTH = 10

UNKNOWN, UNLISTED = "unknown", "unlisted"
"""On the ledger, why somebody counts as having left: Slack was asked and knows nobody by that id, or lists them no more."""


@dataclass(frozen=True, slots=True)
class PeopleMissing(Notice):
    """So many people are listed no more that they are kept for now."""

    kind: ClassVar[str] = "people.missing"
    org_key: str


@dataclass(frozen=True, slots=True)
class MissingTold:
    """Such people, with names, and when they count as having left."""

    names: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Absent:
    """Whom a whole reading did not list: those who have left by it, and those who are kept for now."""

    gone: tuple[str, ...] = ()
    """Slack ids."""
    kept: tuple[str, ...] = ()
    """Opaque ids."""


def leave(
    session: Session,
    slack_ids: Collection[str],
    *,
    org_key: str,
    read_at: datetime,
    now: datetime,
    why: str,
) -> int:
    """Slack was asked at `read_at` (real time) and knows these people no more: they count as having left.

    Whatever follows when Slack says that somebody is deactivated follows here; it is on the ledger, with `why`. Of whom
    Slack has told since stays as they are. How many have left by it.
    """
    rows = [
        row
        for row in queries.find_by_slack_ids(session, org_key, slack_ids).values()
        # By another of their ids Slack may know somebody no more whom it still knows.
        if row.slack_id in slack_ids
        and row.erased_at is None
        and (row.refreshed_at is None or row.refreshed_at <= read_at)
    ]
    left = [row.id for row in rows if not row.is_deactivated]
    seen = [
        PersonSeen(
            org_key=org_key,
            slack_id=row.slack_id,
            team_id=row.team_id,
            name=row.name,
            title=row.title,
            tz=row.tz,
            is_bot=row.is_bot,
            is_guest=row.is_guest,
            is_stranger=row.is_stranger,
            is_deactivated=True,
        )
        for row in rows
        if row.slack_id is not None
    ]
    mirror.upsert_people(session, seen, read_at=read_at, now=now)
    leaving_queries.set_missing(session, [row.id for row in rows], None)
    for person_id in left:
        audit.record(session, SYSTEM, "person.left", ("person", person_id), now=now, why=why)
    return len(left)


def find_absent(
    session: Session,
    listed: Collection[str],
    *,
    org_key: str,
    team_ids: Collection[str],
    began: datetime,
    now: datetime,
    accept: bool = False,
) -> Absent:
    """Whom Slack left out of a whole reading of these workspaces, which began at `began` (real time).

    Where so many are missing at once that Slack, the token or mlgov may be mistaken, they are kept until Slack has left
    them out for a day, unless somebody accepts it.
    """
    known = leaving_queries.list_known(session, org_key, team_ids, before=began)
    missing = [row for row in known if row.slack_id not in listed]
    if accept or not is_suspicious(
        len(missing), leaving_queries.count_active(session, org_key, team_ids)
    ):
        return Absent(tuple(row.slack_id for row in missing))
    over = [
        row
        for row in missing
        if row.missing_since is not None and row.missing_since <= now - KEPT_FOR
    ]
    ids = {row.id for row in over}
    return Absent(
        tuple(row.slack_id for row in over), tuple(row.id for row in missing if row.id not in ids)
    )


def is_suspicious(missing: int, active: int) -> bool:
    """Whether too many are missing at once to believe it: more than half, or more than ten and a tenth."""
    return missing * 2 > active or (missing > FEW and missing * TENTH > active)


def keep(
    session: Session, listed: Collection[str], ids: Collection[str], *, org_key: str, now: datetime
) -> None:
    """These are kept although Slack lists them no more; who is listed again is missing no more."""
    missing = leaving_queries.list_missing(session, org_key)
    leaving_queries.set_missing(session, set(ids) - {row.id for row in missing}, now)
    back = {row.id for row in missing if row.slack_id in listed}
    leaving_queries.set_missing(session, back - set(ids), None)


def notify_administrators(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """Tell the administrators, once a day, of those who are kept."""
    if not leaving_queries.list_missing(session, org_key):
        return
    day = now.astimezone(policy.organisation.zone).date()
    linking.notify_administrators(
        session, PeopleMissing(org_key), f"missing:{day}", None, policy, org_key, now
    )


def read(session: Session, notice: PeopleMissing) -> MissingTold:
    """Who is kept, with names."""
    rows = leaving_queries.list_missing(session, notice.org_key)
    since = [row.missing_since for row in rows if row.missing_since is not None]
    return MissingTold(tuple(row.name for row in rows), min(since) + KEPT_FOR if since else None)
