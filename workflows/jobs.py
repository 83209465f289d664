"""Everything that falls due, in one list."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from workflows import decisions, inbox, rollout, timers
from workflows.audit import heads
from workflows.budgets import alerts
from workflows.delivery import settling
from workflows.due import DueSlot, Lock, Occasion, Registry, Watcher
from workflows.policy import Policy
from workflows.status import following
from workflows.timers import DueTimer

ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""

DAILY = {"ledger.head": "09:00", "budgets.evaluate": "06:00", "delivery.purge": "03:30"}
"""What happens once a day, at a wall time in the organisation's zone."""
WEEKLY = {"rollout.report": (0, "09:00")}
"""What happens once a week: the weekday (0 is Monday) and the wall time."""


def ensure_schedules(session: Session, policy: Policy, *, now: datetime) -> None:
    """Start what recurs, or move it when the organisation's zone has changed."""
    for kind, wall in DAILY.items():
        timers.schedule(
            session, ORGANISATION, kind, wall, policy.organisation.timezone, now=now
        )
    for kind, (weekday, wall) in WEEKLY.items():
        timers.schedule(
            session,
            ORGANISATION,
            kind,
            wall,
            policy.organisation.timezone,
            weekday=weekday,
            now=now,
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


def _report_withheld(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    rollout.report_weekly(
        session,
        slot.date,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _follow_homes(session: Session, occasion: Occasion, real_now: datetime) -> int:
    return following.follow(
        session, org_key=occasion.org_key, now=occasion.now, real_now=real_now
    )


REGISTRY = Registry(
    timers={"approval.expire": _expire},
    schedules={
        "ledger.head": _publish_head,
        "budgets.evaluate": _evaluate,
        "delivery.purge": _purge,
        "rollout.report": _report_withheld,
    },
    locks={"approval": _lock_approval},
    watchers={"homes": Watcher(following.has_news, _follow_homes)},
)
