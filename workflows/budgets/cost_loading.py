"""Loading cost: each (source, billing period) of a delivery is replaced as a whole or not touched.

A correction is the whole month again, restated, so it replaces and nothing is ever added to a load. A delivery is written
beside what counts, in short transactions, and takes its place in one (decision 30). A process that is killed on the way
leaves all of the old or all of the new; the rest is removed in batches.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.budgets.tables import CostApart, CostLoad
from storage.db import PATIENT_MS, Database, DatabaseBusy
from storage.money import exact_sum, money_text
from workflows import clock
from workflows.audit import service as audit
from workflows.budgets import costs as budget_costs
from workflows.budgets.costs import Allocator, Deliverer, StandingLoad, reallocate_in_steps
from workflows.budgets.records import LoadedPeriod
from workflows.context import Context, Occasion
from workflows.errors import InvalidInput
from workflows.sources.accounts import are_one, same_account, same_source
from workflows.sources.focus import AllocationKey, BadRow, CostRead, MonthTotal, PeriodTotals
from workflows.sources.focus.records import Group

ROWS_KEPT, COST_KEPT = Decimal("0.5"), Decimal("0.8")
"""A load that keeps less than these shares of a period's rows or cost is refused unless `--replace-period` is given: it
may be a cut-off export instead of a correction."""
BATCH = 2_000
"""Rows that are written or removed in one transaction, so that clicks don't wait for it."""
ABANDONED = timedelta(minutes=15)
"""Real time after which a load whose process writes nothing more is put aside; batches follow each other in seconds."""
_TRIES = 3
"""How often a delivery is written when another one changes the same months meanwhile."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one billing period of one source may not be loaded. `load_id` is the load in its way."""

    source: str
    billing_period: date
    load_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be loaded, by which program (`by`, None: the command line), and under which rules.

    `probe` is called with the names of the places at which a test may end the process.
    """

    occasion: Occasion
    read: CostRead
    replace_period: bool
    by: Deliverer | None = None
    probe: Callable[[str], None] = lambda name: None
    doubts: Callable[[Session], tuple[Refusal, ...]] = lambda session: ()
    """Further refusals, by all cost that counts now. Asked before writing, and again in the transaction of the switch."""
    displaced: Callable[[Session], Collection[int]] = lambda session: ()
    """Ids of loads of other sources that it replaces."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The periods (new, replaced, unchanged), refusals (empty when loaded), and unallocated cost by currency."""

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
    """What the delivery was judged by has changed since; the transaction is rolled back."""


def preview_load(session: Session, delivery: Delivery) -> Loaded:
    """What `load_costs` would do; only reads. Raises NotAllowed for cost that isn't the program's to change."""
    changes = _find_changes(session, delivery)
    refusals = (*delivery.doubts(session), *_list_refusals(session, delivery, changes))
    unallocated = (
        list_unallocated(session, delivery.occasion.now)
        if refusals
        else _sum_unallocated_after(session, delivery, changes)
    )
    return Loaded(_as_loaded(changes), refusals, unallocated)


def load_costs(
    database: Database,
    delivery: Delivery,
    *,
    follow: Callable[[Session], None] = lambda session: None,
) -> Loaded:
    """Write a delivery and let all of it count at once, or nothing when any period is refused.

    A period with the same content as the one that counts is left alone. `follow` is called in the transaction of the
    switch. Raises NotAllowed for cost that isn't the program's to change, and InvalidInput when other deliveries of the
    same months keep coming between.
    """
    for _ in range(_TRIES):
        with database.read(within=PATIENT_MS / 1000) as session:
            changes = _find_changes(session, delivery)
            refusals = (*delivery.doubts(session), *_list_refusals(session, delivery, changes))
            if refusals:
                return Loaded(
                    _as_loaded(changes), refusals, list_unallocated(session, delivery.occasion.now)
                )
        writing = _LoadWriter(database, delivery, changes)
        try:
            writing.write()
            reallocate_in_steps(database, delivery.occasion.policy)
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
            return Loaded(_as_loaded(changes), (), list_unallocated(session, delivery.occasion.now))
    raise InvalidInput(
        "Others are loading the same months at this moment. Nothing was written; try again when they have finished."
    )


