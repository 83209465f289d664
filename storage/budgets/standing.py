"""What a look at many budgets needs of them, as plain rows: no object is made of what nobody changes."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.budgets.tables import Budget, BudgetRevision

Rows = Sequence[Any]
MOST_AT_ONCE = 500
"""Ids that one statement names."""

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


def _parts(ids: Collection[int]) -> Iterator[list[int]]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), MOST_AT_ONCE):
        yield wanted[start : start + MOST_AT_ONCE]


def list_budgets(session: Session, projects: Collection[int] | None) -> list[Any]:
    """Budgets of these projects, or all of them (None): id, project_id, period, starts, ends, currency, basis."""
    if projects is None:
        return list(session.execute(_BUDGETS))
    return [
        row
        for part in _parts(projects)
        for row in session.execute(_BUDGETS.where(Budget.project_id.in_(part)))
    ]


def list_revisions(session: Session, budgets: Collection[int] | None) -> dict[int, list[Any]]:
    """Budget id → its revisions, oldest first, of these budgets or of all (None): revision, amount, valid_from,
    valid_until, approval_id."""
    revisions: dict[int, list[Any]] = {}
    statements = (
        [_REVISIONS]
        if budgets is None
        else [_REVISIONS.where(BudgetRevision.budget_id.in_(part)) for part in _parts(budgets)]
    )
    for statement in statements:
        for row in session.execute(statement):
            revisions.setdefault(row.budget_id, []).append(row)
    return revisions
