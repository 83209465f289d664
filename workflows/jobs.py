"""Everything that falls due, in one list: each noun's own part, and what stands between nouns."""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from storage import leases
from storage.approvals import queries as approval_queries
from storage.db import Database
from workflows import inbox, resting, timers
from workflows.approvals import completion, conditions, emergency, escalation, service
from workflows.approvals.completion import EXPIRE
from workflows.audit import heads
from workflows.budgets import alerts, cost_loading, costs
from workflows.cases import asking as returns
from workflows.cases import checks, proving
from workflows.context import Context, Occasion
from workflows.delivery import holding, settling
from workflows.digests import recipients
from workflows.digests import scheduling as digests
from workflows.inventory import monitoring as inventory
from workflows.job_runner import DueSlot, Lock, LongWork, Registry, TimerHandler
from workflows.maturity import service as maturity
from workflows.maturity import service as maturity_service
from workflows.maturity.rules import RubricText
from workflows.milestones import lists as milestones
from workflows.people import service as people
from workflows.policies import service as policies
from workflows.policy import PolicyText
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


def put_in_force(ctx: Context, text: PolicyText, asked: RubricText) -> int:
    """Put a policy and its rubric in force, all of it, for every replica; the id of its version.

    What follows from a policy and stands in the database is brought to it here, in one transaction: whose cost is whose,
    what the next check-in asks, what recurs and for whom. All else reads the policy when it is used.
    """
    version = policies.adopt(ctx, text)
    maturity_service.adopt_rubric(ctx, asked)
    _follow(replace(ctx, policy=text.policy))
    return version


def begin_policy(ctx: Context, text: PolicyText, asked: RubricText, *, place: str) -> InForce:
    """Go by the policy at the start: by the file at `place` where it says something new, else by what is in force.

    A file that says what another version has replaced since is one that was left behind: it changes nothing, so that
    replicas with different files don't take turns. The same holds for its rubric.
    """
    policies.lock(ctx.session)
    was = policies.replaced(ctx.session, text)
    if was is not None:
        standing = policies.text(ctx.session, was[1])
        _follow(replace(ctx, policy=standing.policy))
        return InForce(standing, was[1], (policies.replaced_words(place, *was),))
    version = policies.adopt(ctx.as_system(), text)
    is_asked = maturity_service.adopt_rubric(ctx.as_system(), asked, only_new=True)
    _follow(replace(ctx, policy=text.policy))
    remark = (
        "The rubric beside the policy is an earlier one, which another has replaced; the later one stays in force. "
        f"To go back to it, run `mlgov policy apply {place} --again`."
    )
    return InForce(text, version, () if is_asked else (remark,))


def _follow(ctx: Context) -> None:
    costs.reallocate(ctx.session, ctx.policy)
    people.settle_handles(ctx)
    ensure_schedules(ctx)


def ensure_schedules(ctx: Context) -> None:
    """Start what recurs, or move it when the organisation's zone or a digest's time has changed."""
    for kind, wall in REGISTRY.daily.items():
        timers.schedule(
            ctx.session, ORGANISATION, kind, wall, ctx.policy.organisation.timezone, now=ctx.now
        )
    for kind, (weekday, wall) in REGISTRY.weekly.items():
        timers.schedule(
            ctx.session,
            ORGANISATION,
            kind,
            wall,
            ctx.policy.organisation.timezone,
            weekday=weekday,
            now=ctx.now,
        )
    recipients.enrol_readers(ctx)


def _of_request(
    act: Callable[..., object], more: Callable[[DueTimer], tuple[object, ...]] = lambda timer: ()
) -> TimerHandler:
    """What happens to the request that a timer is for; `more` says what else the act has to know of the timer."""

    def handle(ctx: Context, timer: DueTimer) -> None:
        act(ctx, int(timer.subject.id), *more(timer))

    return handle


_condition_due = _of_request(conditions.follow_up_condition, lambda timer: (timer.seq, timer.kind))


def _send_reminder(ctx: Context, timer: DueTimer) -> None:
    escalation.send_reminder(ctx, timer.subject.id)


def _recheck_all(ctx: Context, slot: DueSlot) -> None:
    """Waivers, acceptances and evidence end with a day: what waits is looked at again once it is over."""
    resting.recheck_all(ctx.session, at=ctx.now)


def _lock_approval(session: Session, approval_id: str) -> Lock:
    return Lock(approval_queries.try_lock(session, int(approval_id)))


def _publish_head(ctx: Context, slot: DueSlot) -> None:
    heads.publish(ctx, reason_key=f"daily:{slot.date}")


def _begin_evaluation(ctx: Context, slot: DueSlot) -> None:
    alerts.begin_evaluation(ctx.session)


def _has_budgets_left(session: Session) -> bool:
    return alerts.is_under_way(session, _ME)


def _evaluate_some(database: Database, occasion: Occasion, seconds: float) -> None:
    alerts.evaluate_all(database, occasion, owner=_ME, most_seconds=seconds)


def _remove_costs(database: Database, occasion: Occasion, seconds: float) -> None:
    cost_loading.remove_for(database, seconds)


def _purge(ctx: Context, slot: DueSlot) -> None:
    leases.begin(ctx.session, _PURGE)


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
            EXPIRE: _of_request(service.expire),
            resting.RECHECK: _of_request(service.recheck),
            completion.REMIND: _of_request(
                escalation.plan_reminders, lambda timer: (completion.position_of(timer.seq),)
            ),
            completion.ESCALATE: _of_request(escalation.escalate_stage, lambda timer: (timer.seq,)),
            completion.LAPSE: _of_request(escalation.end_validity),
            emergency.REVIEW: _of_request(emergency.remind_review),
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
    checks.PART,
    proving.PART,
    returns.PART,
    front_door.PART,
    webhooks.PART,
)
