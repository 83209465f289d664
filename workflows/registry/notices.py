"""What is said about the model registry."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class BaselineRead(Notice):
    """The registry was read for the first time: what is there, for somebody to accept."""

    kind: ClassVar[str] = "registry.baseline"
    models: int
    versions: int
    aliases: int
    """Models whose governed alias stands somewhere."""
    unknown: int
    """Models that the inventory does not know."""


@dataclass(frozen=True, slots=True)
class RegistryTroubled(Notice):
    """The registry cannot be read, or much of it is missing; follows until it is well."""

    kind: ClassVar[str] = "registry.trouble"
    since: str


@dataclass(frozen=True, slots=True)
class TooMuchMoved(Notice):
    """So much moved at once that nothing is written or filed until somebody looked; follows."""

    kind: ClassVar[str] = "registry.storm"
    at: str


@dataclass(frozen=True, slots=True)
class DriftFound(Notice):
    """The registry differs from the record: an alarm in the model's channel, which follows its finding."""

    kind: ClassVar[str] = "registry.drift"
    finding_id: int


@dataclass(frozen=True, slots=True)
class WriteGivenUp(Notice):
    """The registry would not take something, again and again."""

    kind: ClassVar[str] = "registry.write_given_up"
    write_id: int
