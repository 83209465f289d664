"""What a digest says about money, plain text."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from workflows.digests import rules
from workflows.digests.phrases import BARS, BEHIND, LABELS, MONEY, short
from workflows.digests.records import (
    Bar,
    BudgetFigure,
    Figures,
    Line,
    MoneyFigures,
    Movement,
    PictureFacts,
    Row,
)
from workflows.wording import counted, day, money, percent, spent, through


def lines(figures: Figures) -> list[tuple[int, Line]]:
    numbered_lines: list[tuple[int, Line]] = []
    for place, group in enumerate(figures.money):
        numbered_lines.append(
            (1 if place == 0 else 6, Line(MONEY, LABELS[MONEY], total(group, figures.as_of.date())))
        )
        if group.over:
            numbered_lines.append((2, Line(MONEY, "Over budget", _named(group.over))))
        elif group.ahead:
            numbered_lines.append((3, Line(MONEY, "Faster than planned", _named(group.ahead))))
    numbered_lines += [
        (5, Line(MONEY, "Change", moved(movement, figures.as_of.date())))
        for movement in figures.movements[:1]
    ]
    return numbered_lines


def total(group: MoneyFigures, today: date) -> str:
    """`98,120 of 235,000 EUR effective cost in January (42 %), 8 budgets, data through Sun 25 Jan`."""
    used = spent(group.spent, group.amount, group.currency, group.basis)
    return (
        f"{used} in {group.words} ({percent(group.spent, group.amount)}), "
        f"{counted(group.budgets, 'budget')}, {_through(group, today)}"
    )


def _through(group: MoneyFigures, today: date) -> str:
    phrase = through(group.through, today)
    if group.through and group.lagging:
        phrase += f" ({counted(group.lagging, 'project')} with older data)"
    return phrase


def _named(budgets: Iterable[BudgetFigure]) -> str:
    all_budgets = list(budgets)
    names = [
        f"{short(budget.project)} ({_bare(budget.spent, budget.currency)} of {money(budget.amount, budget.currency)})"
        for budget in all_budgets
    ]
    return rules.listed(names)


def _bare(amount: Decimal, currency: str) -> str:
    return money(amount, currency).removesuffix(f" {currency}")


def moved(movement: Movement, today: date) -> str:
    """`14,210 EUR effective cost in the 7 days to Sun 25 Jan, 3,000 more than in the 7 before; most of it …`."""
    sentence = f"{money(movement.cost, movement.currency)} {movement.basis} cost in the 7 days to {day(movement.last, today)}"
    change = movement.cost - movement.before
    if not movement.before:
        return f"{sentence}, none in the 7 before"
    if abs(change) * 100 < movement.before:
        return f"{sentence}, as much as in the 7 before"
    sentence += f", {_bare(abs(change), movement.currency)} {'more' if change > 0 else 'less'} than in the 7 before"
    if movement.top is not None and change > 0:
        name, rise = movement.top
        sentence += f"; {short(name)} most, +{_bare(rise, movement.currency)}"
    return sentence


def rows(figures: Figures) -> tuple[Row, ...]:
    rows: list[Row] = []
    for group in figures.money:
        rows.append(Row(total(group, figures.as_of.date())))
        over = {budget.budget_id for budget in group.over}
        ahead = {budget.budget_id for budget in group.ahead}
        for budget in group.used:
            state = (
                "over budget"
                if budget.budget_id in over
                else "faster than planned"
                if budget.budget_id in ahead
                else "on plan"
            )
            rows.append(
                Row(
                    f"{budget.project}: {_bare(budget.spent, budget.currency)} of {money(budget.amount, budget.currency)} "
                    f"({percent(budget.spent, budget.amount)}), {state}",
                    budget_id=budget.budget_id,
                )
            )
    rows += [Row(moved(budget, figures.as_of.date())) for budget in figures.movements]
    return tuple(rows[:BEHIND])


def pictures(figures: Figures) -> Iterable[PictureFacts]:
    group = next((one for one in figures.money if one.used), None)
    if group is None:
        return
    over = {one.budget_id for one in group.over}
    highest = group.used[0]
    if group.over:
        title = (
            f"{highest.project} has used {percent(highest.spent, highest.amount)} of its budget"
            if len(group.over) == 1
            else f"{len(group.over)} of {group.budgets} budgets are overspent"
        )
    else:
        title = f"No budget is overspent; {highest.project} has used most, {percent(highest.spent, highest.amount)}"
    yield PictureFacts(
        part=MONEY,
        title=title,
        unit="%",
        bars=tuple(
            Bar(
                one.project,
                float(round(one.spent * 100 / one.amount, 1)) if one.amount else 0.0,
                f"{percent(one.spent, one.amount)} ({_bare(one.spent, one.currency)} of {money(one.amount, one.currency)})",
                is_marked=one.budget_id in over,
            )
            for one in group.used[:BARS]
        ),
        limit=100.0,
        limit_words="all of the budget",
    )
