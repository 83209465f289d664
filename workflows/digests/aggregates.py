"""How requests ended and how long that took, from statements by way of pandas frames; never one person's own pace.

What a reader is told of pace is about whole blocks of requests: each is decided by at least five people, nobody has a
part in more than half of it, and it is counted as a whole or not at all. So two figures of one reader differ by whole
blocks and never by somebody's decisions. Heavy: imported only where a digest is made.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy.orm import Session

from storage.budgets import costs
from storage.digests import figures as statements
from storage.enums import ApprovalState, CostBasis, MilestoneType, Period
from storage.money import exact_sum
from workflows.anonymity import rules as control
from workflows.anonymity import service as disclosure
from workflows.anonymity.service import DisclosureBatch
from workflows.budgets import rules as budget_rules
from workflows.context import Context
from workflows.digests import rules
from workflows.digests.records import (
    ApprovalFigures,
    BudgetFigure,
    DeliveryFigures,
    Figures,
    MaturityFigures,
    MilestoneFigure,
    MoneyFigures,
    Movement,
)
from workflows.permissions import Sight
from workflows.policy import Policy

REQUESTS = "requests"
"""The part of a reader's disclosures that says which requests their figures of pace have counted."""


def _frame(rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Objects stay what they are: pandas would make floats of money and its own kind of date of days."""
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def gather_approvals(
    ctx: Context,
    sight: Sight,
    *,
    reader: str,
    telling: DisclosureBatch | None,
    since: datetime,
    until: datetime,
) -> ApprovalFigures:
    """What ended in the week, what waits, and how long decisions took in the four weeks up to its end.

    With `telling` the reader is going to be told, and what of is added to it; without, no pace is told that they were
    not told before.
    """
    measured_since = until - rules.MEASURED
    ended = _frame(
        statements.list_ended_requests(ctx.session, sight.within, measured_since, until),
        statements.EndedRequest._fields,
    )
    week = ended[ended["decided_at"] >= since] if len(ended) else ended
    counts = week["state"].value_counts()
    verdicts = _frame(
        statements.list_verdicts(ctx.session, sight.within, measured_since, until),
        statements.Verdict._fields,
    )
    decided = ended[
        ended["state"].isin([ApprovalState.APPROVED.value, ApprovalState.REJECTED.value])
    ]
    blocks = _tellable_blocks(ctx, reader, decided, verdicts, telling=telling)
    counted = decided[decided["approval_id"].isin(set().union(*blocks))]
    return ApprovalFigures(
        # What was approved that week and lapsed since was approved all the same.
        approved=int(counts.get(ApprovalState.APPROVED.value, 0))
        + int(counts.get(ApprovalState.LAPSED.value, 0)),
        rejected=int(counts.get(ApprovalState.REJECTED.value, 0)),
        expired=int(counts.get(ApprovalState.EXPIRED.value, 0)),
        withdrawn=int(counts.get(ApprovalState.WITHDRAWN.value, 0)),
        waiting=statements.count_pending(ctx.session, sight.within, ctx.now),
        measured=len(counted),
        median=_median(counted["decided_at"], counted["created_at"]) if len(counted) else None,
        slowest=_slowest(counted, verdicts, blocks) if len(counted) else None,
    )


def _tellable_blocks(
    ctx: Context,
    reader: str,
    decided: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    telling: DisclosureBatch | None,
) -> list[set[int]]:
    """The requests whose pace this reader may be told, block by block; a new one where enough came since the last."""
    scope = f"pace:{reader}"
    entries = disclosure.list_told(ctx.session, scope).get(REQUESTS, [])
    here = {
        int(id_): ended.isoformat()
        for id_, ended in zip(decided["approval_id"], decided["decided_at"], strict=True)
    }
    # Whole and as it was: a request that was opened again and decided anew would show by itself what it took.
    blocks = [
        set(one.members)
        for one in entries
        if all(here.get(id_) == one.figures["decided"][str(id_)] for id_ in one.members)
    ]
    if telling is None:
        return blocks
    waiting = set(here).difference(*(one.members for one in entries))
    people = {
        int(str(id_)): set(rows["person_id"]) for id_, rows in verdicts.groupby("approval_id")
    }
    new = control.capped(
        {id_: people[id_] for id_ in waiting if people.get(id_)}, fewest=rules.ENOUGH_PEOPLE
    )
    if new:
        telling.add(
            scope,
            REQUESTS,
            after=entries,
            audience=reader,
            members=list(new),
            figures={"decided": {str(id_): here[id_] for id_ in new}},
            now=ctx.now,
        )
        blocks.append(set(new))
    return blocks


def _median(ends: "pd.Series[Any]", begins: "pd.Series[Any]") -> timedelta:
    seconds = sorted((end - begin).total_seconds() for end, begin in zip(ends, begins, strict=True))
    return timedelta(seconds=float(pd.Series(seconds).median()))


def _slowest(
    decided: pd.DataFrame, verdicts: pd.DataFrame, blocks: Sequence[Collection[int]]
) -> tuple[str, timedelta] | None:
    """The stage whose median is the longest, of at least two whose pace may be told.

    A stage lasts from when it was asked (the end of the one before, or the asking) to its last verdict.
    """
    counted = verdicts[verdicts["approval_id"].isin(set(decided["approval_id"]))]
    ends = counted.groupby(["approval_id", "position", "stage"], sort=True)["at"].max()
    stages = ends.reset_index().rename(columns={"at": "end"})
    stages["begin"] = stages.groupby("approval_id")["end"].shift(1)
    asked = dict(zip(decided["approval_id"], decided["created_at"], strict=True))
    stages["begin"] = [
        asked[approval] if position == 0 or pd.isna(begin) else begin
        for approval, position, begin in zip(
            stages["approval_id"], stages["position"], stages["begin"], strict=True
        )
    ]
    within: dict[str, set[int]] = {}
    for block in blocks:
        for stage in _tellable(verdicts[verdicts["approval_id"].isin(set(block))]):
            within.setdefault(stage, set()).update(block)
    medians: dict[str, timedelta] = {}
    for name, rows in stages.groupby("stage", sort=True):
        tellable = rows[rows["approval_id"].isin(within.get(str(name), set()))]
        if len(tellable):
            medians[str(name)] = _median(tellable["end"], tellable["begin"])
    if len(medians) < 2:
        return None
    stage = max(medians, key=lambda name: (medians[name], name))
    return stage, medians[stage]


def _tellable(verdicts: pd.DataFrame) -> list[str]:
    """The stages of a block whose pace may be told: enough people decided, nobody in more than half of its requests.

    None where the others were decided by too few people together: taking what is told from the whole would tell theirs.
    """
    tellable, few = [], set[str]()
    for stage, rows in verdicts.groupby("stage"):
        requests = {
            int(str(id_)): set(some["person_id"]) for id_, some in rows.groupby("approval_id")
        }
        if len(control.capped(requests, fewest=rules.ENOUGH_PEOPLE)) == len(requests):
            tellable.append(str(stage))
        else:
            few |= set(rows["person_id"])
    return [] if few and len(few) < rules.ENOUGH_PEOPLE else tellable


# --- What became of milestones in a week


def gather_deliveries(
    session: Session,
    sight: Sight,
    *,
    first_day: date,
    since: datetime,
    until: datetime,
    today: date,
) -> DeliveryFigures:
    """Met, slipped and due milestones over what somebody may see; `today` is the reader's."""
    last_day = first_day + timedelta(days=6)
    met = statements.list_milestones_met(session, sight.within, first_day, last_day)
    due = statements.list_milestones_open(session, sight.within, today, today + timedelta(days=6))
    return DeliveryFigures(
        today=today,
        met=tuple(_figure(row, actual, (actual - baseline).days) for row, actual, baseline in met),
        slipped=_slipped(session, sight, first_day, last_day, since, until, today),
        due=tuple(_figure(row, row.forecast, 0) for row in due),
        overdue=statements.count_overdue(session, sight.within, today),
    )


def _slipped(
    session: Session,
    sight: Sight,
    first_day: date,
    last_day: date,
    since: datetime,
    until: datetime,
    today: date,
) -> tuple[MilestoneFigure, ...]:
    """What was put off, by its first and last date of the week; and what fell due in the week and is still open."""
    first_days: dict[int, date] = {}
    slipped: dict[int, MilestoneFigure] = {}
    for row, old, new in statements.list_milestones_moved(session, sight.within, since, until):
        slip = (new - first_days.setdefault(row.milestone_id, old)).days
        slipped[row.milestone_id] = _figure(row, new, slip)
    slipped = {id_: figure for id_, figure in slipped.items() if figure.slip > 0}
    for row in statements.list_milestones_open(session, sight.within, first_day, last_day):
        if row.forecast < today:
            slip = (today - row.forecast).days
            before = slipped.get(row.milestone_id)
            slip += before.slip if before is not None else 0
            slipped[row.milestone_id] = _figure(row, row.forecast, slip, is_overdue=True)
    return tuple(
        sorted(slipped.values(), key=lambda figure: (-figure.slip, figure.day, figure.milestone_id))
    )


def _figure(
    row: statements.MilestoneRow, day: date, slip: int, *, is_overdue: bool = False
) -> MilestoneFigure:
    is_launch = row.type == MilestoneType.DEPLOYED.value
    return MilestoneFigure(
        row.milestone_id, row.title, row.project, is_launch, day, slip, is_overdue
    )


# --- From statements to figures

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
    ctx: Context,
    sight: Sight,
    span: Span,
    *,
    reader: str,
    telling: DisclosureBatch | None,
    waiting: int,
    maturity: MaturityFigures | None,
) -> Figures:
    """The figures of a week over what somebody may see, in about fifteen statements whatever there is to see.

    With `telling` what is told of people's pace is added to it, as told to this reader.
    """
    money = _money(ctx, sight, span)
    over = {one.budget_id for group in money for one in group.over}
    crossed = statements.list_crossings(ctx.session, sight.within, span.since, span.until)
    return Figures(
        first_day=span.first_day,
        as_of=span.now,
        projects=statements.count_projects(ctx.session, sight.within),
        money=money,
        movements=_movements(ctx, sight, span, money),
        crossed=tuple(sorted(crossed & over)),
        delivery=gather_deliveries(
            ctx.session,
            sight,
            first_day=span.first_day,
            since=span.since,
            until=span.until,
            today=span.local_day,
        ),
        approvals=gather_approvals(
            replace(ctx, now=span.now),
            sight,
            reader=reader,
            telling=telling,
            since=span.since,
            until=span.until,
        ),
        maturity=maturity,
        waiting=waiting,
    )


