"""Queries of disclosures: figures about groups of people that somebody was shown."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.anonymity.tables import Disclosure

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def add(session: Session, values: dict[str, Any]) -> bool:
    """Insert a disclosure; False when another transaction has inserted one of the same scope, part and seq."""
    statement = _INSERT[session.get_bind().dialect.name](Disclosure)
    return (
        session.execute(
            statement.on_conflict_do_nothing().returning(Disclosure.id), values
        ).scalar_one_or_none()
        is not None
    )


def list_told(session: Session, scope: str) -> Sequence[Disclosure]:
    """All disclosures of a scope, by part, oldest first."""
    return (
        session.execute(
            select(Disclosure)
            .where(Disclosure.scope == scope)
            .order_by(Disclosure.part, Disclosure.seq)
        )
        .scalars()
        .all()
    )
