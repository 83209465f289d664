"""Everything that falls due, in one list."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from storage.milestones import reminding
from workflows import decisions, inbox, timers
from workflows.audit import heads
from workflows.budgets import alerts
from workflows.delivery import settling
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.milestones import reminders
from workflows.policy import Policy
from workflows.timers import DueTimer

ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""

DAILY = {
    "ledger.head": "09:00",
    "budgets.evaluate": "06:00",
    "milestones.ensure": "04:00",
    "delivery.purge": "03:30",
}
"""What happens once a day, at a wall time in the organisation's zone."""


def ensure_schedules(session: Session, policy: Policy, *, now: datetime) -> None:
    """Start what recurs, or move it when the organisation's zone has changed."""
    for kind, wall in DAILY.items():
        timers.schedule(
            session, ORGANISATION, kind, wall, policy.organisation.timezone, now=now
        )


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


def _look(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    reminders.look(
        session,
        timer.subject.id,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _lock_morning(session: Session, person_id: str) -> Lock:
    return Lock(reminding.try_lock(session, person_id))


def _ensure(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    reminders.ensure(session, policy=occasion.policy, now=occasion.now)


REGISTRY = Registry(
    timers={"approval.expire": _expire, reminders.LOOK: _look},
    schedules={
        "ledger.head": _publish_head,
        "budgets.evaluate": _evaluate,
        "milestones.ensure": _ensure,
        "delivery.purge": _purge,
    },
    locks={"approval": _lock_approval, reminders.SUBJECT: _lock_morning},
)
