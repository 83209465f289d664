"""Projects and the cloud accounts whose cost is theirs."""

from datetime import date, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Project(Base):
    """One machine learning project. `key` is lower case and what people type."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    sponsor_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    manager_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    business_unit: Mapped[str | None]
    category: Mapped[str | None]
    status: Mapped[str]
    channel: Mapped[str | None]
    """Slack channel id."""
    channel_name: Mapped[str | None]
    """A channel's name (without #) that a file gave and nobody knows yet; it becomes `channel` once mlgov is in it."""
    created_at: Mapped[datetime]
    live_on: Mapped[date | None]
    """The day of the organisation on which it first was in use; returns are asked for from then on. None: not yet."""


class ProjectAccount(Base):
    """A cloud sub-account (id or name, folded to lower case) whose cost belongs to one project."""

    __tablename__ = "project_account"

    account: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)


class ProjectMove(Base):
    """A state that a project came into. The first one has no `source`; projects from before mlgov kept this have none."""

    __tablename__ = "project_move"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    source: Mapped[str | None]
    target: Mapped[str]
    at: Mapped[datetime]
