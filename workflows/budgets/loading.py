"""Cost files into the record: one (source, billing period) at a time, replaced as a whole or not touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.budgets.tables import CostLoad
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import sources
from workflows.budgets.allocation import Allocator
from workflows.budgets.records import LoadedPeriod
from workflows.budgets.sources import Deliverer
from workflows.policy import Policy
from workflows.sources.focus import CostRead, PeriodTotals

ROWS_KEPT, COST_KEPT = Decimal("0.5"), Decimal("0.8")
"""A load that keeps less than this of a period's rows or cost is refused unless it is said to be meant."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one billing period of one source may not be replaced. `load_id` is what stands."""

    source: str
    billing_period: date
    load_id: int
    why: str


@dataclass(frozen=True, slots=True)
class _Change:
    period: PeriodTotals
    what: str
    before: CostLoad | None


def load(
    session: Session,
    actor: Actor,
    read: CostRead,
    *,
    policy: Policy,
    replace_period: bool,
    now: datetime,
    by: Deliverer | None = None,
) -> tuple[tuple[LoadedPeriod, ...], tuple[Refusal, ...]]:
    """Write what was read: (what happened to each period, why it was refused).

    The same content again changes nothing. When any period is refused, nothing of the load is written. `by` is the
    program that delivers, None for the command line. Raises NotAllowed for cost that isn't the program's to change.
    """
    costs.lock_loads(session)
    names = {period.source for period in read.periods}
    sources.require_deliverer(session, names, by)
    changes = [_change(session, period) for period in read.periods]
    allocator = Allocator(session, policy)
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
        ]
        if by is not None and by.projects
        else (),
    )
    refusals = (
        []
        if replace_period
        else [found for change in changes if (found := _refusal(session, change))]
    )
    told = tuple(
        LoadedPeriod(
            change.period.source,
            change.period.billing_period,
            change.what,
            change.period.rows,
            tuple(sorted(change.period.billed.items())),
        )
        for change in changes
    )
    if not refusals:
        for name in sorted(names):
            sources.open_source(session, name, by, now=now)
        _write(
            session,
            actor,
            read,
            [change for change in changes if change.what != "unchanged"],
            allocator,
            now,
        )
    return told, tuple(refusals)


def _change(session: Session, period: PeriodTotals) -> _Change:
    before = costs.find_load(session, period.source, period.billing_period)
    if before is None:
        return _Change(period, "new", None)
    return _Change(
        period,
        "unchanged" if before.sha256 == period.content_sha256 else "replaced",
        before,
    )


def _refusal(session: Session, change: _Change) -> Refusal | None:
    if change.before is None or change.what == "unchanged":
        return None
    period, before = change.period, change.before
    why = _drop(session, period, before)
    return (
        Refusal(period.source, period.billing_period, before.id, why) if why else None
    )


def _drop(session: Session, period: PeriodTotals, before: CostLoad) -> str | None:
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


def _write(
    session: Session,
    actor: Actor,
    read: CostRead,
    changes: Sequence[_Change],
    allocator: Allocator,
    now: datetime,
) -> None:
    if not changes:
        return
    period_ids: dict[int, int] = {}
    for change in changes:
        row = change.before
        period = change.period
        if row is None:
            row = CostLoad(source=period.source, billing_period=period.billing_period)
            session.add(row)
        else:
            costs.empty_load(session, row.id)
        row.sha256, row.rows, row.loaded_at = period.content_sha256, period.rows, now
        row.charges_through = period.charges_through
        session.flush()
        period_ids[period.index] = row.id
        audit.record(
            session,
            actor,
            f"costs.{'loaded' if change.before is None else 'replaced'}",
            ("cost_load", row.id),
            now=now,
            source=period.source,
            billing_period=period.billing_period.isoformat(),
            rows=period.rows,
            billed={
                currency: format(amount, "f")
                for currency, amount in sorted(period.billed.items())
            },
            sha256=period.content_sha256,
        )
    key_ids = _keys(session, read, allocator)
    costs.insert_entries(session, read.entries(period_ids, key_ids))
    costs.insert_months(
        session,
        [
            {
                "load_id": period_ids[month.period],
                "allocation_key_id": key_ids[month.key],
                "month": month.month,
                "currency": month.currency,
                "billed": month.billed,
                "effective": month.effective,
            }
            for month in read.months()
            if month.period in period_ids
        ],
    )


def _keys(session: Session, read: CostRead, allocator: Allocator) -> list[int]:
    """The id of each allocation key of a read; those that are new are made."""
    named = [
        (key.sub_account_id, key.sub_account_name, key.tags)
        for key in read.allocation_keys
    ]
    known = _known_keys(session)
    new = [key for key in dict.fromkeys(named) if key not in known]
    if new:
        costs.add_allocation_keys(
            session, [(*key, allocator.project(*key)) for key in new]
        )
        known = _known_keys(session)
    return [known[key] for key in named]


def _known_keys(session: Session) -> dict[tuple[str, str, str], int]:
    return {
        (account, name, tags): key
        for key, account, name, tags, _ in costs.allocation_keys(session)
    }


def unallocated(session: Session, now: datetime) -> tuple[tuple[str, Decimal], ...]:
    """Cost that belongs to no project, by currency."""
    return tuple(sorted(costs.unallocated(session, now.date()).items()))
