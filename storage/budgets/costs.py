"""Queries of cost: loads, entries, the monthly roll-up, and whose a cost is. Readers count `current` loads alone."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.budgets.tables import (
    AllocationKey,
    CostApart,
    CostEntry,
    CostLoad,
    CostMonth,
    CostSource,
)
from storage.enums import CostBasis
from storage.people.lookups import parts
from storage.projects.tables import Project, ProjectAccount

Ts = TypeVarTuple("Ts")


def basis_column(
    basis: CostBasis, table: type[CostEntry] | type[CostMonth] = CostEntry
) -> InstrumentedAttribute[Decimal]:
    """The amount column of a basis: BilledCost or EffectiveCost, as FOCUS defines them."""
    return table.billed if basis is CostBasis.BILLED else table.effective


COUNTS = text("cost_load.state = 'current'")
"""The condition of loads that count. A literal: a partial index is not found by a bind parameter."""
_UNCOUNTED = select(CostLoad.id).where(text("cost_load.state <> 'current'"))


def counted(table: type[CostEntry] | type[CostMonth]) -> ColumnElement[bool]:
    """The condition that a row's load counts. Every query over entries or months needs it, unless it names its load.

    Loads that don't count are few, and found by a partial index: excluding them costs less than joining all loads.
    """
    return table.load_id.not_in(_UNCOUNTED)


def lock_loads(session: Session) -> None:
    """Let one transaction at a time switch loads, until it ends; on SQLite there is one writer anyway.

    Whether a delivery may count depends on all loads that count (double counting), which row locks don't cover.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.execute(
            text("SELECT pg_advisory_xact_lock(7305812)")
        )  # any number that nobody else locks


def find_source(session: Session, source: str) -> CostSource | None:
    """The source of this name; None when nobody has delivered it."""
    return session.get(CostSource, source)


def has_loads(session: Session, source: str) -> bool:
    """Whether a source has a load that counts."""
    statement = select(CostLoad.id).where(CostLoad.source == source, COUNTS).limit(1)
    return session.execute(statement).first() is not None


def list_sources(session: Session) -> list[tuple[str, str | None, date | None]]:
    """(source, name of the token that delivers it, last day of charges), by name."""
    rows = session.execute(
        select(CostSource.source, CostSource.token, func.max(CostLoad.charges_through))
        .outerjoin(CostLoad, and_(CostLoad.source == CostSource.source, COUNTS))
        .group_by(CostSource.source, CostSource.token)
        .order_by(CostSource.source)
    )
    return [(source, token, through) for source, token, through in rows]


def list_owners_of_load(session: Session, load_id: int) -> set[int | None]:
    """The projects that have cost in a load, and None where some of it belongs to no project."""
    rows = session.execute(
        select(AllocationKey.project_id)
        .join(CostMonth, CostMonth.allocation_key_id == AllocationKey.id)
        .where(CostMonth.load_id == load_id)
        .distinct()
    )
    return {project for (project,) in rows}


def find_load(session: Session, source: str, billing_period: date) -> CostLoad | None:
    """The load of a source and billing period that counts; None when there is none."""
    return session.execute(
        select(CostLoad).where(
            CostLoad.source == source, CostLoad.billing_period == billing_period, COUNTS
        )
    ).scalar_one_or_none()


def load_totals(session: Session, load_id: int) -> dict[str, Decimal]:
    """BilledCost of a load by currency, from the roll-up."""
    rows = session.execute(
        select(CostMonth.currency, func.money_sum(CostMonth.billed))
        .where(CostMonth.load_id == load_id)
        .group_by(CostMonth.currency)
    )
    return {currency: total for currency, total in rows}


def list_projects_of_load(session: Session, load_id: int) -> set[int]:
    """The projects that have cost in a load."""
    rows = session.execute(
        select(AllocationKey.project_id)
        .join(CostMonth, CostMonth.allocation_key_id == AllocationKey.id)
        .where(CostMonth.load_id == load_id, AllocationKey.project_id.is_not(None))
        .distinct()
    )
    return {project for (project,) in rows if project is not None}