# --- money


class _Round(NamedTuple):
    """What budgets have in common whose figures add up."""

    currency: str
    basis: str
    period: str
    first: date
    last: date


def _money(ctx: Context, sight: Sight, span: Span) -> tuple[MoneyFigures, ...]:
    rounds = {
        period: round_days
        for period in (Period.MONTH, Period.QUARTER, Period.FISCAL_YEAR)
        if (round_days := _round_of(period, span.today, ctx.policy))
    }
    budgets = statements.list_open_budgets(
        ctx.session,
        sight.within,
        today=span.today,
        spans=rounds,
        middles={
            period: budget_rules.middle(budget_rules.Span(*days)) for period, days in rounds.items()
        },
    )
    if not budgets:
        return ()
    spent = _spent(ctx.session, sight, span, {(row.first, row.last) for row in budgets})
    through = costs.data_through_by_project(ctx.session, sight.within, span.today)
    groups: dict[_Round, list[BudgetFigure]] = {}
    for row in budgets:
        key = _Round(row.currency, row.basis, row.period, row.first, row.last)
        cost = spent.get((row.project_id, row.currency, row.basis, row.first, row.last))
        groups.setdefault(key, []).append(
            BudgetFigure(
                row.budget_id,
                row.project_id,
                row.project,
                row.currency,
                row.amount,
                cost or Decimal(0),
                through.get(row.project_id),
            )
        )
    return tuple(
        sorted(
            (_group(key, figures) for key, figures in groups.items()),
            key=lambda figures: (-figures.budgets, figures.currency, figures.basis, figures.first),
        )
    )


