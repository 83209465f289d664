"""One bill under two names: known where that's sure, asked about where it only looks so, never added up in silence."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.budgets.tables import CostApart, CostLoad
from storage.money import money_text
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets.loading import Refusal
from workflows.budgets.records import LoadedPeriod
from workflows.errors import InvalidInput
from workflows.sources.accounts import are_one, same_account, same_source
from workflows.sources.focus import AllocationKey, BadRow, CostRead, MonthTotal, PeriodTotals

KEYS_COMPARED = 50
"""Shared sub-accounts whose days are compared: if they have a day in common, a few show it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was answered to the question whether two sources are one."""

    separate: bool = False
    """They are two: both count, and the question isn't asked again."""
    instead_of: tuple[str, ...] = ()
    """Sources that this delivery takes the place of: their months that it brings are dropped."""


class Renamed:
    """A read whose sources go by the names that they are stored under."""

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
    ) -> Iterator[list[tuple[Any, ...]]]:
        """As `CostRead.entries`."""
        return self._read.entries(period_ids, key_ids)

    def months(self) -> Sequence[MonthTotal]:
        """As `CostRead.months`."""
        return self._read.months()

    def days(self, keys: Collection[int]) -> set[tuple[int, int, date]]:
        """As `CostRead.days`."""
        return self._read.days(keys)


def settle_names(session: Session, read: CostRead) -> CostRead:
    """The read under the names that its sources are stored under, where they are surely the same in another spelling."""
    given = {period.source for period in read.periods}
    stored = costs.sources_with_loads(session)
    meant: dict[str, list[str]] = {}
    for name in sorted(given - stored):
        twins = [other for other in sorted(stored) if are_one(name, other)]
        exact = [other for other in twins if same_source(other) == same_source(name)] or twins
        if len(exact) == 1 and exact[0] not in given:
            meant.setdefault(exact[0], []).append(name)
    names = {spellings[0]: other for other, spellings in meant.items() if len(spellings) == 1}
    return Renamed(read, names) if names else read


def find_double_counts(
    session: Session, read: CostRead, answer: Choice
) -> list[tuple[str, CostLoad, str]]:
    """What would count twice, for all one can see: a month of the same billing account, or of the same sub-accounts and
    days, that stands under another name and isn't part of this read. What was answered before isn't asked again.

    (source of the read, load under another name, what they have in common).
    """
    return [
        (name, load, why)
        for name, load, why in _likenesses(session, read)
        if load.source not in answer.instead_of and not costs.are_apart(session, name, load.source)
    ]


def ask_about(
    session: Session, pairs: Sequence[tuple[str, CostLoad, str]], *, is_bound: bool = False
) -> tuple[Refusal, ...]:
    """The question about each of what `find_double_counts` finds. `is_bound` leaves out the other source's name."""
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
    """Remember that two sources are two."""
    for first, second in sorted({tuple(sorted(pair)) for pair in pairs}):
        session.add(CostApart(first=first, second=second))
    session.flush()


def _likenesses(session: Session, read: CostRead) -> Iterator[tuple[str, CostLoad, str]]:
    """(source of the read, load under another name, what they have in common)."""
    given = {(period.source, period.billing_period) for period in read.periods}
    asked: set[tuple[str, int]] = set()
    new: list[PeriodTotals] = []
    for period in read.periods:
        before = costs.find_load(session, period.source, period.billing_period)
        if before is not None and before.sha256 == period.content_sha256:
            continue
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
        for source, load in _sharing(session, read, new, names):
            if (source, load.id) not in asked:
                asked.add((source, load.id))
                yield source, load, "the same sub-accounts and days"


def _sharing(
    session: Session, read: CostRead, new: Sequence[PeriodTotals], names: Collection[str]
) -> Iterator[tuple[str, CostLoad]]:
    """Loads of other sources that hold a sub-account and day which a period that is new holds, too."""
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
            for source in sorted({ours[one] for one in common}):
                yield source, load


def find_displaced(session: Session, read: CostRead, answer: Choice) -> list[CostLoad]:
    """The loads that a delivery takes the place of. Raises InvalidInput for a source that isn't there or comes along."""
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
    """What becomes of loads whose place another source takes."""
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


def drop_loads(
    session: Session, actor: Actor, loads: Sequence[CostLoad], *, now: datetime
) -> tuple[LoadedPeriod, ...]:
    """Loads whose place another source took count no more; what happened to each. Their rows go later, in batches."""
    dropped = list_dropped(session, loads)
    for load, period in zip(loads, dropped, strict=True):
        audit.record(
            session,
            actor,
            "costs.dropped",
            ("cost_load", load.id),
            now=now,
            source=load.source,
            billing_period=load.billing_period.isoformat(),
            rows=load.rows,
            billed={currency: format(amount, "f") for currency, amount in period.billed},
        )
    generations.make_current(session, (), [load.id for load in loads], now=now)
    return dropped
