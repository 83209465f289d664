"""What the registry holds, as it was read. Names and values are a stranger's words."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A version in the registry."""

    name: str
    version: str
    run_id: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A registered model."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    """Alias → version."""
    versions: tuple[RegistryVersion, ...] = ()
    """The newest first."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole registry at one moment, read model by model."""

    models: tuple[RegistryModel, ...]

    @property
    def by_name(self) -> dict[str, RegistryModel]:
        """Name → model."""
        return {one.name: one for one in self.models}


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 over a version's contents, or why there is none."""

    sha256: str | None
    why: str = ""
    """Why it is unverified."""
    for_now: bool = False
    """Whether that may have passed when it is tried again soon."""
