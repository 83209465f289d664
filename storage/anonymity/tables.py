"""What was told of groups of people, so that nothing is told later from which fewer of them would follow."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Disclosure(Base):
    """One figure that was told about a group; rows are only ever added.

    `scope` and `part` say what it is about (`maturity_cycle:3`, `data`), `seq` the how-many-th figure of it this is.
    """

    __tablename__ = "disclosure"
    __table_args__ = (UniqueConstraint("scope", "part", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str]
    part: Mapped[str]
    seq: Mapped[int]
    audience: Mapped[str]
    """Who was told: `leaders`, `asked`, or one reader by their opaque id."""
    members: Mapped[list[Any]]
    """Ids of the records that this figure counts and no earlier one of the same part did; empty for a bare count."""
    figures: Mapped[dict[str, Any]]
    """What was told, as it was."""
    told_at: Mapped[datetime]
