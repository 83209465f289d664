"""The model registry as other parts of mlgov see it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """How the registry stands."""

    looked_at: datetime | None
    failure: str
    """Why it cannot be read; empty while it can."""
    is_troubled: bool
    """Whether that was told."""
    baseline_at: datetime | None
    accepted_at: datetime | None
    accepted_by: str
    frozen: tuple[str, ...]
    """What moved when too much moved at once."""
    frozen_at: datetime | None
    models: int
    versions: int
    unknown: int
    unverified: int
    """Versions whose contents cannot be read."""
    open_drift: int
    given_up: int
    """Writes that were given up."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A write that was given up, in words, and why."""

    what: str
    error: str


@dataclass(frozen=True, slots=True)
class Found:
    """A version in the registry that a form is prefilled from."""

    version: str
    digest: str | None
    unverified: str
    run_id: str | None
    developer: str | None
    metrics: dict[str, str]
