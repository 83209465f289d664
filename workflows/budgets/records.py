"""What reads of cost and budgets return. Texts are unescaped, money is exact, days are UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from storage.enums import ApprovalState, CostBasis
from workflows.budgets.rules import Likely, Piece, Span


@dataclass(frozen=True, slots=True)
class Burn:
    """How an open round of a budget stands. `others` is cost in other currencies, never compared."""

    budget_id: int
    project_id: int
    revision: int
    span: Span
    period_words: str
    currency: str
    basis: CostBasis
    amount: Decimal
    spent: Decimal
    others: tuple[tuple[str, Decimal], ...]
    data_through: date | None
    as_of: date
    """The day on which it stands like this."""

    @property
    def is_over(self) -> bool:
        """Whether more was spent than there is."""
        return self.spent > self.amount


@dataclass(frozen=True, slots=True)
class Asked:
    """The latest request for more that an alert or a budget shows."""

    approval_id: int
    state: ApprovalState
    new: Decimal
    requester: str
    requester_slack_id: str | None


@dataclass(frozen=True, slots=True)
class AlertCard:
    """A crossed threshold as its card shows it."""

    id: int
    project_key: str
    project: str
    burn: Burn
    threshold: int
    crossed_on: date
    spent_then: Decimal
    likely: Likely | None
    riser: tuple[str, Decimal] | None
    """The service that rose most against the same number of days before the round, and by how much."""
    acknowledged_by: tuple[str | None, str] | None
    """Slack id and name of who acknowledged it."""
    acknowledged_at: datetime | None
    asked: Asked | None
    is_open: bool
    """Whether its round is still going on at this revision."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One amount a budget has had."""

    revision: int
    amount: Decimal
    valid_from: date
    valid_until: date | None
    created_at: datetime
    approval_id: int | None


@dataclass(frozen=True, slots=True)
class BudgetDetail:
    """A budget with its history."""

    burn: Burn
    project_key: str
    project: str
    revisions: tuple[Revision, ...]
    likely: Likely | None
    asked: Asked | None
    later: tuple[Piece, ...] = ()
    """What the rounds after the open one have, where that is another amount."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where a round's cost came from: by service, largest first, and by day, newest first."""

    detail: BudgetDetail
    services: tuple[tuple[str, Decimal], ...]
    days: tuple[tuple[date, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold that was crossed, as an evaluation reports it."""

    budget_id: int
    project_key: str
    project: str
    threshold: int
    burn: Burn
    told: bool
    """False for what was over already when its cost or the budget first came in."""


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One total. `label` is None for cost that belongs to no project."""

    label: str | None
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CostSummary:
    """Exact totals, and the sum per currency."""

    by: str
    basis: CostBasis
    lines: tuple[SummaryLine, ...]
    totals: tuple[tuple[str, Decimal], ...]
    data_through: date | None


@dataclass(frozen=True, slots=True)
class LoadedPeriod:
    """What happened to one billing period of one source: `new`, `replaced`, `unchanged` or `dropped`."""

    source: str
    billing_period: date
    what: str
    rows: int
    billed: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class CostReport:
    """What a cost import did, or would do. `refused` says why nothing was written."""

    periods: tuple[LoadedPeriod, ...]
    crossings: tuple[Crossing, ...]
    unallocated: tuple[tuple[str, Decimal], ...]
    bad_rows: tuple[str, ...]
    bad_row_count: int
    remarks: tuple[str, ...]
    charges_through: date | None
    refused: tuple[str, ...] = ()
    is_dry_run: bool = False
