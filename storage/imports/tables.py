"""An organisation's column headings for our fields, kept from one import to the next."""

from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class HeadingMap(Base):
    """A heading of theirs (folded) for a field of ours, for one kind of import (people, projects, budgets)."""

    __tablename__ = "heading_map"

    kind: Mapped[str] = mapped_column(primary_key=True)
    theirs: Mapped[str] = mapped_column(primary_key=True)
    ours: Mapped[str]
