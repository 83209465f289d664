"""Look-ups that every noun needs: people and private texts by id, channels by name."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVarTuple

from sqlalchemy import CompoundSelect, Select, bindparam, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.audit.tables import PrivateText
from storage.people.tables import Channel, Person, SlackAlias

Ts = TypeVarTuple("Ts")

PART = 500
"""Ids in one statement. Each is a bind parameter: SQLite takes 999 (32,766 since 3.32), PostgreSQL 65,535."""


BY_SLACK_ID: CompoundSelect[str] = union_all(
    select(Person.id).where(
        Person.org_key == bindparam("org"), Person.slack_id == bindparam("slack")
    ),
    select(SlackAlias.person_id).where(
        SlackAlias.org_key == bindparam("org"), SlackAlias.slack_id == bindparam("slack")
    ),
)
"""The opaque id of the person in organisation `org` with the Slack id `slack`, their present or another one."""


def parts(ids: Iterable[Any]) -> Iterator[list[Any]]:
    """The distinct ids, sorted, in lists of at most `PART`."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        yield wanted[start : start + PART]


def in_parts(
    session: Session, statement: Select[*Ts], column: InstrumentedAttribute[Any], ids: Iterable[Any]
) -> Iterator[tuple[*Ts]]:
    """The rows of a statement in which a column is one of many values, part by part."""
    for part in parts(ids):
        yield from session.execute(statement.where(column.in_(part)))


def among(
    session: Session,
    statement: Select[*Ts],
    column: InstrumentedAttribute[Any],
    within: Collection[Any] | None,
) -> Iterator[tuple[*Ts]]:
    """The rows of a statement whose column is one of the values `within`, part by part; None: every row."""
    if within is not None:
        yield from in_parts(session, statement, column, within)
        return
    yield from session.execute(statement)


def find_people(session: Session, ids: Collection[str]) -> dict[str, Person]:
    """Opaque id → person, for those that are known."""
    by_id: dict[str, Person] = {}
    for part in parts(ids):
        rows = session.execute(select(Person).where(Person.id.in_(part))).scalars()
        by_id |= {row.id: row for row in rows}
    return by_id


def find_texts(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Text id → free text; an erased one is empty."""
    by_id: dict[int, str] = {}
    for part in parts(ids):
        rows = session.execute(
            select(PrivateText.id, PrivateText.text).where(PrivateText.id.in_(part))
        )
        by_id |= {id_: text or "" for id_, text in rows}
    return by_id


# --- Channels by the name or id that a policy or a file gives them

_BY_NAME_OR_ID = (
    select(Channel.slack_id)
    .where(
        Channel.org_key == bindparam("org"),
        Channel.is_archived.is_(False),
        or_(Channel.slack_id == bindparam("id"), Channel.name == bindparam("name")),
    )
    .order_by(Channel.slack_id != bindparam("id"), Channel.id)
    .limit(1)
)


def find_channel(session: Session, org_key: str, name_or_id: str | None) -> str | None:
    """The Slack id of a mirrored channel, given `#name`, `name` or the id itself; None when it is not known."""
    if not name_or_id:
        return None
    return session.execute(
        _BY_NAME_OR_ID, {"org": org_key, "id": name_or_id, "name": name_or_id.lstrip("#")}
    ).scalar_one_or_none()


def is_joined(session: Session, org_key: str, channel: str) -> bool:
    """Whether the mirror has the bot as a member of this channel, and the channel as not archived."""
    return (
        session.execute(
            select(Channel.id).where(
                Channel.org_key == org_key,
                Channel.slack_id == channel,
                Channel.bot_is_member.is_(True),
                Channel.is_archived.is_(False),
            )
        ).first()
        is not None
    )


def is_closed(session: Session, org_key: str, channel: str) -> bool:
    """Whether only full members of the organisation can read a channel, by the mirror; False when it isn't known."""
    return (
        session.execute(
            select(Channel.id).where(
                Channel.org_key == org_key,
                Channel.slack_id == channel,
                Channel.refreshed_at.is_not(None),
                Channel.is_shared_outside.is_(False),
                Channel.has_guests.is_(False),
            )
        ).first()
        is not None
    )
