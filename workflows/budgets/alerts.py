"""Crossing a threshold: recorded once, told once, and never told about what was over before anyone could act."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.budgets import costs, queries
from storage.budgets.tables import Budget
from storage.money import money_text
from storage.projects.tables import Project
from workflows import outbox, rollout
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.budgets import rules, service
from workflows.budgets.notices import ChannelNotClosed, ThresholdCrossed
from workflows.budgets.records import Burn, Crossing
from workflows.outbox import Destination, Notice, Subject
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
            policy=policy,
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
    policy: Policy,
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
    speaks = bool(places) and not quiet and new[-1] > max(known, default=0)
    told = speaks and (
        places.channel is not None
        or rollout.reaches(session, places.owner_id, policy=policy)
    )
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
    if speaks:
        key = f"budget:{budget.id}:rev{burn.revision}:{burn.span.first}:{new[-1]}:{budget.basis}"
        _tell(session, made[-1], key, project, places, policy=policy, now=now)
    return [Crossing(budget.id, project.key, project.name, new[-1], burn, told)]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where an alert is read: the project's channel, and its owner where there is none or outsiders read it."""

    channel: Destination | None
    owner: Destination | None
    owner_id: str
    is_open: bool

    def __bool__(self) -> bool:
        return self.channel is not None or self.owner is not None


def _places(
    session: Session, budget: Budget, project: Project, org_key: str
) -> _Places:
    owner = queries.person(session, budget.owner_id or project.owner_id)
    # Whoever changes a budget by a decision knows no organisation: it is that of whom it belongs to.
    org_key = org_key or (owner.org_key if owner is not None else "")
    if not org_key:
        return _Places(None, None, "", False)
    is_open = project.channel is not None and queries.is_open_channel(
        session, org_key, project.channel
    )
    return _Places(
        Destination.channel(org_key, project.channel) if project.channel else None,
        Destination.person(org_key, owner.slack_id)
        if owner is not None and owner.slack_id
        else None,
        owner.id if owner is not None else "",
        is_open,
    )


def _tell(
    session: Session,
    alert_id: int,
    key: str,
    project: Project,
    places: _Places,
    *,
    policy: Policy,
    now: datetime,
) -> None:
    """Post to the project's channel; to the budget's owner where there is none, or where outsiders read along.

    The channel invited mlgov; the owner did not, so the rollout decides about them.
    """

    def tell_owner(notice: Notice, dedupe_key: str, about: Subject | None) -> None:
        if places.owner is not None:
            rollout.tell(
                session,
                places.owner_id,
                notice,
                to=places.owner,
                dedupe_key=dedupe_key,
                policy=policy,
                now=now,
                subject=about,
            )

    if places.is_open:
        where = f"channel-not-closed:{project.id}:{project.channel}"
        tell_owner(ChannelNotClosed(project.id), where, None)
    crossed, subject = ThresholdCrossed(alert_id), Subject.of("budget_alert", alert_id)

    def tell_channel() -> None:
        if places.channel is not None:
            outbox.post(
                session,
                crossed,
                to=places.channel,
                dedupe_key=key,
                subject=subject,
                now=now,
            )

    # In the order of the lanes, as everyone does, so that two transactions never wait for each other.
    if places.channel is None:
        tell_owner(crossed, f"{key}:owner", subject)
    elif not places.is_open or places.owner is None:
        tell_channel()
    elif places.channel.key < places.owner.key:
        tell_channel()
        tell_owner(crossed, f"{key}:owner", subject)
    else:
        tell_owner(crossed, f"{key}:owner", subject)
        tell_channel()


def refresh_cards(session: Session, budget_id: int, *, now: datetime) -> None:
    """The budget changed, or what was asked of it: its alerts' cards follow."""
    for alert_id in queries.told_alerts(session, budget_id):
        outbox.refresh(session, Subject.of("budget_alert", alert_id), now=now)
