"""Whom the words of a stage reach: people by id, and the members of user groups."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, or_, select, union_all
from sqlalchemy.orm import Session

from storage.people.tables import Person, SlackAlias, UserGroup, UserGroupMember

Rows = Sequence[Any]
"""Rows of a statement, read by column name."""

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
) -> Rows:
    """People by any of their Slack ids, which `named_as` is, or by our own; one row for each id that was given."""
    if not slack_ids and not ids:
        return []
    return session.execute(
        _NAMED, {"org": org_key, "slack_ids": list(slack_ids), "ids": list(ids)}
    ).all()


def list_members(session: Session, org_key: str, *, slack_ids: Collection[str]) -> Rows:
    """Members of enabled user groups by the group's Slack id; one row per person and group."""
    if not slack_ids:
        return []
    return session.execute(_MEMBERS, {"org": org_key, "slack_ids": list(slack_ids)}).all()


def list_groups(session: Session, org_key: str) -> Rows:
    """All user groups (slack_id, name), to name them to people."""
    return session.execute(_GROUP_NAMES, {"org": org_key}).all()
