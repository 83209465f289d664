"""Two entries for one person becoming one: whom a file named by e-mail turns out to be in Slack."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Session

from storage.audit.tables import AuditEntry
from storage.base import Base
from storage.people.lookups import parts
from storage.people.tables import Person

_QUIET = {"synchronize_session": False}
_MANAGER = Person.__table__.c.manager_id


def references() -> Iterator[Any]:
    """Every column that names a person, of every table there is."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table.name == "person" for key in column.foreign_keys):
                yield column


def replace_people(session: Session, replaced: Mapping[str, str]) -> None:
    """Whatever names one of these people, none of whom is in Slack, names the other from now on; the first are gone.

    Where both stand in a place that holds somebody once, that of the second stays.
    """
    session.flush()
    nowhere = select(Person.id).where(Person.slack_id.is_(None))
    for column in references():
        named = session.execute(
            select(column).where(column.in_(nowhere)).distinct()
        ).scalars()
        for old_id in sorted(set(named) & replaced.keys()):
            _replace(session, column, old_id, replaced[old_id])
    for part in parts(replaced):
        session.execute(
            delete(Person).where(Person.id.in_(part)).execution_options(**_QUIET)
        )


def _replace(session: Session, column: Any, old_id: str, new_id: str) -> None:
    if column is _MANAGER:
        session.execute(
            update(Person)
            .where(Person.manager_id == old_id)
            .values(manager_id=new_id)
            .execution_options(synchronize_session="fetch")
        )
        return
    for others in _held_once(column):
        twin = column.table.alias()
        there = select(twin.c[column.name]).where(
            twin.c[column.name] == new_id,
            *(twin.c[other.name] == other for other in others),
        )
        session.execute(delete(column.table).where(column == old_id, there.exists()))
    session.execute(
        update(column.table).where(column == old_id).values({column.name: new_id})
    )


def _held_once(column: Any) -> Iterator[list[Any]]:
    """The other columns of each key that a person's column is part of."""
    for constraint in column.table.constraints:
        if not isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            continue
        columns = list(constraint.columns)
        if any(one is column for one in columns):
            yield [one for one in columns if one is not column]


def list_waiting(session: Session, org_key: str) -> Sequence[Person]:
    """People whom a file named by address and whom nobody has met in Slack, by address and id."""
    return (
        session.execute(
            select(Person)
            .where(
                Person.org_key == org_key,
                Person.slack_id.is_(None),
                Person.email.is_not(None),
                Person.erased_at.is_(None),
            )
            .order_by(Person.email, Person.id)
        )
        .scalars()
        .all()
    )


def list_members_by_email(
    session: Session, org_key: str, emails: Collection[str]
) -> list[Person]:
    """Full, active members of an organisation, as Slack described them, with one of these addresses (folded)."""
    found: list[Person] = []
    for part in parts(emails):
        found += session.execute(
            select(Person)
            .where(
                Person.org_key == org_key,
                Person.email.in_(part),
                Person.slack_id.is_not(None),
                Person.team_id.is_not(None),
                Person.is_bot.is_(False),
                Person.is_guest.is_(False),
                Person.is_stranger.is_(False),
                Person.is_deactivated.is_(False),
                Person.erased_at.is_(None),
            )
            .order_by(Person.id)
        ).scalars()
    return found


def have_acted(session: Session, ids: Collection[str]) -> set[str]:
    """Of these people, those whom the ledger names as somebody who did something."""
    acted: set[str] = set()
    for part in parts(ids):
        acted |= set(
            session.execute(
                select(AuditEntry.actor_id).where(AuditEntry.actor_id.in_(part))
            ).scalars()
        )
    return acted


def list_linked(
    session: Session, org_key: str, linked_at: datetime
) -> Sequence[Person]:
    """Who became one with an entry of a file at that instant, by name."""
    return (
        session.execute(
            select(Person)
            .where(Person.org_key == org_key, Person.linked_at == linked_at)
            .order_by(Person.name, Person.id)
        )
        .scalars()
        .all()
    )
