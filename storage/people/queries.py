"""Reading and writing the mirror of people, user groups and channels."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.people.lookups import parts
from storage.people.tables import (
    Channel,
    Person,
    PolicyGroup,
    SlackAlias,
    UserGroup,
    UserGroupMember,
)

_Row = TypeVar("_Row", Person, UserGroup, Channel)
_Place = TypeVar("_Place", UserGroup, Channel)

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_BY_SLACK_ID = select(Person).where(
    Person.org_key == bindparam("org"), Person.slack_id == bindparam("slack")
)
_BY_ALIAS = (
    select(Person)
    .join(SlackAlias, SlackAlias.person_id == Person.id)
    .where(SlackAlias.org_key == bindparam("org"), SlackAlias.slack_id == bindparam("slack"))
)
_BY_ID = select(Person).where(Person.id == bindparam("person"))


def _insert(session: Session, table: Any) -> Any:
    return _INSERT[session.get_bind().dialect.name](table)


def find_person(session: Session, person_id: str) -> Person | None:
    """A person by opaque id."""
    return session.execute(_BY_ID, {"person": person_id}).scalar_one_or_none()


def find_by_slack_id(session: Session, org_key: str, slack_id: str) -> Person | None:
    """The person of an organisation with this Slack id, their present or another one; None when unknown."""
    key = {"org": org_key, "slack": slack_id}
    person = session.execute(_BY_SLACK_ID, key).scalar_one_or_none()
    return person or session.execute(_BY_ALIAS, key).scalar_one_or_none()


def list_by_slack_id(session: Session, slack_id: str) -> Sequence[Person]:
    """People of any organisation with this Slack id, their present or another one."""
    alias = select(SlackAlias.person_id).where(SlackAlias.slack_id == slack_id)
    return (
        session.execute(
            select(Person)
            .where(or_(Person.slack_id == slack_id, Person.id.in_(alias)))
            .order_by(Person.id)
        )
        .scalars()
        .all()
    )


def list_by_email(session: Session, email: str) -> Sequence[Person]:
    """People with this e-mail address (folded), of any organisation."""
    return (
        session.execute(select(Person).where(Person.email == email).order_by(Person.id))
        .scalars()
        .all()
    )


def list_by_emails(session: Session, emails: Collection[str]) -> Sequence[Person]:
    """People with one of these e-mail addresses (folded), of any organisation."""
    if not emails:
        return []
    return (
        session.execute(
            select(Person).where(Person.email.in_(sorted(set(emails)))).order_by(Person.id)
        )
        .scalars()
        .all()
    )


def list_people(session: Session, ids: Collection[str]) -> Sequence[Person]:
    """People by opaque ids, in no order."""
    if not ids:
        return []
    return session.execute(select(Person).where(Person.id.in_(sorted(set(ids))))).scalars().all()


def lock_people(session: Session, ids: Collection[str]) -> Sequence[Person]:
    """People by opaque ids, read anew and locked in the order of their ids."""
    wanted = select(Person).where(Person.id.in_(sorted(set(ids)))).order_by(Person.id)
    return _locked(session, wanted)


def _locked(session: Session, rows: Select[_Row]) -> Sequence[_Row]:
    locked = rows.with_for_update().execution_options(populate_existing=True)
    return session.execute(locked).scalars().all()


def list_organisation(session: Session, org_key: str) -> Sequence[Person]:
    """Everybody of one organisation who was not erased."""
    return (
        session.execute(
            select(Person)
            .where(Person.org_key == org_key, Person.erased_at.is_(None))
            .order_by(Person.id)
        )
        .scalars()
        .all()
    )


def list_erased(session: Session) -> Sequence[str]:
    """Opaque ids of everybody who was erased."""
    return (
        session.execute(select(Person.id).where(Person.erased_at.is_not(None)).order_by(Person.id))
        .scalars()
        .all()
    )


def find_by_slack_ids(
    session: Session, org_key: str, slack_ids: Collection[str]
) -> dict[str, Person]:
    """Slack id → the person of an organisation with that id, their present or another one; unknown ids are left out."""
    return _by_slack_ids(session, org_key, slack_ids, Person)


def find_ids_by_slack_id(
    session: Session, org_key: str, slack_ids: Collection[str]
) -> dict[str, str]:
    """As `find_by_slack_ids`, with opaque ids instead of rows, which is much quicker for thousands."""
    return _by_slack_ids(session, org_key, slack_ids, Person.id)


def _by_slack_ids(
    session: Session, org_key: str, slack_ids: Collection[str], what: Any
) -> dict[str, Any]:
    """Slack id → the column or entity `what` of its person; somebody's present id goes before another one's alias."""
    known: dict[str, Any] = {}
    for part in parts(slack_ids):
        known |= {
            slack_id: value
            for slack_id, value in session.execute(
                select(Person.slack_id, what).where(
                    Person.org_key == org_key, Person.slack_id.in_(part)
                )
            )
        }
    for part in parts(slack_id for slack_id in slack_ids if slack_id not in known):
        known |= {
            slack_id: value
            for slack_id, value in session.execute(
                select(SlackAlias.slack_id, what)
                .join(Person, Person.id == SlackAlias.person_id)
                .where(SlackAlias.org_key == org_key, SlackAlias.slack_id.in_(part))
            )
        }
    return known


def insert_people(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert people; one that is there already, by organisation and Slack id, stays as it is."""
    if rows:
        session.execute(
            _insert(session, Person).on_conflict_do_nothing(index_elements=["org_key", "slack_id"]),
            list(rows),
        )


