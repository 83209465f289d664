"""Which pictures were uploaded, and the pace at which more may be. Each change is a transaction of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from storage.delivery.queries import gates, produce, uploads
from storage.enums import UploadState
from workflows import clock
from workflows.delivery.pace import Pace, gate_key

METHOD = "files.getUploadURLExternal"
"""The gate that paces uploads; the calls that follow go with it, one each."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that Slack has, by the digest of what it shows. `is_ready` says that a block can show it."""

    key: str
    file_id: str
    is_ready: bool


def find(session: Session, keys: Iterable[str]) -> dict[str, Upload]:
    """What of these was uploaded before."""
    return {
        key: Upload(key, file_id, state is UploadState.READY)
        for key, (file_id, state) in uploads.find(session, sorted(set(keys))).items()
    }


def wait(session: Session, org_key: str, pace: Pace) -> timedelta:
    """Count one upload; zero when it may begin, else how long to wait until one may."""
    real = clock.real_now(session)
    rate, key = pace.rate(METHOD), gate_key(org_key, METHOD)
    gates.make(session, [key], produce.NEVER_WAITED)
    return gates.take(
        session, key, real_now=real, interval=rate.interval, tolerance=rate.tolerance()
    )


def keep(session: Session, key: str, file_id: str) -> Upload:
    """Remember an uploaded picture before anything shows it; the one that another replica kept first counts."""
    uploads.add(session, key, file_id, now=clock.real_now(session))
    return find(session, [key])[key]


def mark_ready(session: Session, keys: Iterable[str]) -> None:
    """Slack can show these from now on."""
    uploads.mark_ready(session, sorted(keys))


def forget(session: Session, files: Mapping[str, str]) -> None:
    """Slack will not show these files (key → file id): they were deleted there."""
    for key, file_id in sorted(files.items()):
        uploads.forget(session, key, file_id)
