"""What falls due in digests: whose week it is, building, and the first look of an owner."""

from sqlalchemy.orm import Session

from storage.digests import queries
from workflows.digests import readers, releases, slots
from workflows.digests import service as digests
from workflows.due import DueSlot, Lock, Occasion, Registry


def _enrol_readers(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    readers.enrol_readers(
        session, policy=occasion.policy, org_key=occasion.org_key, now=occasion.now
    )


def _lock_digest(session: Session, digest_id: str) -> Lock:
    return Lock(queries.try_lock(session, int(digest_id)))


def _lock_release(session: Session, release_id: str) -> Lock:
    return Lock(queries.try_lock_release(session, int(release_id)))


PART = Registry(
    timers={
        digests.BUILD: digests.hand_to_delivery,
        digests.CHECK: digests.record_if_late,
        releases.PREVIEW: releases.ask_owners,
    },
    prepare={digests.BUILD: digests.make_digest, releases.PREVIEW: releases.make_previews},
    schedules={
        "digests.enrol": _enrol_readers,
        **{readers.schedule_kind(kind): slots.plan_slot for kind in readers.KINDS},
    },
    locks={"digest": _lock_digest, "digest_release": _lock_release},
    troubles={digests.BUILD: digests.record_failure, releases.PREVIEW: releases.record_failure},
    daily={"digests.enrol": "00:05"},
)
