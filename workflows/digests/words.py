"""A digest in words, plain text: the headline, the lines, what stands behind them, and what its pictures answer."""

from collections.abc import Iterable
from decimal import Decimal

from workflows.digests import rules
from workflows.digests.records import (
    Bar,
    BudgetFigure,
    Content,
    Figures,
    Line,
    MoneyFigures,
    Movement,
    PictureFacts,
    Row,
    plain,
)
from workflows.wording import counted, day, money, percent, span, spent

MONEY, APPROVALS = "money", "approvals"
LABELS = {MONEY: "Money", APPROVALS: "Approvals"}
"""What each part is called, in the order in which a digest tells them."""

NAME = 40
"""Characters of a project's name in a line; the detail has all of it."""
BARS = 6
BEHIND = 30
"""Rows of detail of one part."""


def short(name: str) -> str:
    """A name that leaves room for the rest of its line."""
    return name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"


def compose(figures: Figures, *, tz: str, decisions: tuple[int, ...]) -> Content:
    """The digest of these figures, with the requests that are shown with buttons."""
    shown = decisions[: rules.DECISIONS_SHOWN]
    more = figures.waiting - len(shown)
    headline_, footer_ = headline(figures), footer(figures, more)
    lines = rules.fitting(
        [*_money_lines(figures), *_approval_lines(figures)],
        used_lines=2 + rules.DECISION_LINES * len(shown),
        used_characters=len(headline_)
        + len(footer_)
        + rules.DECISION_CHARACTERS * len(shown),
    )
    return Content(
        first_day=figures.first_day,
        as_of=figures.as_of,
        tz=tz,
        headline=headline_,
        footer=footer_,
        lines=lines,
        details={
            part: rows
            for part, rows in (
                (MONEY, _money_rows(figures)),
                (APPROVALS, _approval_rows(figures)),
            )
            if rows
        },
        pictures=tuple(_pictures(figures))[: rules.PICTURES],
        decisions=shown,
        more_decisions=more,
        week=figures.week,
        figures=plain(figures),
        is_quiet=is_quiet(figures),
    )


# --- the headline


def is_quiet(figures: Figures) -> bool:
    """Whether nothing happened that anybody has to know, and nothing waits."""
    ended = figures.approvals
    return not (
        figures.waiting
        or figures.crossed
        or any(group.over or group.ahead for group in figures.money)
        or ended.approved
        or ended.rejected
        or ended.expired
    )


def headline(figures: Figures) -> str:
    """What changed and what matters, in one sentence."""
    week = f"Week {figures.week}"
    waits = (
        f"{rules.numbered(figures.waiting, 'decision')} "
        f"{'waits' if figures.waiting == 1 else 'wait'} for you"
        if figures.waiting
        else ""
    )
    if is_quiet(figures):
        spend = _spend(figures)
        told = rules.joined([*([spend] if spend else []), "nothing waits for you"])
        return f"{week} was quiet: {told}."
    parts = [_spend(figures), *_changes(figures)]
    kept = [part for part in parts if part][: 2 if waits else 3]
    return f"{week}: {rules.joined([*kept, *([waits] if waits else [])])}."


def _spend(figures: Figures) -> str:
    over = [one for group in figures.money for one in group.over]
    if len(over) == 1:
        verb = "went" if over[0].budget_id in figures.crossed else "is"
        return f"{short(over[0].project)} {verb} over budget"
    if over:
        return f"{rules.numbered(len(over), 'budget')} are overspent"
    ahead = [one.project for group in figures.money for one in group.ahead]
    if ahead:
        who = (
            short(ahead[0])
            if len(ahead) == 1
            else rules.numbered(len(ahead), "project")
        )
        return f"{who} {'spends' if len(ahead) == 1 else 'spend'} faster than planned"
    if not figures.money:
        return ""
    if all(group.through is None for group in figures.money):
        return "no cost data has come in yet"
    return "spend is on plan"


def _changes(figures: Figures) -> list[str]:
    ended = figures.approvals
    told = []
    if ended.expired:
        told.append(f"{rules.numbered(ended.expired, 'request')} expired undecided")
    if ended.rejected:
        was = "was" if ended.rejected == 1 else "were"
        told.append(f"{rules.numbered(ended.rejected, 'request')} {was} rejected")
    if ended.approved:
        was = "was" if ended.approved == 1 else "were"
        told.append(f"{rules.numbered(ended.approved, 'request')} {was} approved")
    return told


def footer(figures: Figures, more: int) -> str:
    """What the digest covers, and what it leaves out."""
    days = f"{day(figures.first_day)} to {day(figures.last_day)}"
    sight = (
        f"over the {counted(figures.projects, 'project')} you may see"
        if figures.projects
        else "you own, sponsor or manage no project yet"
    )
    told = f"{days}, {sight}"
    if more > 0:
        told = f"{counted(more, 'more decision')} {'waits' if more == 1 else 'wait'} for you · {told}"
    return told


# --- money


