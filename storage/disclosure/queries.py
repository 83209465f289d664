"""Statements about what was told of groups."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.disclosure.tables import Disclosure


def list_told(session: Session, scope: str) -> Sequence[Disclosure]:
    """Everything that was told in a scope, part by part, oldest first."""
    return (
        session.execute(
            select(Disclosure)
            .where(Disclosure.scope == scope)
            .order_by(Disclosure.part, Disclosure.seq)
        )
        .scalars()
        .all()
    )