def _round_of(period: Period, today: date, policy: Policy) -> tuple[date, date] | None:
    span = budget_rules.span_on(
        period, date.min, None, today, fiscal_month=policy.organisation.fiscal_month
    )
    return None if span is None else (span.first, span.last)


def _spent(
    session: Session, sight: Sight, span: Span, rounds: Collection[tuple[date, date]]
) -> dict[tuple[int | None, str, str, date, date], Decimal]:
    """Cost by project, currency, basis and round; from the roll-up where it counts the same days."""
    exact = costs.has_future(session, span.today)
    spent: dict[tuple[int | None, str, str, date, date], Decimal] = {}
    for first, last in sorted(rounds):
        whole = first.day == 1 and (last + timedelta(days=1)).day == 1
        rows = (
            costs.sums_by_months(session, sight.within, first, last)
            if whole and not exact
            else costs.sums_by_days(session, sight.within, first, min(last, span.today))
        )
        for project, currency, billed, effective in rows:
            spent[project, currency, CostBasis.BILLED.value, first, last] = billed
            spent[project, currency, CostBasis.EFFECTIVE.value, first, last] = effective
    return spent


def _group(key: _Round, figures: list[BudgetFigure]) -> MoneyFigures:
    currency, basis, period, first, last = key
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
    ctx: Context, sight: Sight, span: Span, money: tuple[MoneyFigures, ...]
) -> tuple[Movement, ...]:
    """Cost of the week, or of the last seven days with data where that is older, beside the seven days before."""
    days = [group.through for group in money if group.through is not None]
    if not days:
        return ()
    last = min(max(days), span.first_day + timedelta(days=6))
    first, basis = last - timedelta(days=6), ctx.policy.costs.basis
    frame = _frame(
        statements.cost_of_two_weeks(
            ctx.session, sight.within, basis, first=first, last=last, before=first - rules.WEEK
        ),
        statements.WeekCost._fields,
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
