"""Budgets with their revisions and alerts, and the cost that counts against them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Budget(Base):
    """Money that a project may spend per period. Its amounts stand in its revisions."""

    __tablename__ = "budget"
    __table_args__ = (UniqueConstraint("project_id", "period", "starts", "currency", "basis"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    period: Mapped[str]
    starts: Mapped[date]
    ends: Mapped[date | None]
    """The last day that counts: of fixed dates, or the day before a later budget of the same kind begins; None: open."""
    currency: Mapped[str]
    basis: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    thresholds: Mapped[list[Any]]
    """Per cent of actual, ascending."""
    revision: Mapped[int] = mapped_column(default=1)
    baseline_at: Mapped[datetime | None]
    """When it was first compared with its project's cost; thresholds crossed by then are recorded and not announced."""
    created_at: Mapped[datetime]


class BudgetRevision(Base):
    """An amount from a day on, or for one period only (`valid_until` set). Of several that cover a day the newest counts."""

    __tablename__ = "budget_revision"

    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id"), index=True)
    created_at: Mapped[datetime]


class BudgetAlert(Base):
    """A threshold that was crossed: once per budget, revision, period, threshold and basis, announced or only recorded
    (`told` says which)."""

    __tablename__ = "budget_alert"
    __table_args__ = (
        UniqueConstraint("budget_id", "revision", "period_start", "threshold", "basis"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"), index=True)
    revision: Mapped[int]
    period_start: Mapped[date]
    period_end: Mapped[date]
    threshold: Mapped[int]
    basis: Mapped[str]
    amount: Mapped[Decimal]
    spent: Mapped[Decimal]
    crossed_on: Mapped[date]
    data_through: Mapped[date]
    told: Mapped[bool]
    acknowledged_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    acknowledged_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class CostSource(Base):
    """A source of cost, and who delivers it: machine tokens of the name `token`, or the command line where it is None."""

    __tablename__ = "cost_source"

    source: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str | None]
    opened_at: Mapped[datetime]


class CostApart(Base):
    """The answer that two sources are two, though they look like one, so that it isn't asked again. `first` < `second`."""

    __tablename__ = "cost_apart"

    first: Mapped[str] = mapped_column(primary_key=True)
    second: Mapped[str] = mapped_column(primary_key=True)


class CostLoad(Base):
    """A generation of the cost of one source and billing period; at most one is current, and only that counts.

    Its rows never change once it is current: a correction is another load that takes its place as a whole.
    """

    __tablename__ = "cost_load"
    __table_args__ = (
        Index(
            "uq_cost_load_current",
            "source",
            "billing_period",
            unique=True,
            postgresql_where=text("state = 'current'"),
            sqlite_where=text("state = 'current'"),
        ),
        # Loads that don't count are few: `costs.counted` excludes them by this index.
        Index(
            "ix_cost_load_uncounted",
            "id",
            postgresql_where=text("state <> 'current'"),
            sqlite_where=text("state <> 'current'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    billing_period: Mapped[date]
    sha256: Mapped[str]
    rows: Mapped[int]
    charges_through: Mapped[date]
    loaded_at: Mapped[datetime]
    """When it became current (governed time); until then, when it began to be written."""
    state: Mapped[str] = mapped_column(server_default="current")
    written_at: Mapped[datetime | None]
    """When its last batch was written (real time): a load that nobody goes on with is put aside."""


class AllocationKey(Base):
    """What decides whose a cost is: the sub-account and the tags that rules read. Cost of a NULL project is unallocated.

    Entries refer to it, so a change of rules or projects moves cost by updating these few rows.
    """

    __tablename__ = "allocation_key"
    __table_args__ = (UniqueConstraint("sub_account_id", "sub_account_name", "tags"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sub_account_id: Mapped[str]
    sub_account_name: Mapped[str]
    tags: Mapped[str]
    """Canonical JSON of the tags that the rules read."""
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)


class CostEntry(Base):
    """Cost of one load, day, allocation key, service, category and currency, summed from the provider's rows."""

    __tablename__ = "cost_entry"
    __table_args__ = (
        Index("ix_cost_entry_key_day", "allocation_key_id", "charge_date"),
        Index("ix_cost_entry_load", "load_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    load_id: Mapped[int] = mapped_column(ForeignKey("cost_load.id"))
    charge_date: Mapped[date]
    allocation_key_id: Mapped[int] = mapped_column(ForeignKey("allocation_key.id"))
    service: Mapped[str]
    category: Mapped[str]
    currency: Mapped[str]
    billed: Mapped[Decimal]
    effective: Mapped[Decimal]
    rows: Mapped[int]


class CostMonth(Base):
    """The roll-up that whole months are summed from: a load's cost per allocation key, calendar month and currency."""

    __tablename__ = "cost_month"
    __table_args__ = (Index("ix_cost_month_key", "allocation_key_id", "month"),)

    load_id: Mapped[int] = mapped_column(ForeignKey("cost_load.id"), primary_key=True)
    allocation_key_id: Mapped[int] = mapped_column(
        ForeignKey("allocation_key.id"), primary_key=True
    )
    month: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    billed: Mapped[Decimal]
    effective: Mapped[Decimal]
