"""Who is in the mirror, beside whom Slack lists."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from storage.people.lookups import parts
from storage.people.tables import Person


def list_known(
    session: Session, org_key: str, team_ids: Collection[str], *, before: datetime
) -> Sequence[Any]:
    """The people (id, slack_id, missing_since) of these workspaces who count as active, bots apart.

    Of whom Slack told since `before` (real time) is left out, as is everybody whom it has never described.
    """
    return session.execute(
        select(Person.id, Person.slack_id, Person.missing_since)
        .where(
            *_active(org_key, team_ids),
            or_(Person.refreshed_at.is_(None), Person.refreshed_at < before),
        )
        .order_by(Person.id)
    ).all()


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


def list_missing(session: Session, org_key: str) -> Sequence[Any]:
    """Who is kept although Slack lists them no more (id, slack_id, name, missing_since), by name."""
    return session.execute(
        select(Person.id, Person.slack_id, Person.name, Person.missing_since)
        .where(
            Person.org_key == org_key,
            Person.missing_since.is_not(None),
            Person.is_deactivated.is_(False),
            Person.erased_at.is_(None),
        )
        .order_by(Person.name, Person.id)
    ).all()
