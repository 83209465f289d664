"""People and the words that they wrote, by ids: what every noun has to look up."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVarTuple

from sqlalchemy import CompoundSelect, Row, Select, bindparam, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.audit.tables import PrivateText
from storage.people.tables import Person, SlackAlias

Ts = TypeVarTuple("Ts")

PART = 500
"""Ids that one statement names."""


BY_SLACK_ID: CompoundSelect[str] = union_all(
    select(Person.id).where(
        Person.org_key == bindparam("org"), Person.slack_id == bindparam("slack")
    ),
    select(SlackAlias.person_id).where(
        SlackAlias.org_key == bindparam("org"), SlackAlias.slack_id == bindparam("slack")
    ),
)
"""The opaque id of the person of `org` one of whose Slack ids is `slack`."""


def parts(ids: Iterable[Any]) -> Iterator[list[Any]]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PART):
        yield wanted[start : start + PART]


def in_parts(
    session: Session, statement: Select[*Ts], column: InstrumentedAttribute[Any], ids: Iterable[Any]
) -> Iterator[Row[*Ts]]:
    """The rows of a statement in which a column is one of many values, part by part."""
    for part in parts(ids):
        yield from session.execute(statement.where(column.in_(part)))


def find_people(session: Session, ids: Collection[str]) -> dict[str, Person]:
    """Opaque id → person."""
    by_id: dict[str, Person] = {}
    for part in parts(ids):
        rows = session.execute(select(Person).where(Person.id.in_(part))).scalars()
        by_id |= {row.id: row for row in rows}
    return by_id


def find_texts(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Text id → the words; erased ones are empty."""
    by_id: dict[int, str] = {}
    for part in parts(ids):
        rows = session.execute(
            select(PrivateText.id, PrivateText.text).where(PrivateText.id.in_(part))
        )
        by_id |= {id_: text or "" for id_, text in rows}
    return by_id
