"""Disclosures: figures about groups that somebody was shown. Later figures are judged together with them, so that no
difference between two tells of a few people (decision 23)."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Disclosure(Base):
    """One figure about a group that was shown. Rows are only ever added: what somebody has seen can't be taken back.

    `scope` and `part` say what it is about (`maturity_cycle:3`, `data`); `seq` counts the figures of a part from 1, and
    its uniqueness lets only one of two transactions show the next one.
    """

    __tablename__ = "disclosure"
    __table_args__ = (UniqueConstraint("scope", "part", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str]
    part: Mapped[str]
    seq: Mapped[int]
    audience: Mapped[str]
    """Who was shown it: `leaders`, `asked`, or one reader by their opaque id."""
    members: Mapped[list[Any]]
    """Ids of the records that this figure counts and no earlier one of the same part does; empty for a bare count."""
    figures: Mapped[dict[str, Any]]
    """The figures as they were shown."""
    told_at: Mapped[datetime]