def list_unallocated(session: Session, now: datetime) -> tuple[tuple[str, Decimal], ...]:
    """Billed cost of no project, up to this month, by currency."""
    return tuple(sorted(costs.sum_unallocated(session, now.date()).items()))


def is_anything_left(session: Session) -> bool:
    """Whether there are replaced or abandoned loads to remove."""
    return generations.is_anything_left(session, clock.real_now(session) - ABANDONED)


def remove_some(session: Session) -> bool:
    """Put abandoned loads aside, and remove one batch of what doesn't count; False when there is none."""
    generations.put_aside_abandoned(session, clock.real_now(session) - ABANDONED)
    return generations.remove_some(session, BATCH)


def remove_for(
    database: Database,
    seconds: float | None = None,
    *,
    probe: Callable[[str], None] = lambda name: None,
) -> None:
    """Remove cost that doesn't count in batches: all of it, or for at most so many seconds and a batch."""
    end = None if seconds is None else time.monotonic() + seconds
    while database.in_turn(remove_some):
        probe("costs.removed")
        if end is not None and time.monotonic() > end:
            return


def _find_changes(session: Session, delivery: Delivery) -> list[_PeriodChange]:
    """What becomes of each period, by what counts now. Raises NotAllowed."""
    names = {period.source for period in delivery.read.periods}
    budget_costs.require_deliverer(session, names, delivery.by)
    changes = [_find_change(session, period) for period in delivery.read.periods]
    _require_own(session, delivery, changes)
    return changes


def _require_own(session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]) -> None:
    by, read = delivery.by, delivery.read
    if by is None or not by.projects:
        return
    allocator = Allocator(session, delivery.occasion.policy)
    budget_costs.require_own(
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


def _find_change(session: Session, period: PeriodTotals) -> _PeriodChange:
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


def _list_refusals(
    session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]
) -> tuple[Refusal, ...]:
    if delivery.replace_period:
        return ()
    refusals = (_find_refusal(session, change) for change in changes)
    return tuple(refusal for refusal in refusals if refusal is not None)


def _find_refusal(session: Session, change: _PeriodChange) -> Refusal | None:
    if change.before is None or change.what == "unchanged":
        return None
    period, before = change.period, change.before
    why = _explain_drop(session, period, before)
    return Refusal(period.source, period.billing_period, before.id, why) if why else None


def _explain_drop(session: Session, period: PeriodTotals, before: StandingLoad) -> str | None:
    """The sentence that refuses a period with far fewer rows or far less cost than `before`; None when it hasn't."""
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


