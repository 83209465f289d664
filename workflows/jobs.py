"""Everything that falls due, in one list."""

from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from storage.maturity import queries as maturity_queries
from workflows import decisions, inbox, timers
from workflows.actors import SYSTEM
from workflows.audit import heads
from workflows.budgets import alerts
from workflows.delivery import settling
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.maturity import service as maturity
from workflows.policy import Policy
from workflows.timers import DueTimer

ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""

DAILY = {
    "ledger.head": "09:00",
    "budgets.evaluate": "06:00",
    "delivery.purge": "03:30",
    "maturity.open": "09:00",
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


def _open_check_in(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    maturity.open_due(
        session,
        date.fromisoformat(slot.date),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _invite(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.invite(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _remind_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.remind(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _close_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.close(
        session,
        SYSTEM,
        int(timer.subject.id),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _farewell(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.farewell(session, int(timer.subject.id), timer.seq, now=occasion.now)


def _lock_cycle(session: Session, cycle_id: str) -> Lock:
    return Lock(maturity_queries.try_lock_cycle(session, int(cycle_id)))


def _lock_invitation(session: Session, invitation_id: str) -> Lock:
    return Lock(maturity_queries.try_lock_invitation(session, int(invitation_id)))


REGISTRY = Registry(
    timers={
        "approval.expire": _expire,
        "maturity.invite": _invite,
        "maturity.remind": _remind_check_in,
        "maturity.close": _close_check_in,
        "maturity.farewell": _farewell,
    },
    schedules={
        "ledger.head": _publish_head,
        "budgets.evaluate": _evaluate,
        "delivery.purge": _purge,
        "maturity.open": _open_check_in,
    },
    locks={
        "approval": _lock_approval,
        "maturity_cycle": _lock_cycle,
        "maturity_invitation": _lock_invitation,
    },
)
