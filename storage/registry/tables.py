"""What was last seen in the model registry, and what mlgov wrote into it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class RegistryState(Base):
    """How the registry stands, one row."""

    __tablename__ = "registry_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leased_until: Mapped[datetime | None]
    """Until when one process reads it (real time)."""
    turn: Mapped[int] = mapped_column(default=0)
    """Which turn at reading it that is; whoever has an older one writes nothing any more."""
    hinted_at: Mapped[datetime | None]
    """When a webhook said that something changed, until the next look."""
    tried_at: Mapped[datetime | None]
    """When a look began last, whatever came of it."""
    looked_at: Mapped[datetime | None]
    """When it was last read whole."""
    failures: Mapped[int] = mapped_column(default=0)
    """Looks that failed since the last one that did not."""
    failure: Mapped[str | None]
    alarmed_at: Mapped[datetime | None]
    """When the trouble was told; none while it is well."""
    baseline_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who accepted the baseline; none for the operator."""
    frozen_at: Mapped[datetime | None]
    """Since when nothing is written or filed, because too much moved at once."""
    frozen: Mapped[list[Any]] = mapped_column(default=list)
    """What an earlier release kept of that; `offered` has it now."""
    offered: Mapped[list[Any]]
    """What waits to be accepted, as the card lists it: the baseline, what moved at once, or what is gone."""
    revision: Mapped[int] = mapped_column(default=0)
    """Grows with every change of `offered`; accepting names the one that was shown."""


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
    """Since when the governed alias stands where it stands."""
    alias_known: Mapped[bool] = mapped_column(default=False)
    """Whether it still stands where somebody accepted it, or where mlgov wrote it."""
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
    """An e-mail address, as a tag says."""
    run_users: Mapped[list[Any] | None]
    """Who ran its run, as e-mail addresses; none until the run was read."""
    tags: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any] | None]
    """What its run measured, as exact text; none until the run was read."""
    digest: Mapped[str | None]
    kept_digest: Mapped[str | None]
    """What the version in the inventory was last given from here; its digest is a pipeline's own where it differs."""
    approved_digest: Mapped[str | None]
    """What it was when the version was approved, where the version's own digest is a pipeline's."""
    unverified: Mapped[str | None]
    """Why there is no digest."""
    verified_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]

    @property
    def makers(self) -> frozenset[str]:
        """The addresses (or opaque ids of who was erased) of everybody who made it: a tag adds to whoever ran it."""
        return frozenset(filter(None, (self.developer, *(self.run_users or ()))))


class RegistryWrite(Base):
    """Something that mlgov wrote into the registry, or tries to."""

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