def sources_with_loads(session: Session) -> set[str]:
    """Every source with a load that counts."""
    wanted = select(CostLoad.source).where(COUNTS).distinct()
    return set(session.execute(wanted).scalars())


def list_loads_of_period(session: Session, billing_period: date) -> list[CostLoad]:
    """The loads of a billing period that count, by source."""
    wanted = select(CostLoad).where(CostLoad.billing_period == billing_period, COUNTS)
    return list(session.execute(wanted.order_by(CostLoad.source)).scalars())


def are_apart(session: Session, source: str, other: str) -> bool:
    """Whether somebody answered that these two sources are two, though they look like one."""
    return session.get(CostApart, tuple(sorted((source, other)))) is not None


def list_accounts_of_months(
    session: Session, months: Collection[date], besides: Collection[str]
) -> list[tuple[int, int, str]]:
    """(load, allocation key, sub-account id) of what has cost in calendar months, from all sources but those `besides`."""
    rows = session.execute(
        select(CostMonth.load_id, AllocationKey.id, AllocationKey.sub_account_id)
        .join(AllocationKey, AllocationKey.id == CostMonth.allocation_key_id)
        .join(CostLoad, CostLoad.id == CostMonth.load_id)
        .where(
            CostMonth.month.in_(sorted(months)),
            CostLoad.source.not_in(sorted(besides)),
            AllocationKey.sub_account_id != "",
            COUNTS,
        )
        .distinct()
    )
    return [(load, key, account) for load, key, account in rows]


def list_days_of_keys(session: Session, load_id: int, keys: Collection[int]) -> set[date]:
    """The days on which some allocation keys have cost in a load."""
    rows = session.execute(
        select(CostEntry.charge_date)
        .where(CostEntry.load_id == load_id, CostEntry.allocation_key_id.in_(sorted(keys)))
        .distinct()
    )
    return set(rows.scalars())


def list_allocation_keys(session: Session) -> list[tuple[int, str, str, str, int | None]]:
    """Every allocation key: id, sub-account id and name, tags, project."""
    return [
        tuple(row)  # type: ignore[misc]
        for row in session.execute(
            select(
                AllocationKey.id,
                AllocationKey.sub_account_id,
                AllocationKey.sub_account_name,
                AllocationKey.tags,
                AllocationKey.project_id,
            )
        )
    ]


def set_projects(session: Session, changes: Sequence[dict[str, Any]]) -> None:
    """Give allocation keys to other projects; `changes` are {"key": id, "project": id or None}."""
    if changes:
        session.connection().execute(
            update(AllocationKey)
            .where(AllocationKey.id == bindparam("key"))
            .values(project_id=bindparam("project")),
            list(changes),
        )


def project_ids(session: Session) -> dict[str, int]:
    """Project key → id."""
    return {key: id_ for key, id_ in session.execute(select(Project.key, Project.id))}


def account_projects(session: Session) -> dict[str, int]:
    """Folded sub-account id or name → project id."""
    return {
        account: id_
        for account, id_ in session.execute(
            select(ProjectAccount.account, ProjectAccount.project_id)
        )
    }


def data_through(session: Session, today: date) -> date | None:
    """The last day, up to today, with any cost; None when there is none."""
    latest = latest_charge(session)
    if latest is None or latest <= today:
        return latest
    return session.execute(
        select(func.max(CostEntry.charge_date)).where(
            CostEntry.charge_date <= today, counted(CostEntry)
        )
    ).scalar_one_or_none()


def list_loads(session: Session) -> list[tuple[str, date, datetime]]:
    """(source, last day of charges, when it was loaded) of every load that counts."""
    rows = session.execute(
        select(CostLoad.source, CostLoad.charges_through, CostLoad.loaded_at).where(COUNTS)
    )
    return [(source, through, at) for source, through, at in rows]


def has_future(session: Session, today: date) -> bool:
    """Whether any load that counts has charges after today, which budgets don't count yet."""
    return (
        session.execute(
            select(CostLoad.id).where(CostLoad.charges_through > today, COUNTS).limit(1)
        ).first()
        is not None
    )


