"""How old Slack's word is on those whose standing an act rests on: who acts, by which groups the policy means them, and
whom they name."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.people import queries as people_queries
from workflows import handles
from workflows.context import Actor
from workflows.people import service as people


@dataclass(frozen=True, slots=True)
class Freshness:
    """Somebody by the mirror, whether Slack's word on them is too old, and on which of the user groups that matter."""

    actor: Actor
    is_unread: bool
    unread_groups: tuple[str, ...]
    """By Slack id."""


def read_freshness(
    session: Session, person_id: str, words: Collection[str], since: datetime
) -> Freshness | None:
    """Slack's word on somebody, and on those of their user groups that `words` mean (`@group`, `S…`): whether there is none
    since then (real time)."""
    rows = queries.list_standing(session, person_id)
    if not rows:
        return None
    old = {
        row.group_id
        for row in rows
        if row.group_id is not None and is_before(row.group_read_at, since)
    }
    # Mostly all is fresh, and then nobody has to know which groups matter.
    meant = handles.resolve(session, rows[0].org_key, words).who(words) if old else ()
    return Freshness(
        people.as_actor(rows[0]),
        is_before(rows[0].refreshed_at, since),
        tuple(sorted(old.intersection(meant))),
    )


def list_unread(
    session: Session, org_key: str, slack_ids: Collection[str], since: datetime
) -> tuple[str, ...]:
    """Those of these people, by Slack id, of whom Slack has told nothing since then (real time)."""
    read = {
        slack_id: row.refreshed_at
        for slack_id, row in people_queries.find_by_slack_ids(session, org_key, slack_ids).items()
    }
    return tuple(one for one in sorted(set(slack_ids)) if is_before(read.get(one), since))


def is_before(read_at: datetime | None, since: datetime) -> bool:
    """Whether that was read before then, or never."""
    return read_at is None or read_at < since
