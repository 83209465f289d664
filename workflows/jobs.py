"""Everything that falls due, in one list: each noun's own part, and what stands between nouns."""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage import leases
from storage.approvals import queries as approval_queries
from storage.db import Database
from workflows import decisions, inbox, resting, timers
from workflows.actors import SYSTEM, Actor
from workflows.approvals import completion, emergency, escalation
from workflows.approvals.completion import EXPIRE
from workflows.audit import heads
from workflows.budgets import alerts, cost_loading, costs
from workflows.delivery import holding, settling
from workflows.digests import recipients
from workflows.digests import scheduling as digests
from workflows.inventory import monitoring as inventory
from workflows.job_runner import DueSlot, Lock, LongWork, Occasion, Registry, TimerHandler
from workflows.maturity import service as maturity
from workflows.maturity import service as maturity_service
from workflows.maturity.rules import RubricText
from workflows.milestones import lists as milestones
from workflows.people import service as people
from workflows.policies import service as policies
from workflows.policy import Policy, PolicyText
from workflows.status import following as front_door
from workflows.timers import DueTimer
from workflows.webhooks import service as webhooks

_ME = f"{os.getpid()}-{secrets.token_hex(4)}"
"""Who does long work here."""
_PURGE = "delivery.purge"
ORGANISATION = "organisation"
"""Who owns the schedules that are nobody's own."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy by which mlgov goes, and what was left as it is though a file says something else."""

    text: PolicyText
    version: int
    remarks: tuple[str, ...] = ()
    """One sentence each."""


def put_in_force(
    session: Session,
    actor: Actor,
    text: PolicyText,
    asked: RubricText,
    *,
    org_key: str,
    now: datetime,
) -> int:
    """Put a policy and its rubric in force, all of it, for every replica; the id of its version.

    What follows from a policy and stands in the database is brought to it here, in one transaction: whose cost is whose,
    what the next check-in asks, what recurs and for whom. All else reads the policy when it is used.
    """
    version = policies.adopt(session, actor, text, now=now)
    maturity_service.adopt_rubric(session, actor, asked, now=now)
    _follow(session, text.policy, org_key=org_key, now=now)
    return version


def begin_policy(
    session: Session,
    text: PolicyText,
    asked: RubricText,
    *,
    place: str,
    org_key: str,
    now: datetime,
) -> InForce:
    """Go by the policy at the start: by the file at `place` where it says something new, else by what is in force.

    A file that says what another version has replaced since is one that was left behind: it changes nothing, so that
    replicas with different files don't take turns. The same holds for its rubric.
    """
    policies.lock(session)
    was = policies.replaced(session, text)
    if was is not None:
        standing = policies.text(session, was[1])
        _follow(session, standing.policy, org_key=org_key, now=now)
        return InForce(standing, was[1], (policies.replaced_words(place, *was),))
    version = policies.adopt(session, SYSTEM, text, now=now)
    is_asked = maturity_service.adopt_rubric(session, SYSTEM, asked, now=now, only_new=True)
    _follow(session, text.policy, org_key=org_key, now=now)
    remark = (
        "The rubric beside the policy is an earlier one, which another has replaced; the later one stays in force. "
        f"To go back to it, run `mlgov policy apply {place} --again`."
    )
    return InForce(text, version, () if is_asked else (remark,))


def _follow(session: Session, policy: Policy, *, org_key: str, now: datetime) -> None:
    costs.reallocate(session, policy)
    people.settle_handles(session, policy=policy, org_key=org_key, now=now)
    ensure_schedules(session, policy, org_key=org_key, now=now)


def ensure_schedules(session: Session, policy: Policy, *, org_key: str, now: datetime) -> None:
    """Start what recurs, or move it when the organisation's zone or a digest's time has changed."""
    for kind, wall in REGISTRY.daily.items():
        timers.schedule(session, ORGANISATION, kind, wall, policy.organisation.timezone, now=now)
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
    recipients.enrol_readers(session, policy=policy, org_key=org_key, now=now)


def _of_request(
    act: Callable[..., object], more: Callable[[DueTimer], tuple[object, ...]] = lambda timer: ()
) -> TimerHandler:
    """What happens to the request that a timer is for; `more` says what else the act has to know of the timer."""

    def handle(session: Session, timer: DueTimer, occasion: Occasion) -> None:
        act(
            session,
            int(timer.subject.id),
            *more(timer),
            policy=occasion.policy,
            now=occasion.now,
            org_key=occasion.org_key,
        )

    return handle


_condition_due = _of_request(decisions.follow_up_condition, lambda timer: (timer.seq, timer.kind))


def _send_reminder(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    decisions.send_reminder(
        session,
        timer.subject.id,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _recheck_all(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    """Waivers, acceptances and evidence end with a day: what waits is looked at again once it is over."""
    resting.recheck_all(session, at=occasion.now)


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


def _begin_evaluation(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    alerts.begin_evaluation(session)


def _has_budgets_left(session: Session) -> bool:
    return alerts.is_under_way(session, _ME)


def _evaluate_some(database: Database, occasion: Occasion, seconds: float) -> None:
    alerts.evaluate_all(
        database,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
        owner=_ME,
        most_seconds=seconds,
    )


def _remove_costs(database: Database, occasion: Occasion, seconds: float) -> None:
    cost_loading.remove_for(database, seconds)


def _purge(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    leases.begin(session, _PURGE)


def _has_old_rows(session: Session) -> bool:
    return leases.read_position(session, _PURGE) is not None


def _purge_some(database: Database, occasion: Occasion, seconds: float) -> None:
    end = time.monotonic() + seconds

    def step(session: Session) -> int:
        rows = settling.purge(session, now=occasion.now)
        events = inbox.purge(session, most=1_000)
        if not rows + events:
            leases.end(session, _PURGE)
        return rows + events

    while database.in_turn(step) and time.monotonic() < end:
        pass


REGISTRY = Registry.of(
    Registry(
        timers={
            EXPIRE: _of_request(decisions.expire),
            resting.RECHECK: _of_request(decisions.recheck),
            completion.REMIND: _of_request(
                decisions.plan_reminders, lambda timer: (completion.position_of(timer.seq),)
            ),
            completion.ESCALATE: _of_request(decisions.escalate, lambda timer: (timer.seq,)),
            completion.LAPSE: _of_request(decisions.end_validity),
            emergency.REVIEW: _of_request(decisions.remind_review),
            **dict.fromkeys((completion.DUE, completion.SOON, completion.CONFIRM), _condition_due),
            escalation.TELL: _send_reminder,
        },
        schedules={
            "ledger.head": _publish_head,
            "budgets.evaluate": _begin_evaluation,
            "approvals.look": _recheck_all,
            "delivery.purge": _purge,
        },
        locks={"approval": _lock_approval},
        daily={
            "ledger.head": "09:00",
            "budgets.evaluate": "06:00",
            "approvals.look": "00:05",
            "delivery.purge": "03:30",
        },
        long={
            "budgets.look": LongWork(_has_budgets_left, _evaluate_some),
            "delivery.forget": LongWork(_has_old_rows, _purge_some),
            "costs.remove": LongWork(cost_loading.is_anything_left, _remove_costs),
        },
    ),
    holding.PART,
    digests.PART,
    maturity.PART,
    milestones.PART,
    inventory.PART,
    front_door.PART,
    webhooks.PART,
)
