"""Queries of the column headings that an organisation uses for our fields."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from storage.imports.tables import HeadingMap


def list_headings(session: Session, kind: str) -> dict[str, str]:
    """Their heading (folded) → our field, as remembered for one kind of import."""
    rows = session.execute(
        select(HeadingMap.theirs, HeadingMap.ours).where(HeadingMap.kind == kind)
    )
    return {theirs: ours for theirs, ours in rows}


def remember(session: Session, kind: str, mapping: Mapping[str, str]) -> None:
    """Keep these headings for the next import of this kind."""
    if not mapping:
        return
    session.execute(
        delete(HeadingMap).where(HeadingMap.kind == kind, HeadingMap.theirs.in_(sorted(mapping)))
    )
    session.execute(
        insert(HeadingMap),
        [
            {"kind": kind, "theirs": theirs, "ours": ours}
            for theirs, ours in sorted(mapping.items())
        ],
    )
