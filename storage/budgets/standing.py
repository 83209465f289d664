"""What a look at many budgets needs of them, as plain rows: no object is made of what nobody changes."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.budgets.tables import Budget, BudgetRevision
from storage.people.lookups import parts


class BudgetRow(NamedTuple):
    """A budget; `period` and `basis` are values of their enums."""

    id: int
    project_id: int
    period: str
    starts: date
    ends: date | None
    currency: str
    basis: str


class RevisionRow(NamedTuple):
    """What a budget has from `valid_from` on, or through `valid_until`."""

    budget_id: int
    revision: int
    amount: Decimal
    valid_from: date
    valid_until: date | None
    approval_id: int | None


_BUDGETS = select(
    Budget.id,
    Budget.project_id,
    Budget.period,
    Budget.starts,
    Budget.ends,
    Budget.currency,
    Budget.basis,
).order_by(Budget.project_id, Budget.id)
_REVISIONS = select(
    BudgetRevision.budget_id,
    BudgetRevision.revision,
    BudgetRevision.amount,
    BudgetRevision.valid_from,
    BudgetRevision.valid_until,
    BudgetRevision.approval_id,
).order_by(BudgetRevision.budget_id, BudgetRevision.revision)


def list_budgets(session: Session, projects: Collection[int] | None) -> list[BudgetRow]:
    """Budgets of these projects, or all of them (None), by project."""
    if projects is None:
        return [BudgetRow(*row) for row in session.execute(_BUDGETS)]
    return [
        BudgetRow(*row)
        for part in parts(projects)
        for row in session.execute(_BUDGETS.where(Budget.project_id.in_(part)))
    ]


def list_revisions(
    session: Session, budgets: Collection[int] | None
) -> dict[int, list[RevisionRow]]:
    """Budget id → its revisions, oldest first, of these budgets or of all (None)."""
    revisions: dict[int, list[RevisionRow]] = {}
    statements = (
        [_REVISIONS]
        if budgets is None
        else [_REVISIONS.where(BudgetRevision.budget_id.in_(part)) for part in parts(budgets)]
    )
    for statement in statements:
        for row in session.execute(statement):
            revisions.setdefault(row.budget_id, []).append(RevisionRow(*row))
    return revisions
