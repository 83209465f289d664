"""Everything that falls due, in one list: each noun's own part, and what stands between nouns."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from workflows import decisions, inbox, resting, timers
from workflows.approvals import breakglass, clocks, reminding, terms
from workflows.approvals.endings import EXPIRE
from workflows.audit import heads
from workflows.budgets import alerts
from workflows.delivery import settling, timekeeping
from workflows.digests import due as digests
from workflows.digests import readers
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.inventory import due as inventory
from workflows.maturity import due as maturity
from workflows.milestones import due as milestones
from workflows.policy import Policy
from workflows.status import due as front_door
from workflows.timers import DueTimer
from workflows.webhooks import due as webhooks

ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""


def ensure_schedules(
    session: Session, policy: Policy, *, org_key: str, now: datetime
) -> None:
    """Start what recurs, or move it when the organisation's zone or a digest's time has changed."""
    for kind, wall in REGISTRY.daily.items():
        timers.schedule(
            session, ORGANISATION, kind, wall, policy.organisation.timezone, now=now
        )
    for kind, (weekday, wall) in REGISTRY.weekly.items():
        timers.schedule(
            session,
            ORGANISATION,
            kind,
            wall,
            policy.organisation.timezone,
            weekday=weekday,
            now=now,
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


def _look_again(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.look_again(
        session,
        int(timer.subject.id),
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _look_at_all(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    """Waivers, acceptances and evidence end with a day: what waits is looked at again once it is over."""
    resting.everything(session, at=occasion.now)


def _remind(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.remind(
        session,
        int(timer.subject.id),
        clocks.position_of(timer.seq),
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _tell_due(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.tell_due(
        session,
        timer.subject.id,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _escalate(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.escalate(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _validity_ended(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.validity_ended(
        session,
        int(timer.subject.id),
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _condition_due(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.condition_due(
        session,
        int(timer.subject.id),
        timer.seq,
        timer.kind,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _review_due(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.review_due(
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


REGISTRY = Registry.of(
    Registry(
        timers={
            EXPIRE: _expire,
            resting.LOOK: _look_again,
            clocks.REMIND: _remind,
            clocks.ESCALATE: _escalate,
            clocks.LAPSE: _validity_ended,
            breakglass.REVIEW: _review_due,
            **dict.fromkeys((terms.DUE, terms.SOON, terms.CONFIRM), _condition_due),
            reminding.TELL: _tell_due,
        },
        schedules={
            "ledger.head": _publish_head,
            "budgets.evaluate": _evaluate,
            "approvals.look": _look_at_all,
            "delivery.purge": _purge,
        },
        locks={"approval": _lock_approval},
        daily={
            "ledger.head": "09:00",
            "budgets.evaluate": "06:00",
            "approvals.look": "00:05",
            "delivery.purge": "03:30",
        },
    ),
    timekeeping.PART,
    digests.PART,
    maturity.PART,
    milestones.PART,
    inventory.PART,
    front_door.PART,
    webhooks.PART,
)
