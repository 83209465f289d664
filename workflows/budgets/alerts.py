"""Crossing a threshold: recorded once, told once, and never told about what was over before anyone could act."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.budgets import costs, queries
from storage.budgets.tables import Budget
from storage.money import money_text
from storage.projects.tables import Project
from workflows import outbox
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.budgets import rules, service
from workflows.budgets.notices import ChannelNotClosed, ThresholdCrossed
from workflows.budgets.records import Burn, Crossing
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

FOLLOWED = timedelta(days=7)
"""How long after its round a card is looked at again, so that its buttons go when the round has ended."""


def evaluate(
    session: Session,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    budgets: Collection[Budget] | None = None,
    silent: bool = False,
) -> list[Crossing]:
    """Look at every open round (or those of `budgets`) and tell each threshold that was newly crossed.

    Several thresholds at once make one message, for the highest; the lower ones are recorded. Only rounds that are
    open now speak. Nothing is told, only recorded and reported, when `silent`, and for a budget whose first cost
    came with history from before the round: what was over before it was first imported alarms nobody. Cards that
    were posted follow what was spent since, and the end of their round.
    """
    chosen = (
        list(budgets) if budgets is not None else list(queries.list_budgets(session))
    )
    by_id = {budget.id: budget for budget in chosen}
    projects = queries.projects_by_id(session, [budget.project_id for budget in chosen])
    burns = service.burns(session, chosen, policy=policy, now=now)
    fresh = {
        burn.project_id for burn in burns if by_id[burn.budget_id].baseline_at is None
    }
    reach = costs.first_day(session, fresh, now.date()) if fresh else {}
    found: list[Crossing] = []
    for burn in burns:
        budget = by_id[burn.budget_id]
        quiet = silent
        if budget.baseline_at is None and burn.project_id in reach:
            budget.baseline_at = now
            quiet = quiet or reach[burn.project_id] < burn.span.first
        found += _cross(
            session,
            budget,
            burn,
            projects[burn.project_id],
            org_key=org_key,
            now=now,
            quiet=quiet,
        )
    since = now.date() - FOLLOWED
    for alert_id in queries.alerts_to_follow(session, by_id, since):
        outbox.refresh(session, Subject.of("budget_alert", alert_id), now=now)
    return found


def _cross(
    session: Session,
    budget: Budget,
    burn: Burn,
    project: Project,
    *,
    org_key: str,
    now: datetime,
    quiet: bool,
) -> list[Crossing]:
    reached = rules.crossed(budget.thresholds, burn.spent, burn.amount)
    if not reached or burn.data_through is None:
        return []
    known = queries.recorded(
        session, budget.id, burn.revision, burn.span.first, budget.basis
    )
    new = [threshold for threshold in reached if threshold not in known]
    if not new:
        return []
    places = _places(session, budget, project, org_key)
    told = bool(places) and not quiet and new[-1] > max(known, default=0)
    days = costs.days(
        session,
        project.id,
        burn.currency,
        burn.basis,
        burn.span.first,
        burn.data_through,
    )
    made = [
        queries.insert_alert(
            session,
            {
                "budget_id": budget.id,
                "revision": burn.revision,
                "period_start": burn.span.first,
                "period_end": burn.span.last,
                "threshold": threshold,
                "basis": budget.basis,
                "amount": burn.amount,
                "spent": burn.spent,
                "crossed_on": rules.crossed_on(days, threshold, burn.amount)
                or burn.data_through,
                "data_through": burn.data_through,
                "told": told and threshold == new[-1],
                "created_at": now,
            },
        )
        for threshold in new
    ]
    if made[-1] is None:
        return []
    audit.record(
        session,
        SYSTEM,
        "budget.crossed",
        ("budget", budget.id),
        now=now,
        revision=burn.revision,
        period=burn.span.first.isoformat(),
        thresholds=new,
        spent=money_text(burn.spent),
        amount=money_text(burn.amount),
        currency=burn.currency,
        told=told,
    )
    if told:
        key = f"budget:{budget.id}:rev{burn.revision}:{burn.span.first}:{new[-1]}:{budget.basis}"
        _tell(session, made[-1], key, project, places, now=now)
    return [Crossing(budget.id, project.key, project.name, new[-1], burn, told)]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where an alert is read: the project's channel, and its owner where there is none or outsiders read it."""

    channel: Destination | None
    owner: Destination | None
    is_open: bool

    def __bool__(self) -> bool:
        return self.channel is not None or self.owner is not None


def _places(
    session: Session, budget: Budget, project: Project, org_key: str
) -> _Places:
    owner = queries.person(session, budget.owner_id or project.owner_id)
    is_open = project.channel is not None and queries.is_open_channel(
        session, org_key, project.channel
    )
    return _Places(
        Destination.channel(org_key, project.channel) if project.channel else None,
        Destination.person(org_key, owner.slack_id)
        if owner is not None and owner.slack_id
        else None,
        is_open,
    )


def _tell(
    session: Session,
    alert_id: int,
    key: str,
    project: Project,
    places: _Places,
    *,
    now: datetime,
) -> None:
    """Post to the project's channel; to the budget's owner where there is none, or where outsiders read along."""
    if places.owner is not None and places.is_open:
        outbox.post(
            session,
            ChannelNotClosed(project.id),
            to=places.owner,
            dedupe_key=f"channel-not-closed:{project.id}:{project.channel}",
            now=now,
        )
    to = {} if places.channel is None else {key: places.channel}
    if places.owner is not None and (places.is_open or not to):
        to[f"{key}:owner"] = places.owner
    for dedupe_key, place in sorted(to.items(), key=lambda item: item[1].key):
        outbox.post(
            session,
            ThresholdCrossed(alert_id),
            to=place,
            dedupe_key=dedupe_key,
            subject=Subject.of("budget_alert", alert_id),
            now=now,
        )


def refresh_cards(session: Session, budget_id: int, *, now: datetime) -> None:
    """The budget changed, or what was asked of it: its alerts' cards follow."""
    for alert_id in queries.told_alerts(session, budget_id):
        outbox.refresh(session, Subject.of("budget_alert", alert_id), now=now)
