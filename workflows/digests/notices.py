"""What people are told about digests, beside being sent one."""

from dataclasses import dataclass
from typing import ClassVar

from workflows.outbox import Notice


@dataclass(frozen=True, slots=True)
class DigestSent(Notice):
    """A person's digest: as it was built, with decisions that follow."""

    kind: ClassVar[str] = "digest.sent"
    digest_id: int


@dataclass(frozen=True, slots=True)
class DigestPreview(Notice):
    """An owner is shown what the first digests to an audience look like, and asked to send them."""

    kind: ClassVar[str] = "digest.preview"
    release_id: int
    person_id: str


@dataclass(frozen=True, slots=True)
class DigestTroubled(Notice):
    """Digests of a week could not be built, were missed, or have no owner; told to the owner, never to readers."""

    kind: ClassVar[str] = "digest.troubled"
    digest: str
    week: str
