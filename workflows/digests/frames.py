"""From statements to figures by way of pandas frames. Heavy: imported only where a digest is made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pandas as pd
from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.digests import figures as statements
from storage.enums import CostBasis, Period
from storage.money import exact_sum
from workflows.budgets import rules as budget_rules
from workflows.digests import deliveries, pace, rules
from workflows.digests.records import BudgetFigure, Figures, MaturityFigures, MoneyFigures, Movement
from workflows.disclosure.service import DisclosureBatch
from workflows.policy import Policy
from workflows.visibility import Sight

USED = 20
"""Budgets that are told one by one."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked: seven days of a reader, as local dates and as instants, and the moment of asking."""

    first_day: date
    since: datetime
    until: datetime
    now: datetime
    local_day: date
    """The reader's day at that moment."""

    @property
    def today(self) -> date:
        """The day up to which cost counts; cost has days in UTC."""
        return self.now.date()


def gather_figures(
    session: Session,
    sight: Sight,
    span: Span,
    *,
    reader: str,
    telling: DisclosureBatch | None,
    policy: Policy,
    waiting: int,
    maturity: MaturityFigures | None,
) -> Figures:
    """The figures of a week over what somebody may see, in about fifteen statements whatever there is to see.

    With `telling` what is told of people's pace is added to it, as told to this reader.
    """
    money = _money(session, sight, span, policy)
    over = {one.budget_id for group in money for one in group.over}
    crossed = {
        row.budget_id
        for row in statements.list_crossings(session, sight.within, span.since, span.until)
    }
    return Figures(
        first_day=span.first_day,
        as_of=span.now,
        projects=statements.count_projects(session, sight.within),
        money=money,
        movements=_movements(session, sight, span, policy, money),
        crossed=tuple(sorted(crossed & over)),
        delivery=deliveries.gather_deliveries(
            session,
            sight,
            first_day=span.first_day,
            since=span.since,
            until=span.until,
            today=span.local_day,
        ),
        approvals=pace.gather_approvals(
            session,
            sight,
            reader=reader,
            telling=telling,
            since=span.since,
            until=span.until,
            now=span.now,
        ),
        maturity=maturity,
        waiting=waiting,
    )


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    """Objects stay what they are: pandas would make floats of money and its own kind of date of days."""
    return pd.DataFrame([tuple(row) for row in rows], columns=list(columns), dtype=object)


# --- money


def _money(session: Session, sight: Sight, span: Span, policy: Policy) -> tuple[MoneyFigures, ...]:
    rounds = {
        period: round_days
        for period in (Period.MONTH, Period.QUARTER, Period.FISCAL_YEAR)
        if (round_days := _round_of(period, span.today, policy))
    }
    budgets = _frame(
        statements.list_open_budgets(
            session,
            sight.within,
            today=span.today,
            spans=rounds,
            middles={
                period: budget_rules.middle(budget_rules.Span(*days))
                for period, days in rounds.items()
            },
        ),
        [
            "budget_id",
            "project_id",
            "project",
            "period",
            "currency",
            "basis",
            "first",
            "last",
            "amount",
        ],
    )
    if budgets.empty:
        return ()
    # Looked up and not merged: a merge costs ten milliseconds, however little there is to merge.
    spent = _spent(session, sight, span, budgets)
    named = ("project_id", "currency", "basis", "first", "last")
    budgets["spent"] = pd.Series(
        [
            spent.get(key, Decimal(0))
            for key in zip(*(budgets[name] for name in named), strict=True)
        ],
        index=budgets.index,
        dtype=object,
    )
    through = _through(session, sight, span)
    budgets["through"] = [through.get(project) for project in budgets["project_id"]]
    keys = ["currency", "basis", "period", "first", "last"]
    groups = [_group(key, frame) for key, frame in budgets.groupby(keys, sort=False, dropna=False)]
    return tuple(
        sorted(
            groups,
            key=lambda figures: (-figures.budgets, figures.currency, figures.basis, figures.first),
        )
    )


def _round_of(period: Period, today: date, policy: Policy) -> tuple[date, date] | None:
    span = budget_rules.span_on(
        period, date.min, None, today, fiscal_month=policy.organisation.fiscal_month
    )
    return None if span is None else (span.first, span.last)


