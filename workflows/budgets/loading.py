"""Cost files into the record: one (source, billing period) at a time, replaced as a whole or not touched.

A delivery is written beside what counts, in batches that hold up nobody, and takes its place in one short transaction.
Whoever is killed on the way leaves the old or the new; what is left of the other is removed in batches.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.db import PATIENT_MS, Database, DatabaseBusy
from storage.money import exact_sum
from workflows import clock
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import sources
from workflows.budgets.allocation import Allocator, reallocate_in_steps
from workflows.budgets.records import LoadedPeriod
from workflows.budgets.sources import Deliverer, StandingLoad
from workflows.errors import InvalidInput
from workflows.policy import Policy
from workflows.sources.focus import CostRead, PeriodTotals

ROWS_KEPT, COST_KEPT = Decimal("0.5"), Decimal("0.8")
"""A load that keeps less than this of a period's rows or cost is refused unless it is said to be meant."""
BATCH = 2_000
"""Rows that are written, or removed, in one transaction."""
ABANDONED = timedelta(minutes=15)
"""Real time after which a load that nobody goes on with is put aside."""
_TRIES = 3
"""How often a delivery is written anew because another one changed the same months meanwhile."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one billing period of one source may not be replaced. `load_id` is what stands."""

    source: str
    billing_period: date
    load_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be loaded, by whom, and under which rules. `by` is the program that delivers, None for the command line.

    `probe` is called with the names of the places at which a test may end the process.
    """

    actor: Actor
    read: CostRead
    policy: Policy
    replace_period: bool
    now: datetime
    by: Deliverer | None = None
    probe: Callable[[str], None] = lambda name: None
    doubts: Callable[[Session], tuple[Refusal, ...]] = lambda session: ()
    """What else speaks against it, by all that counts now. Asked again in the moment in which it is to count."""
    displaced: Callable[[Session], Collection[int]] = lambda session: ()
    """Ids of loads of other sources that it takes the place of."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What happened to each period, why it was refused, and cost that belongs to no project, by currency."""

    periods: tuple[LoadedPeriod, ...]
    refusals: tuple[Refusal, ...]
    unallocated: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class _PeriodChange:
    period: PeriodTotals
    what: str
    before: StandingLoad | None

    @property
    def is_written(self) -> bool:
        return self.what != "unchanged"


class _OvertakenError(Exception):
    """Something came between; nothing is kept."""


def preview_load(session: Session, delivery: Delivery) -> Loaded:
    """What loading would do. Only reads. Raises NotAllowed for cost that isn't the program's to change."""
    changes = _changes(session, delivery)
    refusals = (*delivery.doubts(session), *_refusals(session, delivery, changes))
    unallocated = (
        list_unallocated(session, delivery.now)
        if refusals
        else _unallocated_then(session, delivery, changes)
    )
    return Loaded(_as_loaded(changes), refusals, unallocated)


def load_costs(
    database: Database,
    delivery: Delivery,
    *,
    follow: Callable[[Session], None] = lambda session: None,
) -> Loaded:
    """Write what was read, and let it count at once.

    The same content again changes nothing. When any period is refused, nothing of the load counts. `follow` is called in
    the transaction in which it begins to count. Raises NotAllowed for cost that isn't the program's to change, and
    InvalidInput where other deliveries of the same months keep coming between.
    """
    for _ in range(_TRIES):
        with database.read(within=PATIENT_MS / 1000) as session:
            changes = _changes(session, delivery)
            refusals = (*delivery.doubts(session), *_refusals(session, delivery, changes))
            if refusals:
                return Loaded(
                    _as_loaded(changes), refusals, list_unallocated(session, delivery.now)
                )
        writing = _LoadWriter(database, delivery, changes)
        try:
            writing.write()
            reallocate_in_steps(database, delivery.policy)
            delivery.probe("costs.before_current")
            database.run(partial(writing.make_current, follow=follow), patient=True)
        except _OvertakenError:
            writing.put_aside()
            continue
        except BaseException:
            writing.put_aside()
            raise
        delivery.probe("costs.after_current")
        with database.read(within=PATIENT_MS / 1000) as session:
            return Loaded(_as_loaded(changes), (), list_unallocated(session, delivery.now))
    raise InvalidInput(
        "Others are loading the same months at this moment. Nothing was written; try again when they have finished."
    )


def list_unallocated(session: Session, now: datetime) -> tuple[tuple[str, Decimal], ...]:
    """Cost that belongs to no project, by currency."""
    return tuple(sorted(costs.sum_unallocated(session, now.date()).items()))


def is_anything_left(session: Session) -> bool:
    """Whether there is cost to remove that doesn't count any more, or never did."""
    return generations.is_anything_left(session, clock.real_now(session) - ABANDONED)


