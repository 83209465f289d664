"""Crossing a threshold: recorded once, told once, and never told about what was over before anyone could act."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy.orm import Session

from storage import leases
from storage.budgets import costs, queries
from storage.budgets.tables import Budget
from storage.db import PATIENT_MS, Database
from storage.enums import CostBasis
from storage.money import money_text
from storage.people import lookups
from storage.projects.tables import Project
from workflows import clock, outbox, rollout
from workflows.audit import service as audit
from workflows.budgets import rules, service
from workflows.budgets.notices import ChannelNotClosed, ThresholdCrossed
from workflows.budgets.records import Burn, Crossing
from workflows.context import Context, Occasion
from workflows.outbox import Destination, Notice, Subject

# --- Where an alert is read, and posting it there


@dataclass(frozen=True, slots=True)
class Places:
    """Where an alert is read: the project's channel, and its owner where there is none or outsiders read it."""

    channel: Destination | None
    owner: Destination | None
    owner_id: str
    is_open: bool

    def __bool__(self) -> bool:
        return self.channel is not None or self.owner is not None

    @property
    def lane(self) -> str:
        """The first place, in the order of the lanes."""
        return min((place.key for place in (self.channel, self.owner) if place), default="")


def post_alert(
    ctx: Context,
    alert_id: int,
    key: str,
    project: Project,
    places: Places,
    *,
    spared: Collection[str] = (),
) -> None:
    """Post to the project's channel; to the budget's owner where there is none, or where outsiders read along, unless
    they are `spared`.

    The channel invited mlgov; the owner did not, so the rollout decides about them.
    """

    def tell_owner(notice: Notice, dedupe_key: str, about: Subject | None) -> None:
        if places.owner is not None and places.owner_id not in spared:
            rollout.message_unasked(
                ctx, places.owner_id, notice, to=places.owner, dedupe_key=dedupe_key, subject=about
            )

    if places.is_open:
        where = f"channel-not-closed:{project.id}:{project.channel}"
        tell_owner(ChannelNotClosed(project.id), where, None)
    crossed, subject = ThresholdCrossed(alert_id), Subject.of("budget_alert", alert_id)

    def tell_channel() -> None:
        if places.channel is not None:
            outbox.post(
                ctx.session,
                crossed,
                to=places.channel,
                dedupe_key=key,
                subject=subject,
                now=ctx.now,
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


# --- Crossing a threshold
#
# recorded once, told once, and never told about what was over before anyone could act.

FOLLOWED = timedelta(days=7)
"""How long after its round a card is looked at again, so that its buttons go when the round has ended."""

WORK = "budgets.evaluate"
"""By which name it is known how far it has come, and whose turn it is."""
LEASE = timedelta(minutes=2)
LOOKED_AT, WRITTEN = 500, 20
"""Budgets that are looked at in one read transaction, and of which one transaction writes."""


def evaluate(
    ctx: Context,
    *,
    budgets: Collection[Budget] | None = None,
    silent: bool = False,
    spared: Collection[str] = (),
) -> list[Crossing]:
    """Look at every open round (or those of `budgets`) and tell each threshold that was newly crossed.

    People who are `spared` (ids) hear of it by another message from the same transaction, so they get none of their own.
    Several thresholds at once make one message, for the highest; the lower ones are recorded. Only rounds that are
    open now speak. Nothing is told, only recorded and reported, when `silent`, and for a budget whose first cost
    came with history from before the round: what was over before it was first imported alarms nobody. Cards that
    were posted follow what was spent since, and the end of their round. In few statements however many budgets there
    are; all of an organisation's are for `evaluate_all`.
    """
    chosen = budgets if budgets is not None else queries.list_budgets(ctx.session)
    news = _find_news(ctx, chosen)
    crossings = _record_crossings(ctx, news, silent=silent, spared=spared)
    outbox.refresh_all(ctx, "budget_alert", news.followed)
    return crossings


def begin_evaluation(session: Session) -> None:
    """Every budget is to be looked at: by `evaluate_all`, or at the next ticks of whoever runs."""
    leases.begin(session, WORK)


def is_under_way(session: Session, owner: str) -> bool:
    """Whether budgets are left to be looked at, and nobody else is at it."""
    if leases.read_position(session, WORK) is None:
        return False
    return leases.is_free_for(
        session, WORK, owner=owner, length=LEASE, real_now=clock.real_now(session)
    )


def take_evaluation(session: Session, owner: str) -> bool:
    """Let `owner` go on with what was begun; False when somebody else is at it."""
    return leases.take(session, WORK, owner=owner, length=LEASE, real_now=clock.real_now(session))


def evaluate_all(
    database: Database,
    occasion: Occasion,
    *,
    owner: str,
    probe: Callable[[str], None] = lambda name: None,
    most_seconds: float | None = None,
) -> list[Crossing]:
    """Look at all budgets that are left of what was begun; what was newly crossed.

    What there is to write is found out in read transactions, and written in small batches, each of which says how far
    it has come: whoever goes on, goes on from there. Where another has taken the work over, it is left to that one.
    After `most_seconds` it stops between two batches.
    """
    end = None if most_seconds is None else time.monotonic() + most_seconds
    all_crossings: list[Crossing] = []
    try:
        while end is None or time.monotonic() < end:
            with database.read(within=PATIENT_MS / 1000) as session:
                begun = leases.read_position(session, WORK)
                if begun is None:
                    break
                chosen = queries.list_after(session, begun, LOOKED_AT)
                wanted = _find_news(occasion.context(session), chosen).to_write
                looked_at = [budget.id for budget in chosen]
            for step in _steps(begun, looked_at, wanted):
                crossings = database.in_turn(partial(step.write, occasion, owner))
                if crossings is None:
                    break  # begun anew, by what came in meanwhile
                all_crossings += crossings
                probe("budgets.evaluated")
    except _TakenOverError:
        pass
    return all_crossings


class _TakenOverError(Exception):
    """Somebody else goes on with it."""


def _steps(begun: int, looked_at: Sequence[int], wanted: Sequence[int]) -> Iterator["_Step"]:
    """From `begun` to the last of those that were looked at, or to the end where there are no more."""
    is_end = len(looked_at) < LOOKED_AT
    for start in range(0, max(len(wanted), 1), WRITTEN):
        part = list(wanted[start : start + WRITTEN])
        if start + WRITTEN < len(wanted):
            yield _Step(begun, part, part[-1])
            begun = part[-1]
        else:
            yield _Step(begun, part, None if is_end else looked_at[-1])


@dataclass(frozen=True, slots=True)
class _Step:
    """A few budgets to write about; the work had come to `begun` and comes to `after`, None for its end."""

    begun: int
    budgets: list[int]
    after: int | None

    def write(self, occasion: Occasion, owner: str, session: Session) -> list[Crossing] | None:
        """None, and nothing is written, when the work was begun anew since. Raises _TakenOverError."""
        ctx = occasion.context(session)
        if not take_evaluation(ctx.session, owner):
            raise _TakenOverError
        if leases.lock(ctx.session, WORK) != self.begun:
            return None
        crossings = evaluate(ctx, budgets=queries.list_by_id(ctx.session, self.budgets))
        if self.after is None:
            leases.end(ctx.session, WORK)
            leases.give_back(ctx.session, WORK, owner=owner)
        else:
            leases.move(ctx.session, WORK, self.after)
        return crossings


@dataclass(frozen=True, slots=True)
class _News:
    """How budgets stand against what is known of them. `known` are the thresholds recorded for each open round."""

    budgets: dict[int, Budget]
    burns: list[Burn]
    reach: dict[int, date]
    """First day of cost of projects whose budgets have no baseline yet."""
    known: dict[int, set[int]]
    followed: list[int]
    """Alerts whose cards follow."""
    followed_budgets: set[int]

    def crossed(self, burn: Burn) -> list[int]:
        """The thresholds that were newly crossed."""
        if burn.data_through is None:
            return []
        thresholds = self.budgets[burn.budget_id].thresholds
        return [
            threshold
            for threshold in rules.crossed(thresholds, burn.spent, burn.amount)
            if threshold not in self.known[burn.budget_id]
        ]

    def is_first(self, burn: Burn) -> bool:
        """Whether its project's cost is looked at for the first time."""
        return self.budgets[burn.budget_id].baseline_at is None and burn.project_id in self.reach

    @property
    def to_write(self) -> list[int]:
        """Ids of the budgets about which there is something to write, ascending."""
        changed = {
            burn.budget_id for burn in self.burns if self.is_first(burn) or self.crossed(burn)
        }
        return sorted(changed | self.followed_budgets)


def _find_news(ctx: Context, chosen: Collection[Budget]) -> _News:
    today = ctx.now.date()
    budgets = {budget.id: budget for budget in chosen}
    burns = service.list_burns(ctx, chosen)
    fresh = {burn.project_id for burn in burns if budgets[burn.budget_id].baseline_at is None}
    recorded = queries.list_recorded(ctx.session, budgets, today)
    followed = queries.list_alerts_to_follow(ctx.session, budgets, today - FOLLOWED)
    return _News(
        budgets,
        burns,
        costs.first_day(ctx.session, fresh, today) if fresh else {},
        {
            burn.budget_id: recorded.get(
                (burn.budget_id, burn.revision, burn.span.first, budgets[burn.budget_id].basis),
                set(),
            )
            for burn in burns
        },
        [alert_id for alert_id, _ in followed],
        {budget_id for _, budget_id in followed},
    )


def _record_crossings(
    ctx: Context, news: _News, *, silent: bool, spared: Collection[str]
) -> list[Crossing]:
    """Write down what was newly crossed, and tell it."""
    crossed: list[tuple[Burn, list[int], bool]] = []
    for burn in news.burns:
        quiet = silent
        if news.is_first(burn):
            news.budgets[burn.budget_id].baseline_at = ctx.now
            quiet = quiet or news.reach[burn.project_id] < burn.span.first
        if new := news.crossed(burn):
            crossed.append((burn, new, quiet))
    if not crossed:
        return []
    around = _CrossingFacts.of(ctx.session, news, [burn for burn, _, _ in crossed], ctx.org)
    speaks: dict[int, bool] = {}
    reaches_somebody: dict[int, bool] = {}
    rows = []
    for burn, new, quiet in crossed:
        places = around.places[burn.budget_id]
        speaks[burn.budget_id] = (
            bool(places) and not quiet and new[-1] > max(news.known[burn.budget_id], default=0)
        )
        reaches_somebody[burn.budget_id] = speaks[burn.budget_id] and (
            places.channel is not None or rollout.reaches(ctx, places.owner_id)
        )
        rows += [
            {
                "budget_id": burn.budget_id,
                "revision": burn.revision,
                "period_start": burn.span.first,
                "period_end": burn.span.last,
                "threshold": threshold,
                "basis": news.budgets[burn.budget_id].basis,
                "amount": burn.amount,
                "spent": burn.spent,
                "crossed_on": rules.crossed_on(around.days(burn), threshold, burn.amount)
                or burn.data_through,
                "data_through": burn.data_through,
                "told": reaches_somebody[burn.budget_id] and threshold == new[-1],
                "created_at": ctx.now,
            }
            for threshold in new
        ]
    alert_ids = queries.insert_alerts(ctx.session, rows)
    crossings = []
    for burn, new, _ in sorted(crossed, key=lambda each: around.places[each[0].budget_id].lane):
        alert_id = alert_ids.get((burn.budget_id, new[-1]))
        if alert_id is None:
            continue
        project = around.projects[burn.project_id]
        _record(ctx, burn, new, is_told=reaches_somebody[burn.budget_id])
        if speaks[burn.budget_id]:
            key = f"budget:{burn.budget_id}:rev{burn.revision}:{burn.span.first}:{new[-1]}:{news.budgets[burn.budget_id].basis}"
            places = around.places[burn.budget_id]
            post_alert(ctx, alert_id, key, project, places, spared=spared)
        crossings.append(
            Crossing(
                burn.budget_id,
                project.key,
                project.name,
                new[-1],
                burn,
                reaches_somebody[burn.budget_id],
            )
        )
    return sorted(crossings, key=lambda crossing: crossing.budget_id)


def _record(ctx: Context, burn: Burn, new: list[int], *, is_told: bool) -> None:
    audit.record(
        ctx.as_system(),
        "budget.crossed",
        ("budget", burn.budget_id),
        revision=burn.revision,
        period=burn.span.first.isoformat(),
        thresholds=new,
        spent=money_text(burn.spent),
        amount=money_text(burn.amount),
        currency=burn.currency,
        told=is_told,
    )


@dataclass(frozen=True, slots=True)
class _CrossingFacts:
    """What is needed to tell of several crossings: projects, places, and the cost of each day."""

    projects: dict[int, Project]
    places: dict[int, Places]
    by_day: dict[tuple[date, date], dict[tuple[int, str], list[tuple[date, Decimal, Decimal]]]]

    @classmethod
    def of(cls, session: Session, news: _News, burns: list[Burn], org_key: str) -> "_CrossingFacts":
        projects = queries.load_projects(session, [burn.project_id for burn in burns])
        owners = {
            burn.budget_id: news.budgets[burn.budget_id].owner_id
            or projects[burn.project_id].owner_id
            for burn in burns
        }
        people = lookups.find_people(session, [id_ for id_ in owners.values() if id_])
        channels = [project.channel for project in projects.values() if project.channel]
        open_ = queries.list_open_channels(session, org_key, channels)
        places = {}
        for burn in burns:
            owner = people.get(owners[burn.budget_id] or "")
            channel = projects[burn.project_id].channel
            places[burn.budget_id] = Places(
                Destination.channel(org_key, channel) if org_key and channel else None,
                Destination.person(org_key, owner.slack_id)
                if org_key and owner is not None and owner.slack_id
                else None,
                owner.id if owner is not None else "",
                channel in open_,
            )
        spans: dict[tuple[date, date], set[int]] = {}
        for burn in burns:
            if burn.data_through is not None:
                spans.setdefault((burn.span.first, burn.data_through), set()).add(burn.project_id)
        return cls(
            projects,
            places,
            {
                (first, last): costs.list_days_by_project(session, of_span, first, last)
                for (first, last), of_span in spans.items()
            },
        )

    def days(self, burn: Burn) -> list[tuple[date, Decimal]]:
        """Cost of a round by day, in the budget's currency and on its basis."""
        if burn.data_through is None:
            return []
        rows = self.by_day[burn.span.first, burn.data_through].get(
            (burn.project_id, burn.currency), ()
        )
        is_billed = burn.basis is CostBasis.BILLED
        return [(day, billed if is_billed else effective) for day, billed, effective in rows]


def refresh_cards(ctx: Context, budget_id: int) -> None:
    """The budget changed, or what was asked of it: its alerts' cards follow."""
    for alert_id in queries.list_told_alerts(ctx.session, budget_id):
        outbox.refresh(ctx, Subject.of("budget_alert", alert_id))
