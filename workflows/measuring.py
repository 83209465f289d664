"""How the record stands, in figures for those who operate mlgov: cheap on large tables, read in one transaction."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.approvals import waiting
from storage.budgets import costs
from storage.delivery.queries import timers
from storage.enums import OutboxState
from storage.people import readings
from storage.registry import queries as registry
from workflows import clock
from workflows.delivery import holding, status

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
    outbox = status.measure(session)
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
    number, oldest, overdue = waiting.count_waiting(session, now=now)
    yield Figure("approvals_waiting", number)
    yield Figure("approvals_oldest_seconds", _age(now, oldest))
    yield Figure("approvals_overdue", overdue)


def _heads(session: Session, now: datetime) -> Iterator[Figure]:
    """Since when the head that is published daily was not: from the last that went out, else from the first that did not."""
    published: dict[str, datetime] = {}
    waits: dict[str, datetime] = {}
    for key, state, created_at, settled_at in status.daily_heads(session):
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
