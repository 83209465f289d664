"""Whom the words of a stage reach: people by id, and the members of user groups."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, or_, select, union_all
from sqlalchemy.orm import Session

from storage.people.tables import Person, SlackAlias, UserGroup, UserGroupMember


class PersonRow(NamedTuple):
    """Somebody whom the words of a stage reach."""

    id: str
    slack_id: str | None
    name: str
    is_bot: bool
    is_guest: bool
    is_stranger: bool
    is_deactivated: bool
    erased_at: datetime | None
    tz: str | None
    country: str | None
    away_until: datetime | None
    status_away_until: datetime | None
    status_times: int


_PERSON_COLUMNS = (
    Person.id,
    Person.slack_id,
    Person.name,
    Person.is_bot,
    Person.is_guest,
    Person.is_stranger,
    Person.is_deactivated,
    Person.erased_at,
    Person.tz,
    Person.country,
    Person.away_until,
    Person.status_away_until,
    Person.status_times,
)
_NAMED = union_all(
    select(*_PERSON_COLUMNS, Person.slack_id.label("named_as")).where(
        Person.org_key == bindparam("org"),
        or_(
            Person.slack_id.in_(bindparam("slack_ids", expanding=True)),
            Person.id.in_(bindparam("ids", expanding=True)),
        ),
    ),
    select(*_PERSON_COLUMNS, SlackAlias.slack_id.label("named_as"))
    .join(SlackAlias, SlackAlias.person_id == Person.id)
    .where(
        SlackAlias.org_key == bindparam("org"),
        SlackAlias.slack_id.in_(bindparam("slack_ids", expanding=True)),
    ),
)
_MEMBERS = (
    select(*_PERSON_COLUMNS, UserGroup.slack_id.label("group_id"), UserGroupMember.since)
    .join(UserGroupMember, UserGroupMember.person_id == Person.id)
    .join(UserGroup, UserGroup.id == UserGroupMember.group_id)
    .where(
        UserGroup.org_key == bindparam("org"),
        UserGroup.is_disabled.is_(False),
        UserGroup.slack_id.in_(bindparam("slack_ids", expanding=True)),
    )
)
_GROUP_NAMES = select(UserGroup.slack_id, UserGroup.name).where(
    UserGroup.org_key == bindparam("org")
)


def list_named(
    session: Session, org_key: str, *, slack_ids: Collection[str], ids: Collection[str]
) -> list[tuple[PersonRow, str | None]]:
    """People by any of their Slack ids or by our own, once for each id; with the Slack id that named them."""
    if not slack_ids and not ids:
        return []
    values = {"org": org_key, "slack_ids": list(slack_ids), "ids": list(ids)}
    return [
        (PersonRow._make(person), named_as) for *person, named_as in session.execute(_NAMED, values)
    ]


def list_members(
    session: Session, org_key: str, *, slack_ids: Collection[str]
) -> list[tuple[PersonRow, str, datetime]]:
    """Members of enabled user groups, once for each group: with its Slack id, and since when they are seen in it."""
    if not slack_ids:
        return []
    values = {"org": org_key, "slack_ids": list(slack_ids)}
    return [
        (PersonRow._make(person), group_id, since)
        for *person, group_id, since in session.execute(_MEMBERS, values)
    ]


def list_group_names(session: Session, org_key: str) -> dict[str, str]:
    """What all user groups are called, by Slack id."""
    return {id_: name for id_, name in session.execute(_GROUP_NAMES, {"org": org_key})}