def sums_by_months(
    session: Session, projects: Collection[int] | None, first: date, last: date
) -> Iterator[tuple[int, str, Decimal, Decimal]]:
    """(project, currency, billed, effective) of whole calendar months, from the roll-up; None for all projects."""
    statement = (
        select(
            AllocationKey.project_id,
            CostMonth.currency,
            func.money_sum(CostMonth.billed),
            func.money_sum(CostMonth.effective),
        )
        .join(AllocationKey, AllocationKey.id == CostMonth.allocation_key_id)
        .where(CostMonth.month >= first.replace(day=1), CostMonth.month <= last, counted(CostMonth))
        .group_by(AllocationKey.project_id, CostMonth.currency)
    )
    yield from _of_projects(session, statement, projects)


def sums_by_days(
    session: Session, projects: Collection[int] | None, first: date, last: date
) -> Iterator[tuple[int, str, Decimal, Decimal]]:
    """(project, currency, billed, effective) of any span of days, from the entries; None for all projects."""
    statement = (
        select(
            AllocationKey.project_id,
            CostEntry.currency,
            func.money_sum(CostEntry.billed),
            func.money_sum(CostEntry.effective),
        )
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(CostEntry.charge_date >= first, CostEntry.charge_date <= last, counted(CostEntry))
        .group_by(AllocationKey.project_id, CostEntry.currency)
    )
    yield from _of_projects(session, statement, projects)


def _of_projects(
    session: Session, statement: Select[*Ts], projects: Collection[int] | None
) -> Iterator[Row[*Ts]]:
    if projects is None:
        known = AllocationKey.project_id.is_not(None)
        yield from session.execute(statement.where(known))
        return
    for part in parts(projects):
        yield from session.execute(statement.where(AllocationKey.project_id.in_(part)))


def list_days(
    session: Session, project: int, currency: str, basis: CostBasis, first: date, last: date
) -> list[tuple[date, Decimal]]:
    """Cost of a project by day, ascending."""
    statement = (
        select(CostEntry.charge_date, func.money_sum(basis_column(basis)))
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(
            AllocationKey.project_id == project,
            CostEntry.currency == currency,
            CostEntry.charge_date >= first,
            CostEntry.charge_date <= last,
            counted(CostEntry),
        )
        .group_by(CostEntry.charge_date)
        .order_by(CostEntry.charge_date)
    )
    return [(day, total) for day, total in session.execute(statement)]


def list_days_by_project(
    session: Session, projects: Collection[int], first: date, last: date
) -> dict[tuple[int, str], list[tuple[date, Decimal, Decimal]]]:
    """(project, currency) → (day, billed, effective), ascending, of many projects."""
    statement = (
        select(
            AllocationKey.project_id,
            CostEntry.currency,
            CostEntry.charge_date,
            func.money_sum(CostEntry.billed),
            func.money_sum(CostEntry.effective),
        )
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(CostEntry.charge_date >= first, CostEntry.charge_date <= last, counted(CostEntry))
        .group_by(AllocationKey.project_id, CostEntry.currency, CostEntry.charge_date)
        .order_by(AllocationKey.project_id, CostEntry.currency, CostEntry.charge_date)
    )
    by_project: dict[tuple[int, str], list[tuple[date, Decimal, Decimal]]] = {}
    for project, currency, *row in _of_projects(session, statement, projects):
        by_project.setdefault((project, currency), []).append(tuple(row))
    return by_project


def sums_by_service(
    session: Session, project: int, currency: str, basis: CostBasis, first: date, last: date
) -> dict[str, Decimal]:
    """Cost of a project by service."""
    statement = (
        select(CostEntry.service, func.money_sum(basis_column(basis)))
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(
            AllocationKey.project_id == project,
            CostEntry.currency == currency,
            CostEntry.charge_date >= first,
            CostEntry.charge_date <= last,
            counted(CostEntry),
        )
        .group_by(CostEntry.service)
    )
    return {service: total for service, total in session.execute(statement)}


