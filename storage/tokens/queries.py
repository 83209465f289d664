"""Queries of API tokens."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.people.tables import Person
from storage.tokens.tables import ApiToken


def find_token(session: Session, prefix: str, *, lock: bool = False) -> ApiToken | None:
    """The token of that prefix."""
    statement = select(ApiToken).where(ApiToken.prefix == prefix)
    if lock:
        statement = statement.with_for_update()
    return session.execute(statement).scalar_one_or_none()


def list_tokens(
    session: Session, *, person_id: str | None = None
) -> Sequence[tuple[ApiToken, str]]:
    """(token, name of whose it is), the newest first; of one person, or all."""
    statement = (
        select(ApiToken, Person.name)
        .join(Person, Person.id == ApiToken.person_id)
        .order_by(ApiToken.id.desc())
    )
    if person_id is not None:
        statement = statement.where(ApiToken.person_id == person_id)
    return session.execute(statement).all()


def is_name_taken(session: Session, name: str, *, now: datetime) -> bool:
    """Whether a machine token of that name is in use."""
    statement = select(ApiToken.id).where(
        ApiToken.name == name,
        ApiToken.kind == "machine",
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > now,
    )
    return session.execute(statement.limit(1)).first() is not None


def touch(session: Session, token_id: int, *, now: datetime) -> None:
    """Set when the token was last used."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id)
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


def add_program(session: Session, person_id: str, org_key: str, name: str) -> None:
    """Insert the person that a machine's token acts as: a bot without a Slack id, which can decide nothing."""
    session.add(Person(id=person_id, org_key=org_key, name=name, title="", is_bot=True))
    session.flush()


def forget_tokens(session: Session, person_id: str) -> int:
    """Delete a person's tokens; how many there were."""
    result = session.execute(
        delete(ApiToken)
        .where(ApiToken.person_id == person_id)
        .returning(ApiToken.id)
        .execution_options(synchronize_session=False)
    )
    return len(result.all())
