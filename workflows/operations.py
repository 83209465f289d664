"""How the record stands, in figures for those who operate mlgov: cheap on large tables, read in one transaction."""

import json
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage import runtime
from storage.approvals import queries
from storage.audit.queries import list_about
from storage.budgets import costs
from storage.delivery import timers
from storage.enums import HoldReason, OutboxState
from storage.people import erasure as erasure_queries
from storage.people import queries as people_queries
from storage.people import readings
from storage.people.lookups import find_channel
from storage.registry import queries as registry
from workflows import clock, outbox
from workflows.approvals import service as approvals
from workflows.audit import heads
from workflows.audit.service import Kept, NotedErasure, NotedRestoration
from workflows.context import OPERATOR, Actor, Context
from workflows.delivery import holding, reads
from workflows.delivery.notices import CopyRestored
from workflows.delivery.records import HoldRecord
from workflows.errors import GovernanceError
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.policies import service as policies
from workflows.policy import Policy

_BEFORE_ANY = Policy.model_validate({"version": 1, "organisation": {"name": "mlgov"}})
"""By what a command goes on a database in which no policy was ever put in force."""


def load_context(
    session: Session,
    actor: Actor = OPERATOR,
    *,
    policy: Policy | None = None,
    org: str | None = None,
    now: datetime | None = None,
) -> Context:
    """The world as the record has it, for what acts beside a running mlgov: commands, the start, the doctor.

    The policy is the one in force, unless another is given; the organisation is the one that the database met.
    """
    version = policies.in_force(session)
    if policy is None:
        policy = _BEFORE_ANY if version is None else policies.version(session, version)
    if org is None:
        org = str(runtime.facts(session).get("org_key", ""))
    return Context(session, actor, policy, org, now or clock.now(session), version or 0)


MOST_SOURCES = 20
"""Sources of cost that are told apart; the rest counts as one."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value; `label` tells figures of one name apart. Ages are in governed time."""

    name: str
    value: float
    label: str = ""


def list_figures(session: Session) -> Iterator[Figure]:
    """One after the other, the cheapest first, so that what was read stands when the next takes too long. Names nobody."""
    now = clock.now(session)
    yield from _mirror(session)
    yield from _due(session, now)
    yield from _approvals(session, now)
    yield from _heads(session, now)
    yield from _registry(session, now)
    yield from _delivery(session)
    yield from _costs(session, now)


def _mirror(session: Session) -> Iterator[Figure]:
    """In real time, as the readings themselves are."""
    now = clock.real_now(session)
    for kind, reading in readings.read_standing(session).items():
        age = reading.age(now)
        seconds = math.inf if age is None else age.total_seconds()
        yield Figure("mirror_age_seconds", seconds, kind)


def _age(now: datetime, since: datetime | None) -> float:
    return max((now - since).total_seconds(), 0.0) if since is not None else 0.0


def _delivery(session: Session) -> Iterator[Figure]:
    outbox = reads.measure(session)
    yield Figure("outbox_oldest_seconds", outbox.oldest_seconds)
    yield Figure("outbox_held", float(holding.is_held(session)))
    for state, number in outbox.by_state.items():
        yield Figure("outbox_rows", number, state)


def _due(session: Session, now: datetime) -> Iterator[Figure]:
    for what, look in (("timers", timers.find_late), ("schedules", timers.find_late_schedules)):
        number, oldest = look(session, now=now)
        yield Figure(f"{what}_due", number)
        yield Figure(f"{what}_late_seconds", _age(now, oldest))


def _approvals(session: Session, now: datetime) -> Iterator[Figure]:
    number, oldest, overdue = queries.count_waiting(session, now=now)
    yield Figure("approvals_waiting", number)
    yield Figure("approvals_oldest_seconds", _age(now, oldest))
    yield Figure("approvals_overdue", overdue)


def _heads(session: Session, now: datetime) -> Iterator[Figure]:
    """Since when the head that is published daily was not: from the last that went out, else from the first that did not."""
    published: dict[str, datetime] = {}
    waits: dict[str, datetime] = {}
    for key, state, created_at, settled_at in reads.daily_heads(session):
        place = key.rsplit(":", 1)[-1]
        if state == OutboxState.SENT and settled_at is not None:
            published[place] = max(settled_at, published.get(place, settled_at))
        elif state != OutboxState.CANCELLED:
            waits[place] = min(created_at, waits.get(place, created_at))
    for place in sorted(published.keys() | waits.keys()):
        since = published.get(place) or waits[place]
        yield Figure("ledger_head_age_seconds", _age(now, since), place)


def _registry(session: Session, now: datetime) -> Iterator[Figure]:
    state = registry.find_state(session)
    if state is not None and state.looked_at is not None:
        yield Figure("reader_age_seconds", _age(now, state.looked_at), "mlflow")