def _sum_unallocated_after(
    session: Session, delivery: Delivery, changes: Sequence[_PeriodChange]
) -> tuple[tuple[str, Decimal], ...]:
    """Cost that would belong to no project if the delivery counted, by currency, without writing it."""
    written = {change.period.index for change in changes if change.is_written}
    replaced = [
        *delivery.displaced(session),
        *(change.before.id for change in changes if change.is_written and change.before),
    ]
    read, today = delivery.read, delivery.occasion.now.date()
    allocator = Allocator(session, delivery.occasion.policy)
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
    """Writes one delivery beside the loads that count, and switches to it."""

    def __init__(
        self, database: Database, delivery: Delivery, changes: Sequence[_PeriodChange]
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._changes = changes
        self._loads: dict[int, int] = {}
        """Index of the period → id of the load that is written for it."""

    def write(self) -> None:
        """Write every period that is new or changed, in batches of which no reader counts any."""
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
                now=self._delivery.occasion.now,
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
        """The id of each allocation key of the read, in its order; new keys are inserted, with their project."""
        named = [
            (key.sub_account_id, key.sub_account_name, key.tags)
            for key in self._delivery.read.allocation_keys
        ]
        with self._database.read(within=PATIENT_MS / 1000) as session:
            known = _known_keys(session)
            new = [key for key in dict.fromkeys(named) if key not in known]
            allocator = Allocator(session, self._delivery.occasion.policy) if new else None
        if allocator is not None:
            rows = [(*key, allocator.project(*key)) for key in new]
            for part in _parts(rows):
                self._step(partial(generations.stage_allocation_keys, keys=part))
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
        """Let the delivery count, in the caller's transaction. Raises _OvertakenError when the loads it was compared with,
        or the doubts about it, have changed since it was begun."""
        delivery = self._delivery
        costs.lock_loads(session)
        changes = _find_changes(session, delivery)
        if [_load_subject(change) for change in changes] != [
            _load_subject(change) for change in self._changes
        ]:
            raise _OvertakenError
        if delivery.doubts(session):
            raise _OvertakenError
        for name in sorted({change.period.source for change in changes}):
            budget_costs.claim_source(session, name, delivery.by, now=delivery.occasion.now)
        written = [change for change in changes if change.is_written]
        if not generations.make_current(
            session,
            self._loads.values(),
            [change.before.id for change in written if change.before is not None],
            now=delivery.occasion.now,
        ):
            raise _OvertakenError
        for change in written:
            self._record(delivery.occasion.context(session), change)
        follow(session)

    def _record(self, ctx: Context, change: _PeriodChange) -> None:
        period = change.period
        audit.record(
            ctx,
            f"costs.{'loaded' if change.before is None else 'replaced'}",
            ("cost_load", self._loads[period.index]),
            source=period.source,
            billing_period=period.billing_period.isoformat(),
            rows=period.rows,
            billed={
                currency: format(amount, "f") for currency, amount in sorted(period.billed.items())
            },
            sha256=period.content_sha256,
        )

    def put_aside(self) -> None:
        """Give the written loads up, to be removed with old cost."""
        loads = tuple(self._loads.values())
        if not loads:
            return
        with suppress(DatabaseBusy):  # put aside after `ABANDONED` then
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


# --- One bill under two names (decision 31)
#
# Another spelling that is surely the same source counts under the name that is stored. Where two
# sources only look like one bill, somebody is asked. Never are they added up without a word.

KEYS_COMPARED = 50
"""Shared sub-accounts whose days are compared: if two exports are of one bill, a few accounts show it, and the work
stays bounded for bills with thousands."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to the question whether two sources are one bill; without either field there is none yet."""

    separate: bool = False
    """They are two: both count, and it isn't asked again."""
    instead_of: tuple[str, ...] = ()
    """They are one: of these sources the months that the delivery brings are dropped."""


class Renamed:
    """A `CostRead` with sources renamed (`names`: name in the file → stored name), and a remark for each."""

    def __init__(self, read: CostRead, names: Mapping[str, str]) -> None:
        self._read = read
        self.periods: tuple[PeriodTotals, ...] = tuple(
            replace(period, source=names.get(period.source, period.source))
            for period in read.periods
        )
        self.remarks: tuple[str, ...] = (
            *read.remarks,
            *(
                f"“{given}” is “{stored}” in another spelling, and counts under that name."
                for given, stored in sorted(names.items())
            ),
        )

    @property
    def allocation_keys(self) -> tuple[AllocationKey, ...]:
        """As `CostRead`'s."""
        return self._read.allocation_keys

    @property
    def bad_rows(self) -> tuple[BadRow, ...]:
        """As `CostRead`'s."""
        return self._read.bad_rows

    @property
    def bad_row_count(self) -> int:
        """As `CostRead`'s."""
        return self._read.bad_row_count

    @property
    def charges_through(self) -> date | None:
        """As `CostRead`'s."""
        return self._read.charges_through

    def entries(
        self, period_ids: Mapping[int, int], key_ids: Sequence[int]
    ) -> Iterator[list[Group]]:
        """As `CostRead.entries`."""
        return self._read.entries(period_ids, key_ids)

    def months(self) -> Sequence[MonthTotal]:
        """As `CostRead.months`."""
        return self._read.months()

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """As `CostRead.days`."""
        return self._read.days(keys)


def settle_names(session: Session, read: CostRead) -> CostRead:
    """The read, with sources renamed that surely are a stored source in another spelling (`are_one`).

    Not where two spellings in the read fit one stored source, or the stored one is in the read itself.
    """
    given = {period.source for period in read.periods}
    stored = costs.sources_with_loads(session)
    meant: dict[str, list[str]] = {}
    for name in sorted(given - stored):
        twins = [other for other in sorted(stored) if are_one(name, other)]
        # One with the same provider goes before one whose provider is unknown.
        exact = [other for other in twins if same_source(other) == same_source(name)] or twins
        if len(exact) == 1 and exact[0] not in given:
            meant.setdefault(exact[0], []).append(name)
    names = {spellings[0]: other for other, spellings in meant.items() if len(spellings) == 1}
    return Renamed(read, names) if names else read


def find_double_counts(
    session: Session, read: CostRead, answer: Choice
) -> list[tuple[str, CostLoad, str]]:
    """What would perhaps count twice: (source of the read, load under another name, what they have in common).

    In common are the billing account, or sub-accounts and days, in a month that isn't part of this read under that other
    name. Pairs that were answered, by `answer` or earlier, are left out.
    """
    return [
        (name, load, why)
        for name, load, why in _find_likenesses(session, read)
        if load.source not in answer.instead_of and not costs.are_apart(session, name, load.source)
    ]


def ask_about(
    session: Session, pairs: Sequence[tuple[str, CostLoad, str]], *, is_bound: bool = False
) -> tuple[Refusal, ...]:
    """The refusal that asks about each pair of `find_double_counts`.

    `is_bound` leaves out the other source's name, which a program that is bound to projects may not learn.
    """
    asked: list[Refusal] = []
    for name, load, why in pairs:
        totals = ", ".join(
            f"{money_text(amount)} {currency}"
            for currency, amount in sorted(costs.load_totals(session, load.id).items())
        )
        other_source = "another source" if is_bound else f"“{load.source}”"
        asked.append(
            Refusal(
                name,
                load.billing_period,
                load.id,
                f"“{name}” would count beside {other_source}, which has {totals} for {load.billing_period:%Y-%m} of {why}. If it takes "
                f"that one's place, give --instead-of '{'…' if is_bound else load.source}'; if both are right, give --separate.",
            )
        )
    return tuple(asked)


def keep_apart(session: Session, pairs: Iterable[tuple[str, str]]) -> None:
    """Keep the answer that the two sources of each pair are two."""
    for first, second in sorted({tuple(sorted(pair)) for pair in pairs}):
        session.add(CostApart(first=first, second=second))
    session.flush()


def _find_likenesses(session: Session, read: CostRead) -> Iterator[tuple[str, CostLoad, str]]:
    """As `find_double_counts`, answered pairs too."""
    given = {(period.source, period.billing_period) for period in read.periods}
    asked: set[tuple[str, int]] = set()
    new: list[PeriodTotals] = []
    for period in read.periods:
        before = costs.find_load(session, period.source, period.billing_period)
        if before is not None and before.sha256 == period.content_sha256:
            continue
        # A month that replaces one of its own name was asked about when that one came.
        if before is None:
            new.append(period)
        account = same_source(period.source)[1]
        for load in costs.list_loads_of_period(session, period.billing_period):
            if (
                account
                and (load.source, load.billing_period) not in given
                and same_source(load.source)[1] == account
            ):
                asked.add((period.source, load.id))
                yield period.source, load, "the same billing account"
    names = {source for source, _ in given}
    if new and costs.sources_with_loads(session) - names:
        for source, load in _find_sharing(session, read, new, names):
            if (source, load.id) not in asked:
                asked.add((source, load.id))
                yield source, load, "the same sub-accounts and days"


def _find_sharing(
    session: Session, read: CostRead, new: Sequence[PeriodTotals], names: Collection[str]
) -> Iterator[tuple[str, CostLoad]]:
    """(source of the read, load of another source) that share a sub-account and day, for periods that are new."""
    accounts = {
        key.index: same_account(key.sub_account_id)
        for key in read.allocation_keys
        if key.sub_account_id.strip()
    }
    if not accounts:
        return
    new_at = {period.index: period.source for period in new}
    spans = [month for month in read.months() if month.period in new_at]
    months = {month.month for month in spans}
    wanted = {accounts[month.key] for month in spans if month.key in accounts}
    shared: dict[int, dict[str, set[int]]] = {}
    for load_id, key_id, account_id in costs.list_accounts_of_months(session, months, names):
        account = same_account(account_id)
        if account in wanted:
            shared.setdefault(load_id, {}).setdefault(account, set()).add(key_id)
    for load_id, stored in sorted(shared.items()):
        compared = dict(sorted(stored.items())[:KEYS_COMPARED])
        keys = [key for key, account in accounts.items() if account in compared]
        ours = {
            (accounts[key], day): new_at[period]
            for period, key, day in read.days(keys)
            if period in new_at
        }
        theirs = {
            (account, day)
            for account, key_ids in compared.items()
            for day in costs.list_days_of_keys(session, load_id, key_ids)
        }
        common = sorted(ours.keys() & theirs)
        load = session.get(CostLoad, load_id)
        if common and load is not None:
            for source in sorted({ours[account_day] for account_day in common}):
                yield source, load


def find_displaced(session: Session, read: CostRead, answer: Choice) -> list[CostLoad]:
    """The loads that a delivery replaces by `answer.instead_of`, in the months that it brings.

    Raises InvalidInput for a source without cost in these months, or one that is in the delivery itself.
    """
    periods = {period.billing_period for period in read.periods}
    names = {period.source for period in read.periods}
    loads_replaced = []
    for source in answer.instead_of:
        if source in names:
            raise InvalidInput(
                f"{source} is in this load itself, so it can't take that one's place.",
                field="instead_of",
            )
        loads = [
            load
            for period in sorted(periods)
            if (load := costs.find_load(session, source, period)) is not None
        ]
        if not loads:
            raise InvalidInput(
                f"There is no cost of {source!r} for the months of this load. `mlgov costs sources` lists what there is.",
                field="instead_of",
            )
        loads_replaced += loads
    return loads_replaced


def list_dropped(session: Session, loads: Sequence[CostLoad]) -> tuple[LoadedPeriod, ...]:
    """The report about loads that another source replaces, as dropped."""
    return tuple(
        LoadedPeriod(
            load.source,
            load.billing_period,
            "dropped",
            load.rows,
            tuple(sorted(costs.load_totals(session, load.id).items())),
        )
        for load in loads
    )


def drop_loads(ctx: Context, loads: Sequence[CostLoad]) -> tuple[LoadedPeriod, ...]:
    """Let loads that another source replaced count no more, and record it; the report. Rows are removed later, in batches."""
    dropped = list_dropped(ctx.session, loads)
    for load, period in zip(loads, dropped, strict=True):
        audit.record(
            ctx,
            "costs.dropped",
            ("cost_load", load.id),
            source=load.source,
            billing_period=load.billing_period.isoformat(),
            rows=load.rows,
            billed={currency: format(amount, "f") for currency, amount in period.billed},
        )
    generations.make_current(ctx.session, (), [load.id for load in loads], now=ctx.now)
    return dropped