def touch_people(session: Session, ids: Collection[str], read_at: datetime) -> None:
    """Note that Slack was asked about these people at `read_at` (real time) and said nothing new.

    Who was the subject of an event since then is left out: the answer may be older than the event.
    """
    if ids:
        session.execute(
            update(Person)
            .where(
                Person.id.in_(sorted(ids)),
                or_(Person.heard_at.is_(None), Person.heard_at <= read_at),
            )
            .values(refreshed_at=read_at)
            .execution_options(synchronize_session="evaluate")
        )


def _by_ids(table: type[_Place], org_key: str, slack_ids: Collection[str]) -> Select[_Place]:
    return (
        select(table)
        .where(table.org_key == org_key, table.slack_id.in_(sorted(set(slack_ids))))
        .order_by(table.id)
    )


def list_groups(session: Session, org_key: str, slack_ids: Collection[str]) -> Sequence[UserGroup]:
    """User groups by Slack ids."""
    return session.execute(_by_ids(UserGroup, org_key, slack_ids)).scalars().all()


def lock_groups(session: Session, org_key: str, slack_ids: Collection[str]) -> Sequence[UserGroup]:
    """User groups by Slack ids, read anew and locked in the order of their ids."""
    return _locked(session, _by_ids(UserGroup, org_key, slack_ids))


