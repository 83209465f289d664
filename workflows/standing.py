"""How old Slack's word is on those whose standing an act rests on: who acts, by which groups the policy means them, and
whom they name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.people import queries as people_queries
from workflows import handles
from workflows.actors import Actor
from workflows.people import service as people


@dataclass(frozen=True, slots=True)
class Word:
    """Somebody by the mirror, and when Slack told of them and of the user groups that matter (real time); None: never."""

    actor: Actor
    read_at: datetime | None
    groups: Mapping[str, datetime | None]
    """By Slack id."""

    def unread(self, since: datetime) -> tuple[bool, tuple[str, ...]]:
        """Whether Slack has told nothing of the person since then, and of which of the groups."""
        return is_before(self.read_at, since), tuple(
            group_id
            for group_id, read_at in self.groups.items()
            if is_before(read_at, since)
        )


def word(session: Session, person_id: str, words: Collection[str]) -> Word | None:
    """Slack's word on somebody, and on those of their user groups that `words` mean (`@group`, `S…`)."""
    rows = queries.list_standing(session, person_id)
    actor = people.actor(session, person_id) if rows else None
    if actor is None:
        return None
    meant = handles.read(session, rows[0].org_key, words).who(words)
    groups = {
        row.group_id: row.group_read_at
        for row in rows
        if row.group_id is not None and row.group_id in meant
    }
    return Word(actor, rows[0].refreshed_at, groups)


def unread(
    session: Session, org_key: str, slack_ids: Collection[str], since: datetime
) -> tuple[str, ...]:
    """Those of these people, by Slack id, of whom Slack has told nothing since then (real time)."""
    read = {
        slack_id: row.refreshed_at
        for slack_id, row in people_queries.by_slack_ids(
            session, org_key, slack_ids
        ).items()
    }
    return tuple(
        one for one in sorted(set(slack_ids)) if is_before(read.get(one), since)
    )


def is_before(read_at: datetime | None, since: datetime) -> bool:
    """Whether that was read before then, or never."""
    return read_at is None or read_at < since
