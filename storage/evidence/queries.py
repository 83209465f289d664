"""The only statements over evidence."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.audit.tables import PrivateText
from storage.evidence.tables import Evidence
from storage.people.tables import Person


def of_versions(session: Session, version_ids: Collection[int]) -> Sequence[Evidence]:
    """Every item of these versions, oldest first."""
    return (
        session.execute(
            select(Evidence)
            .where(Evidence.version_id.in_(sorted(version_ids)))
            .order_by(Evidence.id)
        )
        .scalars()
        .all()
    )


def find_by_key(session: Session, request_key: str) -> Evidence | None:
    """The item that a window or a program handed in."""
    return session.execute(
        select(Evidence).where(Evidence.request_key == request_key)
    ).scalar_one_or_none()


def find(session: Session, evidence_id: int) -> Evidence | None:
    """An item."""
    return session.get(Evidence, evidence_id)


def people(session: Session, ids: Collection[str]) -> dict[str, str]:
    """Person id → name."""
    rows = session.execute(
        select(Person.id, Person.name).where(Person.id.in_(sorted(ids)))
    )
    return {row.id: row.name for row in rows}


def texts(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Text id → words; empty for what was erased."""
    rows = session.execute(
        select(PrivateText.id, PrivateText.text).where(PrivateText.id.in_(sorted(ids)))
    )
    return {row.id: row.text or "" for row in rows}
