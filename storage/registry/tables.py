"""The model registry as last read, and mlgov's writes to it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class RegistryState(Base):
    """The state of reading the registry; one row."""

    __tablename__ = "registry_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leased_until: Mapped[datetime | None]
    """Until when one process may read it (real time)."""
    turn: Mapped[int] = mapped_column(default=0)
    """The number of that lease, a fence: a process with an older one writes nothing any more."""
    hinted_at: Mapped[datetime | None]
    """When a webhook announced a change that wasn't read yet."""
    tried_at: Mapped[datetime | None]
    """When the last reading began, successful or not."""
    looked_at: Mapped[datetime | None]
    """When it was last read completely."""
    failures: Mapped[int] = mapped_column(default=0)
    """Readings that failed since the last successful one."""
    failure: Mapped[str | None]
    alarmed_at: Mapped[datetime | None]
    """When administrators were told that it can't be read; None while it can."""
    baseline_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who accepted the baseline; None: the operator."""
    frozen_at: Mapped[datetime | None]
    """Since when nothing is written or filed, because too much changed at once; None: it isn't so."""
    frozen: Mapped[list[Any]] = mapped_column(default=list)
    """Of an earlier release; now in `offered`."""
    offered: Mapped[list[Any]]
    """What waits to be accepted, as the card lists it: the baseline, a change of too much at once, or what is gone."""
    revision: Mapped[int] = mapped_column(default=0)
    """Rises with each change of `offered`; whoever accepts names the revision they were shown."""


class RegistryModelRow(Base):
    """A registered model, as last seen."""

    __tablename__ = "registry_model"

    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"), unique=True)
    description: Mapped[str] = mapped_column(default="")
    tags: Mapped[dict[str, Any]]
    aliases: Mapped[dict[str, Any]]
    """Alias → version."""
    alias_since: Mapped[datetime]
    """Since when the governed alias points where it does."""
    alias_known: Mapped[bool] = mapped_column(default=False)
    """Whether it still points where somebody accepted it or mlgov wrote it."""
    written_alias: Mapped[str | None]
    """The version at which mlgov itself last pointed the alias."""
    seen_at: Mapped[datetime]
    """When it was first seen, or came back."""
    gone_at: Mapped[datetime | None]


class RegistryVersionRow(Base):
    """A version of a registered model, as last seen."""

    __tablename__ = "registry_version"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(ForeignKey("registry_model.name"))
    version: Mapped[str]
    version_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"), unique=True)
    run_id: Mapped[str | None]
    developer: Mapped[str | None]
    """The e-mail address in its developer tag."""
    run_users: Mapped[list[Any] | None]
    """The e-mail addresses of who ran its run; None until the run was read."""
    tags: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any] | None]
    """The metrics of its run, as exact text; None until the run was read."""
    digest: Mapped[str | None]
    kept_digest: Mapped[str | None]
    """The digest that the inventory's version last got from here; where that has another one, a pipeline gave it."""
    approved_digest: Mapped[str | None]
    """The registry's digest at approval, kept where the version's own digest is a pipeline's."""
    unverified: Mapped[str | None]
    """Why there is no digest."""
    verified_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]

    @property
    def makers(self) -> frozenset[str]:
        """The addresses (of erased people the opaque ids) of everybody who made it: who ran its run, and its tagged developer."""
        return frozenset(filter(None, (self.developer, *(self.run_users or ()))))


class RegistryWrite(Base):
    """A write by mlgov to the registry, done or to be tried."""

    __tablename__ = "registry_write"
    __table_args__ = (UniqueConstraint("what"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    """Names the write: kind, model, version, key and value."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(index=True)
    """Real time of the next attempt."""
    done_at: Mapped[datetime | None] = mapped_column(index=True)
    dead_at: Mapped[datetime | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
