"""An organisation under another key: its people, user groups, channels, lanes and notices follow."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import String, Table, bindparam, delete, func, select, update
from sqlalchemy import cast as as_
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.delivery.queries import relocating
from storage.delivery.tables import Gate, Message, Outbox, Runtime
from storage.enums import ApprovalState
from storage.people.lookups import parts
from storage.people.tables import (
    Channel,
    MirrorReading,
    Person,
    SlackAlias,
    UserGroup,
    UserGroupMember,
)

_QUIET = {"synchronize_session": False}
_person = cast(Table, Person.__table__)


def lock(session: Session) -> dict[str, Any]:
    """What the database knows of its organisation; nobody else reads or changes it before this transaction ends."""
    return dict(
        session.execute(select(Runtime.facts).where(Runtime.id == 1).with_for_update()).scalar_one()
    )


def share(session: Session) -> dict[str, Any]:
    """The same for who only relies on it: it does not change before this transaction ends."""
    return dict(
        session.execute(
            select(Runtime.facts).where(Runtime.id == 1).with_for_update(read=True)
        ).scalar_one()
    )


def list_known(session: Session, org_key: str) -> Sequence[Person]:
    """Everybody of an organisation who has a Slack id, and is one of theirs."""
    return (
        session.execute(
            select(Person)
            .where(
                Person.org_key == org_key,
                Person.slack_id.is_not(None),
                Person.is_stranger.is_(False),
            )
            .order_by(Person.id)
        )
        .scalars()
        .all()
    )


def count_own(session: Session, org_key: str) -> int:
    """How many of its own people stand under an organisation's key, those of files and programs too."""
    return session.execute(
        select(func.count())
        .select_from(Person)
        .where(Person.org_key == org_key, Person.is_stranger.is_(False))
    ).scalar_one()


def rename_people(
    session: Session, org_key: str, new_key: str, slack_ids: Mapping[str, str]
) -> None:
    """Everybody of the organisation stands under its new key, with the Slack id that is given by their opaque id."""
    session.flush()
    session.execute(
        update(SlackAlias)
        .where(SlackAlias.org_key == org_key)
        .values(org_key=new_key)
        .execution_options(**_QUIET)
    )
    session.execute(
        update(Person)
        .where(Person.org_key == org_key)
        .values(org_key=new_key, refreshed_at=None)
        .execution_options(**_QUIET)
    )
    if slack_ids:
        session.connection().execute(
            update(_person)
            .where(_person.c.id == bindparam("who"))
            .values(slack_id=bindparam("called")),
            [{"who": person, "called": slack_id} for person, slack_id in sorted(slack_ids.items())],
        )
    session.expire_all()


def rename_places(session: Session, org_key: str, new_key: str) -> tuple[int, int]:
    """User groups and channels stand under the new key, all to be asked about again; how many of each.

    Where one stands under it already, that one is kept.
    """
    doubles = select(UserGroup.slack_id).where(UserGroup.org_key == new_key)
    gone = select(UserGroup.id).where(UserGroup.org_key == org_key, UserGroup.slack_id.in_(doubles))
    ids = list(session.execute(gone).scalars())
    for part in parts(ids):
        session.execute(
            delete(UserGroupMember)
            .where(UserGroupMember.group_id.in_(part))
            .execution_options(**_QUIET)
        )
        session.execute(delete(UserGroup).where(UserGroup.id.in_(part)).execution_options(**_QUIET))
    seen = select(Channel.slack_id).where(Channel.org_key == new_key)
    known = list(session.execute(seen).scalars())
    for names in parts(known):
        session.execute(
            delete(Channel)
            .where(Channel.org_key == org_key, Channel.slack_id.in_(names))
            .execution_options(**_QUIET)
        )
    counts = []
    for table in (UserGroup, Channel):
        moved = session.execute(
            update(table)
            .where(table.org_key == org_key)
            .values(org_key=new_key, refreshed_at=None)
            .returning(table.id)
            .execution_options(**_QUIET)
        )
        counts.append(len(moved.all()))
    session.execute(update(MirrorReading).values(read_at=None))
    session.expire_all()
    return counts[0], counts[1]


def rename_lanes(session: Session, org_key: str, new_key: str, slack_ids: Mapping[str, str]) -> int:
    """What waits for the organisation's people and channels, and what stands there, follows; how many lanes.

    `slack_ids` are the new ids by the old ones.
    """

    def renamed(key: str) -> str:
        prefix, _, slack_id = key.rpartition(":")
        head = prefix.removesuffix(org_key)
        return f"{head}{new_key}:{slack_ids.get(slack_id, slack_id)}"

    keys = {key: renamed(key) for key in relocating.list_keys(session, org_key)}
    session.execute(
        delete(Gate)
        .where(Gate.key.startswith(f"{org_key}:", autoescape=True))
        .execution_options(**_QUIET)
    )
    return relocating.rename(session, keys, forgets_channels=True)


def rename_in_notices(session: Session, org_key: str, new_key: str) -> int:
    """Notices that name the organisation name it by its new key, so that they can be shown again; how many."""
    count = 0
    tables: tuple[Any, ...] = (Outbox, Message)
    for table in tables:
        rows = session.execute(
            select(table)
            .where(as_(table.notice, String).contains(f'"{org_key}"', autoescape=True))
            .order_by(table.id)
        ).scalars()
        for row in rows.all():
            if row.notice.get("org_key") == org_key:
                row.notice = {**row.notice, "org_key": new_key}
                count += 1
    session.flush()
    return count


def count_places(session: Session, table: type[UserGroup] | type[Channel], org_key: str) -> int:
    """How many user groups, or channels, of an organisation are known."""
    return session.execute(
        select(func.count()).select_from(table).where(table.org_key == org_key)
    ).scalar_one()


def count_waiting(session: Session) -> int:
    """How many requests wait."""
    return session.execute(
        select(func.count()).select_from(Approval).where(Approval.state == ApprovalState.PENDING)
    ).scalar_one()
