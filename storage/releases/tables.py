"""Releases: versions of things outside mlgov's records, identified by their digest."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Release(Base):
    """One version of something of a project, as a pipeline names it. It has no state; requests about it have."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("project_id", "name", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str]
    """`fraud-model:7`"""
    digest: Mapped[str]
    """`sha256:` and 64 hexadecimal digits."""
    created_at: Mapped[datetime]