def first_day(session: Session, projects: Collection[int], today: date) -> dict[int, date]:
    """Project → first day, up to today, with cost; a project without any is left out."""
    statement = (
        select(AllocationKey.project_id, func.min(CostEntry.charge_date))
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .where(CostEntry.charge_date <= today, counted(CostEntry))
        .group_by(AllocationKey.project_id)
    )
    rows = _of_projects(session, statement, projects)
    return {project: day for project, day in rows if project is not None}


def data_through_by_project(
    session: Session, projects: Collection[int] | None, today: date
) -> dict[int, date]:
    """Project (these, or all for None) → last day, up to today, with any cost in one of the project's sources.

    Cost of other projects counts too: it shows that the source's data reaches so far, so a project without cost by then
    has stopped spending, and is not waiting for data.
    """
    by_source = through_by_source(session, today)
    statement = (
        select(AllocationKey.project_id, CostLoad.source)
        .join(CostMonth, CostMonth.allocation_key_id == AllocationKey.id)
        .join(CostLoad, CostLoad.id == CostMonth.load_id)
        .where(CostMonth.month <= today, COUNTS)
        .distinct()
    )
    through: dict[int, date] = {}
    for project, source in _of_projects(session, statement, projects):
        if project is not None and source in by_source:
            through[project] = max(by_source[source], through.get(project, date.min))
    return through


def through_by_source(session: Session, today: date) -> dict[str, date]:
    """Source → last day, up to today, with any cost in it; a source without any is left out."""
    by_source: dict[str, date] = {}
    for id_, source, through in session.execute(
        select(CostLoad.id, CostLoad.source, CostLoad.charges_through).where(COUNTS)
    ).all():
        last: date | None = through
        if through > today:
            last = session.execute(
                select(func.max(CostEntry.charge_date)).where(
                    CostEntry.load_id == id_, CostEntry.charge_date <= today
                )
            ).scalar_one_or_none()
        if last is not None:
            by_source[source] = max(last, by_source.get(source, date.min))
    return by_source


def sum_by(
    session: Session,
    by: str,
    basis: CostBasis,
    first: date | None,
    last: date | None,
    project: int | None,
) -> list[tuple[str | date | None, str, Decimal]]:
    """(label, currency, total); the label is a project's key (None for cost of no project), a service or a day."""
    label: ColumnElement[Any]
    label = {"project": Project.key, "service": CostEntry.service, "day": CostEntry.charge_date}[by]  # type: ignore[assignment]
    statement = (
        select(label, CostEntry.currency, func.money_sum(basis_column(basis)))
        .join(AllocationKey, AllocationKey.id == CostEntry.allocation_key_id)
        .outerjoin(Project, Project.id == AllocationKey.project_id)
        .where(counted(CostEntry))
        .group_by(label, CostEntry.currency)
    )
    if first is not None:
        statement = statement.where(CostEntry.charge_date >= first)
    if last is not None:
        statement = statement.where(CostEntry.charge_date <= last)
    if project is not None:
        statement = statement.where(AllocationKey.project_id == project)
    return [tuple(row) for row in session.execute(statement)]


def sum_unallocated(
    session: Session, today: date, *, without: Collection[int] = ()
) -> dict[str, Decimal]:
    """BilledCost of no project, by currency, up to today's month, of the loads that count but `without`."""
    rows = session.execute(
        select(CostMonth.currency, func.money_sum(CostMonth.billed))
        .join(AllocationKey, AllocationKey.id == CostMonth.allocation_key_id)
        .where(
            AllocationKey.project_id.is_(None),
            CostMonth.month <= today,
            CostMonth.load_id.not_in(sorted(without)),
            counted(CostMonth),
        )
        .group_by(CostMonth.currency)
    )
    return {currency: total for currency, total in rows}


def latest_charge(session: Session) -> date | None:
    """The last day with any cost, which may lie in the future; None when there is none."""
    return session.execute(
        select(func.max(CostLoad.charges_through)).where(COUNTS)
    ).scalar_one_or_none()
