"""The other ids by which Slack names somebody on a Grid."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.people.lookups import parts
from storage.people.tables import Person, SlackAlias

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def list_aliases(session: Session, person_id: str) -> list[str]:
    """The other Slack ids of a person."""
    return list(
        session.execute(
            select(SlackAlias.slack_id)
            .where(SlackAlias.person_id == person_id)
            .order_by(SlackAlias.slack_id)
        ).scalars()
    )


def list_by_person(session: Session, person_ids: Collection[str]) -> dict[str, set[str]]:
    """Opaque id → the other Slack ids of each of these people who have any."""
    aliases: dict[str, set[str]] = {}
    for part in parts(person_ids):
        rows = session.execute(
            select(SlackAlias.person_id, SlackAlias.slack_id).where(SlackAlias.person_id.in_(part))
        )
        for person_id, alias in rows:
            aliases.setdefault(person_id, set()).add(alias)
    return aliases


def list_slack_ids(session: Session, person_id: str) -> set[str]:
    """Every Slack id of a person."""
    own = select(Person.slack_id).where(Person.id == person_id, Person.slack_id.is_not(None))
    others = select(SlackAlias.slack_id).where(SlackAlias.person_id == person_id)
    return {str(id_) for id_ in session.execute(union_all(own, others)).scalars()}


def add_aliases(session: Session, org_key: str, aliases: Mapping[str, str]) -> None:
    """Other Slack ids → the people whose they are. Who had one until now loses it."""
    if aliases:
        statement = _INSERT[session.get_bind().dialect.name](SlackAlias)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["org_key", "slack_id"],
                set_={"person_id": statement.excluded.person_id},
            ),
            [
                {"org_key": org_key, "slack_id": alias, "person_id": person}
                for alias, person in sorted(aliases.items())
            ],
        )


def forget_aliases(session: Session, org_key: str, slack_ids: Collection[str]) -> None:
    """These ids are nobody's other one any more."""
    for part in parts(slack_ids):
        session.execute(
            delete(SlackAlias)
            .where(SlackAlias.org_key == org_key, SlackAlias.slack_id.in_(part))
            .execution_options(synchronize_session=False)
        )


def forget_aliases_of(session: Session, person_id: str) -> None:
    """The person has no other ids any more."""
    session.execute(
        delete(SlackAlias)
        .where(SlackAlias.person_id == person_id)
        .execution_options(synchronize_session=False)
    )
