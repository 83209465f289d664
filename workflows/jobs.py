"""Everything that falls due, in one list."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from storage.digests import queries as digest_queries
from workflows import decisions, inbox, timers
from workflows.audit import heads
from workflows.budgets import alerts
from workflows.delivery import settling
from workflows.digests import readers, releases, slots
from workflows.digests import service as digests
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.policy import Policy
from workflows.timers import DueTimer

ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""

DAILY = {
    "ledger.head": "09:00",
    "budgets.evaluate": "06:00",
    "delivery.purge": "03:30",
    "digests.enrol": "00:05",
}
"""What happens once a day, at a wall time in the organisation's zone."""


def ensure_schedules(
    session: Session, policy: Policy, *, org_key: str, now: datetime
) -> None:
    """Start what recurs, or move it when the organisation's zone or a digest's time has changed."""
    for kind, wall in DAILY.items():
        timers.schedule(
            session, ORGANISATION, kind, wall, policy.organisation.timezone, now=now
        )
    readers.enrol(session, policy=policy, org_key=org_key, now=now)


def _expire(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.expire(
        session,
        int(timer.subject.id),
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _lock_approval(session: Session, approval_id: str) -> Lock:
    return Lock(approval_queries.try_lock(session, int(approval_id)))


def _publish_head(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    heads.publish(
        session,
        reason_key=f"daily:{slot.date}",
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _evaluate(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    alerts.evaluate(
        session, policy=occasion.policy, org_key=occasion.org_key, now=occasion.now
    )


def _purge(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    settling.purge(session, now=occasion.now)
    inbox.purge(session)


def _enrol(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    readers.enrol(
        session, policy=occasion.policy, org_key=occasion.org_key, now=occasion.now
    )


def _lock_digest(session: Session, digest_id: str) -> Lock:
    return Lock(digest_queries.try_lock(session, int(digest_id)))


def _lock_release(session: Session, release_id: str) -> Lock:
    return Lock(digest_queries.try_lock_release(session, int(release_id)))


REGISTRY = Registry(
    timers={
        "approval.expire": _expire,
        digests.BUILD: digests.build,
        digests.CHECK: digests.check,
        releases.PREVIEW: releases.ask,
    },
    schedules={
        "ledger.head": _publish_head,
        "budgets.evaluate": _evaluate,
        "delivery.purge": _purge,
        "digests.enrol": _enrol,
        **{readers.schedule_kind(kind): slots.fall_due for kind in readers.KINDS},
    },
    locks={
        "approval": _lock_approval,
        "digest": _lock_digest,
        "digest_release": _lock_release,
    },
    troubles={digests.BUILD: digests.failed, releases.PREVIEW: releases.failed},
)