def _spent(
    session: Session, sight: Sight, span: Span, budgets: pd.DataFrame
) -> dict[tuple[Any, ...], Decimal]:
    """Cost by project, currency, basis and round; from the roll-up where it counts the same days."""
    exact = costs.has_future(session, span.today)
    spent: dict[tuple[Any, ...], Decimal] = {}
    for first, last in sorted(set(zip(budgets["first"], budgets["last"], strict=True))):
        whole = first.day == 1 and (last + timedelta(days=1)).day == 1
        rows = (
            statements.cost_by_months(session, sight.within, first, last)
            if whole and not exact
            else statements.cost_by_days(session, sight.within, first, min(last, span.today))
        )
        for project, currency, billed, effective in rows:
            spent[project, currency, CostBasis.BILLED.value, first, last] = billed
            spent[project, currency, CostBasis.EFFECTIVE.value, first, last] = effective
    return spent


def _through(session: Session, sight: Sight, span: Span) -> dict[int, date]:
    by_source = costs.through_by_source(session, span.today)
    through: dict[int, date] = {}
    for project, source in statements.list_sources(session, sight.within, span.today):
        if project is not None and source in by_source:
            through[project] = max(by_source[source], through.get(project, date.min))
    return through


def _group(key: Any, frame: pd.DataFrame) -> MoneyFigures:
    currency, basis, period, first, last = key
    figures = [
        BudgetFigure(
            int(row.budget_id),
            int(row.project_id),
            row.project,
            currency,
            row.amount,
            row.spent,
            row.through,
        )
        for row in cast(Iterable[Any], frame.itertuples(index=False))
    ]
    figures.sort(key=_share)
    days = [budget.through for budget in figures if budget.through is not None]
    newest = max(days, default=None)
    return MoneyFigures(
        currency=currency,
        basis=CostBasis(basis),
        words=budget_rules.span_words(Period(period), budget_rules.Span(first, last)),
        first=first,
        last=last,
        budgets=len(figures),
        amount=exact_sum(budget.amount for budget in figures),
        spent=exact_sum(budget.spent for budget in figures),
        through=newest,
        lagging=len(
            {
                budget.project_id
                for budget in figures
                if newest is not None and (budget.through is None or budget.through < newest)
            }
        ),
        over=tuple(budget for budget in figures if budget.spent > budget.amount),
        ahead=tuple(
            budget
            for budget in figures
            if rules.is_ahead(budget.spent, budget.amount, first, last, budget.through)
        ),
        used=tuple(figures[:USED]),
    )


def _share(budget: BudgetFigure) -> tuple[Decimal, str, int]:
    share = budget.spent / budget.amount if budget.amount else Decimal(0)
    return (-share, budget.project.casefold(), budget.budget_id)


def _movements(
    session: Session, sight: Sight, span: Span, policy: Policy, money: tuple[MoneyFigures, ...]
) -> tuple[Movement, ...]:
    """Cost of the week, or of the last seven days with data where that is older, beside the seven days before."""
    days = [group.through for group in money if group.through is not None]
    if not days:
        return ()
    last = min(max(days), span.first_day + timedelta(days=6))
    first, basis = last - timedelta(days=6), policy.costs.basis
    frame = _frame(
        statements.cost_of_two_weeks(
            session, sight.within, basis, first=first, last=last, before=first - rules.WEEK
        ),
        ["project_id", "project", "currency", "cost", "before"],
    )
    movements = []
    for currency, rows in frame.groupby("currency", sort=True):
        cost = [value or Decimal(0) for value in rows["cost"]]
        before = [value or Decimal(0) for value in rows["before"]]
        rises = sorted(
            (
                (here - there, name)
                for here, there, name in zip(cost, before, rows["project"], strict=True)
            ),
            key=lambda item: (-item[0], item[1]),
        )
        top = (rises[0][1], rises[0][0]) if rises and rises[0][0] > 0 else None
        movements.append(
            Movement(str(currency), basis, last, exact_sum(cost), exact_sum(before), top)
        )
    return tuple(sorted(movements, key=lambda movement: (-movement.cost, movement.currency)))