def _costs(session: Session, now: datetime) -> Iterator[Figure]:
    """A load may hold charges of days to come; it tells of none after the day on which it was loaded."""
    through: dict[str, date] = {}
    for source, last, loaded_at in costs.list_loads(session):
        through_day = min(last, loaded_at.date())
        through[source] = max(through_day, through.get(source, through_day))
    ages = {source: max((now.date() - day).days, 0) for source, day in through.items()}
    named = sorted(ages)[:MOST_SOURCES]
    for source in named:
        yield Figure("cost_data_age_days", ages[source], source)
    if rest := ages.keys() - set(named):
        yield Figure("cost_data_age_days", max(ages[one] for one in rest), OTHER)


# --- What a copy of the database must be told when it comes back
#
# that it is old, and who was erased after it.


def list_still_known(session: Session, noted: Iterable[NotedErasure]) -> list[NotedErasure]:
    """Of those who were erased, whom this database still knows, though it knows nothing of their last erasure.

    Whoever came back after it stays: then the ledger has the entry of the erasure.
    """
    wanted = {one.person_id: one for one in noted}
    known = [
        wanted[row.id]
        for row in people_queries.list_people(session, wanted)
        if row.erased_at is None
    ]
    moments = _moments(session, [one.person_id for one in known])
    return [one for one in known if not any(one.at in each for each in moments[one.person_id])]


def _moments(session: Session, person_ids: Collection[str]) -> dict[str, list[set[datetime]]]:
    """When each was erased by this ledger, oldest first; what was done once more in a copy has its first time, too."""
    moments: dict[str, list[set[datetime]]] = {one: [] for one in person_ids}
    for entry in list_about(session, [("person", one) for one in person_ids]):
        if entry.action == heads.ERASED:
            first = json.loads(entry.body)["facts"].get("replayed")
            moments[entry.subject_id].append(
                {entry.at, datetime.fromisoformat(first) if first else entry.at}
            )
    return moments


def replay(ctx: Context, noted: NotedErasure) -> None:
    """Erase a person once more, from a copy that is older than their erasure.

    Requests that wait in the copy, and which they opened or decided in, are withdrawn first: they would be nobody's. The
    erasure makes their tombstones here as it did there, so that who has left stays away and who is active is the same.
    """
    for approval_id in erasure_queries.open_requests(ctx.session, noted.person_id):
        if not ctx.policy_id:
            raise GovernanceError(
                "A request waits in this database, and no policy was ever in force: it is damaged."
            )
        approvals.withdraw_for_erasure(ctx, approval_id)
        ctx.session.flush()
    people.erase(ctx.as_system(), noted.person_id, noted=noted)


def list_unnoted_erasures(session: Session, kept: Kept) -> list[NotedErasure]:
    """Erasures that the anchor does not know of: it was set, or came back, after them."""
    known = {(one.person_id, one.at) for one in kept.erasures}
    erased = people_queries.list_erased(session)
    moments = _moments(session, erased)
    return [
        noted
        for person_id in erased
        if not any((person_id, at) in known for at in _last(moments[person_id]))
        and (noted := heads.find_erasure(session, person_id)) is not None
    ]


def _last(moments: list[set[datetime]]) -> set[datetime]:
    return moments[-1] if moments else set()


def list_unnoted_restorations(session: Session, kept: Kept) -> list[NotedRestoration]:
    """Copies that were put in place, and of which the anchor does not know."""
    known = {(one.seq, one.at) for one in kept.restorations}
    return [
        noted
        for hold in holding.list_holds(session)
        if (noted := describe_restoration(hold)) is not None and (noted.seq, noted.at) not in known
    ]


def release(ctx: Context, *, looks: bool) -> None:
    """Let everything go again, as holding.release; administrators are told of a copy that was put in place."""
    restored = [
        hold
        for hold in holding.list_holds(ctx.session)
        if hold.released_at is None and hold.why is not HoldReason.ASKED
    ]
    holding.release(ctx, looks=looks)
    version = policies.in_force(ctx.session)
    if not restored or version is None:
        return
    org_key = str(runtime.facts(ctx.session).get("org_key", ""))
    admin = find_channel(
        ctx.session, org_key, policies.version(ctx.session, version).channels.admin
    )
    if admin is not None:
        latest = restored[-1]
        outbox.post(
            ctx.session,
            CopyRestored(latest.id),
            to=Destination.channel(org_key, admin),
            dedupe_key=f"restored:{latest.held_at.isoformat()}",
            now=ctx.now,
        )


def describe_restoration(hold: HoldRecord) -> NotedRestoration | None:
    """What the anchor keeps of a hold; None for one that an operator asked for, after which the ledger simply goes on."""
    if hold.known_seq is None:
        return None
    return NotedRestoration(hold.copy_seq, hold.copy_hash, hold.known_seq, hold.held_at)
