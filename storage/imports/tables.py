"""How an organisation's own column headings map to ours, remembered from one import to the next."""

from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class HeadingMap(Base):
    """Their heading (folded) stands for our field, for one kind of import (people, projects, budgets)."""

    __tablename__ = "heading_map"

    kind: Mapped[str] = mapped_column(primary_key=True)
    theirs: Mapped[str] = mapped_column(primary_key=True)
    ours: Mapped[str]
