"""The model registry as other parts of mlgov see it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits to be accepted."""

    what: str
    """`baseline`, `alias`, `new` or `gone`."""
    name: str
    version: str | None
    words: str


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
    waiting: tuple[Waiting, ...]
    """What waits to be accepted."""
    revision: int
    """Names what waits: whoever accepts gives it."""
    frozen_at: datetime | None
    models: int
    versions: int
    unknown: int
    unverified: int
    """Versions whose contents cannot be read."""
    open_drift: int
    given_up: int
    """Writes that were given up."""

    @property
    def asks(self) -> bool:
        """Whether something waits for model risk or the operator."""
        is_baseline = self.baseline_at is not None and self.accepted_at is None
        return is_baseline or self.frozen_at is not None or bool(self.waiting)

    @property
    def gone(self) -> tuple[Waiting, ...]:
        """Models of which somebody has to say that they are gone."""
        return tuple(one for one in self.waiting if one.what == "gone")


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