def remove_some(session: Session) -> bool:
    """Remove one batch of the cost that doesn't count; False when there is none."""
    generations.put_aside_abandoned(session, clock.real_now(session) - ABANDONED)
    return generations.remove_some(session, BATCH)


def remove_for(
    database: Database,
    seconds: float | None = None,
    *,
    probe: Callable[[str], None] = lambda name: None,
) -> None:
    """Remove the cost that doesn't count, batch by batch; all of it, or for so many seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    while database.in_turn(remove_some):
        probe("costs.removed")
        if end is not None and time.monotonic() > end:
            return


def _changes(session: Session, delivery: Delivery) -> list[_PeriodChange]:
    names = {period.source for period in delivery.read.periods}
    sources.require_deliverer(session, names, delivery.by)
    changes = [_change(session, period) for period in delivery.read.periods]
    _require_own(session, delivery, changes)
    return changes


def _require_own(session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]) -> None:
    by, read = delivery.by, delivery.read
    if by is None or not by.projects:
        return
    allocator = Allocator(session, delivery.policy)
    sources.require_own(
        session,
        by,
        replaced=[
            change.before
            for change in changes
            if change.before is not None and change.what == "replaced"
        ],
        given=[
            allocator.project(key.sub_account_id, key.sub_account_name, key.tags)
            for key in read.allocation_keys
        ],
    )


def _change(session: Session, period: PeriodTotals) -> _PeriodChange:
    load = costs.find_load(session, period.source, period.billing_period)
    if load is None:
        return _PeriodChange(period, "new", None)
    before = StandingLoad(load.id, load.source, load.billing_period, load.sha256, load.rows)
    return _PeriodChange(
        period, "unchanged" if before.sha256 == period.content_sha256 else "replaced", before
    )


def _as_loaded(changes: Sequence[_PeriodChange]) -> tuple[LoadedPeriod, ...]:
    return tuple(
        LoadedPeriod(
            change.period.source,
            change.period.billing_period,
            change.what,
            change.period.rows,
            tuple(sorted(change.period.billed.items())),
        )
        for change in changes
    )


def _refusals(
    session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]
) -> tuple[Refusal, ...]:
    if delivery.replace_period:
        return ()
    refusals = (_refusal(session, change) for change in changes)
    return tuple(refusal for refusal in refusals if refusal is not None)


def _refusal(session: Session, change: _PeriodChange) -> Refusal | None:
    if change.before is None or change.what == "unchanged":
        return None
    period, before = change.period, change.before
    why = _drop(session, period, before)
    return Refusal(period.source, period.billing_period, before.id, why) if why else None


def _drop(session: Session, period: PeriodTotals, before: StandingLoad) -> str | None:
    name = f"{period.source}, billing period {period.billing_period:%Y-%m}"
    if period.rows < before.rows * ROWS_KEPT:
        return f"{name}: {before.rows:,} rows would become {period.rows:,}. If that is right, give --replace-period."
    for currency, old in sorted(costs.load_totals(session, before.id).items()):
        new = period.billed.get(currency, Decimal(0))
        if new < 0 <= old:
            return f"{name}: {old:f} {currency} would become {new:f}, less than nothing. If that is right, give --replace-period."
        if old > 0 and new < old * COST_KEPT:
            return f"{name}: {old:f} {currency} would become {new:f}. If that is right, give --replace-period."
    return None


def _unallocated_then(
    session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]
) -> tuple[tuple[str, Decimal], ...]:
    """What would belong to no project if the delivery counted."""
    written = {change.period.index for change in changes if change.is_written}
    replaced = [
        *delivery.displaced(session),
        *(change.before.id for change in changes if change.is_written and change.before),
    ]
    read, today = delivery.read, delivery.now.date()
    allocator = Allocator(session, delivery.policy)
    known = {
        (account, name, tags): project
        for _, account, name, tags, project in costs.list_allocation_keys(session)
    }
    owners = []
    for key in read.allocation_keys:
        words = (key.sub_account_id, key.sub_account_name, key.tags)
        owners.append(known[words] if words in known else allocator.project(*words))
    by_currency = {
        currency: [amount]
        for currency, amount in costs.sum_unallocated(session, today, without=replaced).items()
    }
    for month in read.months():
        if month.period in written and month.month <= today and owners[month.key] is None:
            by_currency.setdefault(month.currency, []).append(month.billed)
    return tuple(sorted((currency, exact_sum(parts)) for currency, parts in by_currency.items()))


class _LoadWriter:
    """One delivery while it is written beside what counts."""

    def __init__(
        self, database: Database, delivery: Delivery, changes: Sequence[_PeriodChange]
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._changes = changes
        self._loads: dict[int, int] = {}
        """Index of the period → id of the load that is written for it."""

    def write(self) -> None:
        """Everything that the delivery changes, in batches that nobody counts."""
        if not any(change.is_written for change in self._changes):
            return
        self._loads = self._database.in_turn(self._begin)
        probe = self._delivery.probe
        probe("costs.begun")
        keys = self._keys()
        for batch in self._delivery.read.entries(self._loads, keys):
            for rows in _parts(batch):
                self._step(partial(generations.insert_entries, rows=rows))
                probe("costs.entries")
        for months in _parts(list(self._months(keys))):
            self._step(partial(generations.insert_months, rows=months))
            probe("costs.months")

    def _begin(self, session: Session) -> dict[int, int]:
        real_now = clock.real_now(session)
        return {
            change.period.index: generations.begin(
                session,
                change.period.source,
                change.period.billing_period,
                sha256=change.period.content_sha256,
                rows=change.period.rows,
                charges_through=change.period.charges_through,
                now=self._delivery.now,
                real_now=real_now,
            )
            for change in self._changes
            if change.is_written
        }

    def _step(self, work: Callable[[Session], None]) -> None:
        def step(session: Session) -> None:
            if not generations.go_on(
                session, self._loads.values(), real_now=clock.real_now(session)
            ):
                raise InvalidInput(
                    "This import stood still for so long that it was put aside. Nothing was changed; start it again."
                )
            work(session)

        self._database.in_turn(step)

    def _keys(self) -> list[int]:
        """The id of each allocation key of a read; those that are new are made."""
        named = [
            (key.sub_account_id, key.sub_account_name, key.tags)
            for key in self._delivery.read.allocation_keys
        ]
        with self._database.read(within=PATIENT_MS / 1000) as session:
            known = _known_keys(session)
            new = [key for key in dict.fromkeys(named) if key not in known]
            allocator = Allocator(session, self._delivery.policy) if new else None
        if allocator is not None:
            rows = [(*key, allocator.project(*key)) for key in new]
            for part in _parts(rows):
                self._step(partial(generations.add_allocation_keys, keys=part))
            with self._database.read(within=PATIENT_MS / 1000) as session:
                known = _known_keys(session)
        return [known[key] for key in named]

    def _months(self, keys: Sequence[int]) -> Iterator[dict[str, object]]:
        for month in self._delivery.read.months():
            if month.period in self._loads:
                yield {
                    "load_id": self._loads[month.period],
                    "allocation_key_id": keys[month.key],
                    "month": month.month,
                    "currency": month.currency,
                    "billed": month.billed,
                    "effective": month.effective,
                }

    def make_current(self, session: Session, follow: Callable[[Session], None]) -> None:
        """Let it count, where everything is still as it was when it was looked at. Raises _OvertakenError otherwise."""
        delivery = self._delivery
        costs.lock_loads(session)
        changes = _changes(session, delivery)
        if [_load_subject(change) for change in changes] != [
            _load_subject(change) for change in self._changes
        ]:
            raise _OvertakenError
        if delivery.doubts(session):
            raise _OvertakenError
        for name in sorted({change.period.source for change in changes}):
            sources.claim_source(session, name, delivery.by, now=delivery.now)
        written = [change for change in changes if change.is_written]
        if not generations.make_current(
            session,
            self._loads.values(),
            [change.before.id for change in written if change.before is not None],
            now=delivery.now,
        ):
            raise _OvertakenError
        for change in written:
            self._record(session, change)
        follow(session)

    def _record(self, session: Session, change: _PeriodChange) -> None:
        period = change.period
        audit.record(
            session,
            self._delivery.actor,
            f"costs.{'loaded' if change.before is None else 'replaced'}",
            ("cost_load", self._loads[period.index]),
            now=self._delivery.now,
            source=period.source,
            billing_period=period.billing_period.isoformat(),
            rows=period.rows,
            billed={
                currency: format(amount, "f") for currency, amount in sorted(period.billed.items())
            },
            sha256=period.content_sha256,
        )

    def put_aside(self) -> None:
        """It will never count; whoever removes old cost removes it."""
        loads = tuple(self._loads.values())
        if not loads:
            return
        with suppress(DatabaseBusy):  # nobody goes on with it, which is noticed in time
            self._database.run(lambda session: generations.put_aside(session, loads), patient=True)


def _load_subject(change: _PeriodChange) -> tuple[str, int | None]:
    return change.what, change.before.id if change.before is not None else None


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _known_keys(session: Session) -> dict[tuple[str, str, str], int]:
    return {
        (account, name, tags): key
        for key, account, name, tags, _ in costs.list_allocation_keys(session)
    }