def insert_groups(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert user groups; one that is there already stays as it is."""
    if rows:
        session.execute(
            _insert(session, UserGroup).on_conflict_do_nothing(
                index_elements=["org_key", "slack_id"]
            ),
            list(rows),
        )


def has_enabled_besides(session: Session, org_key: str, kept: Collection[str]) -> bool:
    """Whether a user group other than `kept` is enabled, so that it gives its members rights."""
    others = select(UserGroup.id).where(
        UserGroup.org_key == org_key,
        UserGroup.slack_id.not_in(sorted(set(kept))),
        UserGroup.is_disabled.is_(False),
    )
    return session.execute(others.limit(1)).first() is not None


def disable_other_groups(
    session: Session, org_key: str, kept: Collection[str], read_at: datetime
) -> None:
    """Disable the user groups that Slack didn't list in a reading that began at `read_at` (real time).

    Those that were read or were the subject of an event since then stay: that is newer than the reading.
    """
    session.execute(
        update(UserGroup)
        .where(
            UserGroup.org_key == org_key,
            UserGroup.slack_id.not_in(sorted(set(kept))),
            *(
                or_(at.is_(None), at <= read_at)
                for at in (UserGroup.refreshed_at, UserGroup.heard_at)
            ),
        )
        .values(is_disabled=True, refreshed_at=read_at)
        .execution_options(synchronize_session=False)
    )


def forget_group_reads(session: Session, org_key: str) -> None:
    """Let the members of every user group count as not read from Slack, so that they are asked for again."""
    session.execute(
        update(UserGroup)
        .where(UserGroup.org_key == org_key)
        .values(refreshed_at=None)
        .execution_options(synchronize_session="fetch")
    )


def list_member_ids(session: Session, group_id: int) -> set[str]:
    """Opaque ids of a group's members."""
    return set(
        session.execute(
            select(UserGroupMember.person_id).where(UserGroupMember.group_id == group_id)
        ).scalars()
    )


def list_members(session: Session, group_ids: Collection[int]) -> Sequence[tuple[int, Person]]:
    """(group_id, Person) of the members of these groups."""
    if not group_ids:
        return []
    return session.execute(
        select(UserGroupMember.group_id, Person)
        .join(Person, Person.id == UserGroupMember.person_id)
        .where(UserGroupMember.group_id.in_(sorted(set(group_ids))))
        .order_by(UserGroupMember.group_id, Person.id)
    ).all()


def add_members(
    session: Session, group_id: int, person_ids: Collection[str], since: datetime
) -> None:
    """Add people to a group; who is in it already keeps their `since` (governed time)."""
    if person_ids:
        session.execute(
            _insert(session, UserGroupMember).on_conflict_do_nothing(),
            [
                {"group_id": group_id, "person_id": person, "since": since}
                for person in sorted(set(person_ids))
            ],
        )


def remove_members(session: Session, group_id: int, person_ids: Collection[str]) -> None:
    """Take people out of a group."""
    for part in parts(person_ids):
        session.execute(
            delete(UserGroupMember)
            .where(UserGroupMember.group_id == group_id, UserGroupMember.person_id.in_(part))
            .execution_options(synchronize_session=False)
        )


_CHANNEL = select(Channel).where(
    Channel.org_key == bindparam("org"), Channel.slack_id == bindparam("slack")
)


def find_channel_by_id(session: Session, org_key: str, slack_id: str) -> Channel | None:
    """A mirrored channel by its Slack id."""
    return session.execute(_CHANNEL, {"org": org_key, "slack": slack_id}).scalar_one_or_none()


def list_channels(session: Session, org_key: str, slack_ids: Collection[str]) -> Sequence[Channel]:
    """Mirrored channels by Slack ids."""
    return session.execute(_by_ids(Channel, org_key, slack_ids)).scalars().all()


def lock_channels(session: Session, org_key: str, slack_ids: Collection[str]) -> Sequence[Channel]:
    """Mirrored channels by Slack ids, read anew and locked in the order of their ids."""
    return _locked(session, _by_ids(Channel, org_key, slack_ids))


def insert_channels(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert channels; one that is there already stays as it is."""
    if rows:
        session.execute(
            _insert(session, Channel).on_conflict_do_nothing(
                index_elements=["org_key", "slack_id"]
            ),
            list(rows),
        )


def list_joined_channels(session: Session, org_key: str) -> Sequence[Channel]:
    """Channels that the bot is in, by the mirror."""
    return (
        session.execute(
            select(Channel)
            .where(Channel.org_key == org_key, Channel.bot_is_member.is_(True))
            .order_by(Channel.id)
        )
        .scalars()
        .all()
    )


def leave_channels(session: Session, org_key: str, slack_ids: Collection[str]) -> None:
    """Note that the bot isn't in these channels any more; who reads them counts as unknown from then on."""
    for part in parts(slack_ids):
        session.execute(
            update(Channel)
            .where(Channel.org_key == org_key, Channel.slack_id.in_(part))
            .values(bot_is_member=False, refreshed_at=None)
            .execution_options(synchronize_session="fetch")
        )


def forget_channel_reads(
    session: Session, org_key: str, slack_ids: Collection[str] | None = None, *, heard_at: datetime
) -> None:
    """Let these channels (None: all) count as not read from Slack, so that they aren't taken for closed until they are.

    Readings that began before `heard_at` (real time) don't count either.
    """
    statement = update(Channel).where(Channel.org_key == org_key)
    if slack_ids is not None:
        statement = statement.where(Channel.slack_id.in_(sorted(set(slack_ids))))
    session.execute(
        statement.values(refreshed_at=None, heard_at=heard_at).execution_options(
            synchronize_session="fetch"
        )
    )


def has_open_home(session: Session, ids: Collection[str]) -> Sequence[Person]:
    """Those of these people who have opened App Home and still have a Slack id."""
    people: list[Person] = []
    for part in parts(ids):
        people += session.execute(
            select(Person)
            .where(
                Person.id.in_(part),
                Person.home_opened_at.is_not(None),
                Person.slack_id.is_not(None),
            )
            .order_by(Person.id)
        ).scalars()
    return people


def has_groups(session: Session, org_key: str) -> bool:
    """Whether the mirror has any user group of an organisation."""
    statement = select(UserGroup.id).where(UserGroup.org_key == org_key).limit(1)
    return session.execute(statement).first() is not None


# --- User groups by the handle that a policy names (decision 24: a handle means one group)

_HAVING = (
    select(UserGroup.handle, UserGroup.slack_id)
    .where(
        UserGroup.org_key == bindparam("org"),
        UserGroup.handle.in_(bindparam("handles", expanding=True)),
        UserGroup.is_disabled.is_(False),
    )
    .order_by(UserGroup.id)
)
_MEANT = select(PolicyGroup.handle, PolicyGroup.group_id).where(
    PolicyGroup.org_key == bindparam("org"),
    PolicyGroup.handle.in_(bindparam("handles", expanding=True)),
    PolicyGroup.group_id.is_not(None),
)


def list_having(
    session: Session, org_key: str, handles: Collection[str]
) -> Sequence[tuple[str, str]]:
    """(handle, Slack id) of every enabled user group that has one of these handles now."""
    if not handles:
        return []
    rows = session.execute(_HAVING, {"org": org_key, "handles": sorted(set(handles))})
    return [(row.handle, row.slack_id) for row in rows]


def list_meant(session: Session, org_key: str, handles: Collection[str]) -> dict[str, str]:
    """Handle → Slack id of the group that it means here, for those handles that mean one."""
    if not handles:
        return {}
    rows = session.execute(_MEANT, {"org": org_key, "handles": sorted(set(handles))})
    return {row.handle: row.group_id for row in rows}


def find(session: Session, org_key: str, handle: str) -> PolicyGroup | None:
    """The row of a handle; None for one that no policy has named."""
    return session.get(PolicyGroup, (org_key, handle))


def lock(session: Session, org_key: str, handles: Collection[str]) -> Sequence[PolicyGroup]:
    """The rows of these handles, inserted where missing, locked, by handle."""
    if not handles:
        return []
    wanted = sorted(set(handles))
    session.execute(
        _INSERT[session.get_bind().dialect.name](PolicyGroup).on_conflict_do_nothing(),
        [{"org_key": org_key, "handle": handle, "others": [], "times": 0} for handle in wanted],
    )
    return (
        session.execute(
            select(PolicyGroup)
            .where(PolicyGroup.org_key == org_key, PolicyGroup.handle.in_(wanted))
            .order_by(PolicyGroup.handle)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )


def list_kept(session: Session, org_key: str) -> Sequence[PolicyGroup]:
    """The rows of every handle that a policy has named, by handle."""
    return (
        session.execute(
            select(PolicyGroup).where(PolicyGroup.org_key == org_key).order_by(PolicyGroup.handle)
        )
        .scalars()
        .all()
    )
