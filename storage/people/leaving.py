"""Who is in the mirror, beside whom Slack lists."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from storage.people.lookups import parts
from storage.people.tables import Person


class Listed(NamedTuple):
    """Somebody who counts as active, or is kept though Slack lists them no more since `missing_since`."""

    id: str
    slack_id: str
    name: str
    missing_since: datetime | None


_LISTED = select(
    Person.id,
    # Never empty here: whoever Slack lists, or once did, has an id of Slack's.
    func.coalesce(Person.slack_id, ""),
    Person.name,
    Person.missing_since,
)


def list_known(
    session: Session, org_key: str, team_ids: Collection[str], *, before: datetime
) -> list[Listed]:
    """The people of these workspaces who count as active, bots apart.

    Of whom Slack told since `before` (real time) is left out, as is everybody whom it has never described.
    """
    rows = session.execute(
        _LISTED.where(
            *_active(org_key, team_ids),
            or_(Person.refreshed_at.is_(None), Person.refreshed_at < before),
        ).order_by(Person.id)
    )
    return [Listed(*row) for row in rows]


def count_active(session: Session, org_key: str, team_ids: Collection[str]) -> int:
    """How many people of these workspaces count as active, bots apart."""
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
    """Since when these are missing; None for who is there again."""
    for part in parts(ids):
        session.execute(
            update(Person)
            .where(Person.id.in_(part))
            .values(missing_since=since)
            .execution_options(synchronize_session="fetch")
        )


def list_missing(session: Session, org_key: str) -> list[Listed]:
    """Who is kept although Slack lists them no more, by name."""
    rows = session.execute(
        _LISTED.where(
            Person.org_key == org_key,
            Person.missing_since.is_not(None),
            Person.is_deactivated.is_(False),
            Person.erased_at.is_(None),
        ).order_by(Person.name, Person.id)
    )
    return [Listed(*row) for row in rows]