def _money_lines(figures: Figures) -> list[tuple[int, Line]]:
    made: list[tuple[int, Line]] = []
    for place, group in enumerate(figures.money):
        made.append((1 if place == 0 else 6, Line(MONEY, LABELS[MONEY], total(group))))
        if group.over:
            made.append((2, Line(MONEY, "Over budget", _named(group.over))))
        elif group.ahead:
            made.append((3, Line(MONEY, "Faster than planned", _named(group.ahead))))
    made += [(5, Line(MONEY, "Change", moved(one))) for one in figures.movements[:1]]
    return made


def total(group: MoneyFigures) -> str:
    """`98,120 of 235,000 EUR effective cost in January (42 %), 8 budgets, data through Sun 25 Jan`."""
    used = spent(group.spent, group.amount, group.currency, group.basis)
    return (
        f"{used} in {group.words} ({percent(group.spent, group.amount)}), "
        f"{counted(group.budgets, 'budget')}, {_through(group)}"
    )


def _through(group: MoneyFigures) -> str:
    if group.through is None:
        return "no cost data yet"
    told = f"data through {day(group.through)}"
    if group.lagging:
        told += f" ({counted(group.lagging, 'project')} with older data)"
    return told


def _named(found: Iterable[BudgetFigure]) -> str:
    told = list(found)
    names = [
        f"{short(one.project)} ({_bare(one.spent, one.currency)} of {money(one.amount, one.currency)})"
        for one in told
    ]
    return rules.listed(names)


def _bare(amount: Decimal, currency: str) -> str:
    return money(amount, currency).removesuffix(f" {currency}")


def moved(one: Movement) -> str:
    """`14,210 EUR effective cost in the 7 days to Sun 25 Jan, 3,000 more than in the 7 before; most of it …`."""
    told = f"{money(one.cost, one.currency)} {one.basis} cost in the 7 days to {day(one.last)}"
    change = one.cost - one.before
    if not one.before:
        return f"{told}, none in the 7 before"
    if abs(change) * 100 < one.before:
        return f"{told}, as much as in the 7 before"
    told += f", {_bare(abs(change), one.currency)} {'more' if change > 0 else 'less'} than in the 7 before"
    if one.top is not None and change > 0:
        name, rise = one.top
        told += f"; {short(name)} +{_bare(rise, one.currency)}"
    return told


def _money_rows(figures: Figures) -> tuple[Row, ...]:
    rows: list[Row] = []
    for group in figures.money:
        rows.append(Row(total(group)))
        over = {one.budget_id for one in group.over}
        ahead = {one.budget_id for one in group.ahead}
        for one in group.used:
            state = (
                "over budget"
                if one.budget_id in over
                else "faster than planned"
                if one.budget_id in ahead
                else "on plan"
            )
            rows.append(
                Row(
                    f"{one.project}: {_bare(one.spent, one.currency)} of {money(one.amount, one.currency)} "
                    f"({percent(one.spent, one.amount)}), {state}",
                    budget_id=one.budget_id,
                )
            )
    rows += [Row(moved(one)) for one in figures.movements]
    return tuple(rows[:BEHIND])


# --- approvals


def _approval_lines(figures: Figures) -> list[tuple[int, Line]]:
    found = figures.approvals
    told = _ended(found.approved, found.rejected, found.expired, found.withdrawn)
    others = max(0, found.waiting - figures.waiting)
    parts = [told] if told else []
    if others:
        parts.append(f"{counted(others, 'request')} with others")
    if found.median is not None:
        parts.append(
            f"half of the last 4 weeks' {found.measured} took under {span(found.median)}"
        )
    if found.slowest is not None:
        parts.append(f"slowest stage: {found.slowest[0]}, {span(found.slowest[1])}")
    if not parts:
        return []
    return [(4, Line(APPROVALS, LABELS[APPROVALS], "; ".join(parts)))]


def _ended(approved: int, rejected: int, expired: int, withdrawn: int) -> str:
    told = [
        f"{number:,} {word}"
        for number, word in (
            (approved, "approved"),
            (rejected, "rejected"),
            (expired, "expired"),
            (withdrawn, "withdrawn"),
        )
        if number
    ]
    return f"{rules.joined(told)} this week" if told else ""


def _approval_rows(figures: Figures) -> tuple[Row, ...]:
    found = figures.approvals
    ended = _ended(found.approved, found.rejected, found.expired, found.withdrawn)
    rows = [
        Row((ended or "No request ended this week") + "."),
        Row(f"{counted(found.waiting, 'request')} about these projects wait now."),
    ]
    if found.median is None:
        rows.append(
            Row(
                f"How long decisions take is told once {rules.ENOUGH_PEOPLE} different people have decided "
                "within four weeks; with fewer it would tell somebody's own pace."
            )
        )
    else:
        rows.append(
            Row(
                f"Of {counted(found.measured, 'request')} decided in the last four weeks, half took less than "
                f"{span(found.median)} from asking to the last decision."
            )
        )
        if found.slowest is not None:
            rows.append(
                Row(
                    f"The slowest stage was {found.slowest[0]}: half of its decisions took longer than {span(found.slowest[1])}. "
                    f"Stages in which fewer than {rules.ENOUGH_PEOPLE} people decided are not compared."
                )
            )
    return tuple(rows)


# --- pictures


def _pictures(figures: Figures) -> Iterable[PictureFacts]:
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
