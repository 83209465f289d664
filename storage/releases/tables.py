"""What is decided outside mlgov's own records: a version of something, named by its digest."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Release(Base):
    """One version of one thing of a project, as a pipeline names it. It has no state of its own: requests have."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("project_id", "name", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str]
    """`fraud-model:7`"""
    digest: Mapped[str]
    """`sha256:` and 64 hexadecimal digits."""
    created_at: Mapped[datetime]
