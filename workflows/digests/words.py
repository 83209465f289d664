"""A digest in words, plain text: the headline, the lines, what stands behind them, and what its pictures answer."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from storage.enums import Level
from workflows.digests import rules
from workflows.digests.records import (
    Bar,
    BudgetFigure,
    Content,
    DeliveryFigures,
    Figures,
    LevelFigure,
    Line,
    MaturityFigures,
    MilestoneFigure,
    MoneyFigures,
    Movement,
    PictureFacts,
    Row,
    plain,
)
from workflows.wording import counted, day, money, percent, span, spent, through

# --- What the parts of a digest are called, and how long their words may be

MONEY, DELIVERY, APPROVALS, MATURITY = "money", "delivery", "approvals", "maturity"
LABELS = {MONEY: "Money", DELIVERY: "Delivery", APPROVALS: "Approvals", MATURITY: "Maturity"}
"""What each part is called, in the order in which a digest tells them."""

NAME = 40
"""Characters of a project's name in a line; the detail has all of it."""
BARS = 6
BEHIND = 30
"""Rows of detail of one part."""


def short(name: str) -> str:
    """A name that leaves room for the rest of its line."""
    return name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"


# --- What a digest says about approvals, plain text
#
# never how long one person took.


def approval_lines(figures: Figures) -> list[tuple[int, Line]]:
    approvals = figures.approvals
    ended = _ended(approvals.approved, approvals.rejected, approvals.expired, approvals.withdrawn)
    elsewhere = max(0, approvals.waiting - figures.waiting)
    parts = [ended] if ended else []
    if elsewhere:
        parts.append(f"{counted(elsewhere, 'request')} with others")
    if approvals.median is not None:
        parts.append(
            f"half of the last 4 weeks' {approvals.measured} took under {span(approvals.median)}"
        )
    if approvals.slowest is not None:
        parts.append(f"slowest stage: {approvals.slowest[0]}, {span(approvals.slowest[1])}")
    if not parts:
        return []
    return [(4, Line(APPROVALS, LABELS[APPROVALS], "; ".join(parts)))]


def _ended(approved: int, rejected: int, expired: int, withdrawn: int) -> str:
    counts = [
        f"{number:,} {word}"
        for number, word in (
            (approved, "approved"),
            (rejected, "rejected"),
            (expired, "expired"),
            (withdrawn, "withdrawn"),
        )
        if number
    ]
    return f"{rules.joined(counts)} this week" if counts else ""


def approval_rows(figures: Figures) -> tuple[Row, ...]:
    approvals = figures.approvals
    ended = _ended(approvals.approved, approvals.rejected, approvals.expired, approvals.withdrawn)
    rows = [
        Row((ended or "No request ended this week") + "."),
        Row(
            f"{counted(approvals.waiting, 'request')} about these projects {'waits' if approvals.waiting == 1 else 'wait'} now."
        ),
    ]
    if approvals.median is None:
        rows.append(
            Row(
                f"How long decisions take is told once {rules.ENOUGH_PEOPLE} different people have decided within four "
                "weeks and nobody had a part in more than half of it; else it would tell somebody's own pace. A preview "
                "tells no more of it than your last digest did."
            )
        )
    else:
        rows.append(
            Row(
                f"Half of {counted(approvals.measured, 'request')} that were decided in the last four weeks took less than "
                f"{span(approvals.median)} from asking to the last decision. Where somebody decides more than half, some of "
                "theirs are left out."
            )
        )
        if approvals.slowest is not None:
            rows.append(
                Row(
                    f"The slowest stage was {approvals.slowest[0]}: half of its decisions took longer than {span(approvals.slowest[1])}. "
                    f"Stages in which fewer than {rules.ENOUGH_PEOPLE} people decided, or one of them in more than half, aren't compared."
                )
            )
    return tuple(rows)


# --- What a digest says about milestones, plain text
#
# which ones and when, never who was late.


def milestone_headlines(figures: DeliveryFigures) -> list[str]:
    """What of it belongs into the headline: what slipped, else what was met."""
    if figures.slipped:
        return [f"{_numbered(figures.slipped)} slipped"]
    if figures.met:
        was = "was" if len(figures.met) == 1 else "were"
        return [f"{_numbered(figures.met)} {was} met"]
    return []


def _numbered(milestones: Sequence[MilestoneFigure]) -> str:
    if all(milestone.is_launch for milestone in milestones):
        return rules.numbered(len(milestones), "launch", "launches")
    return rules.numbered(len(milestones), "milestone")


def milestone_lines(figures: DeliveryFigures) -> list[tuple[int, Line]]:
    """`1 met, 2 slipped, 3 due by Sun 1 Feb`, and which ones slipped."""
    counts = [
        (len(figures.met), "met"),
        (len(figures.slipped), "slipped"),
        (figures.overdue, "overdue"),
    ]
    phrases = [f"{number:,} {word}" for number, word in counts if number]
    if figures.due:
        last = max(milestone.day for milestone in figures.due)
        phrases.append(f"{len(figures.due):,} due by {day(last)}")
    if not phrases:
        return []
    numbered_lines = [(2, Line(DELIVERY, LABELS[DELIVERY], f"Milestones: {', '.join(phrases)}"))]
    if figures.slipped:
        names = rules.listed([_slip(milestone) for milestone in figures.slipped])
        numbered_lines.append((3, Line(DELIVERY, "Slipped", names)))
    elif figures.due:
        names = rules.listed(
            [f"{_name(milestone)} on {day(milestone.day)}" for milestone in figures.due]
        )
        numbered_lines.append((5, Line(DELIVERY, "Due next", names)))
    return numbered_lines


def _name(milestone: MilestoneFigure) -> str:
    return f"{short(milestone.title)}, {short(milestone.project)}"


def _slip(milestone: MilestoneFigure) -> str:
    return f"{_name(milestone)} ({_by(milestone)})"


def _by(milestone: MilestoneFigure) -> str:
    """`12 days, now Mon 16 Feb`, or `3 days, due since Fri 23 Jan`."""
    when = "due since" if milestone.is_overdue else "now"
    return f"{counted(milestone.slip, 'day')}, {when} {day(milestone.day)}"


def milestone_rows(figures: DeliveryFigures) -> tuple[Row, ...]:
    """Each one that was met, slipped or is due, with its day."""
    rows = [
        Row(
            f"Slipped {_by(milestone)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.slipped
    ]
    rows += [
        Row(
            f"Met {day(milestone.day)}{_against(milestone.slip)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.met
    ]
    rows += [
        Row(
            f"Due {day(milestone.day)}: {milestone.title}, {milestone.project}",
            milestone_id=milestone.milestone_id,
        )
        for milestone in figures.due
    ]
    kept = rows[: BEHIND - 2]
    if len(rows) > len(kept):
        kept.append(Row(f"…and {len(rows) - len(kept)} more"))
    if figures.overdue:
        kept.append(Row(f"{counted(figures.overdue, 'milestone')} overdue in all"))
    return tuple(kept)


def _against(slip: int) -> str:
    if slip > 0:
        return f", {counted(slip, 'day')} after the first promise"
    if slip < 0:
        return f", {counted(-slip, 'day')} early"
    return ", on time"


def milestone_pictures(figures: DeliveryFigures) -> Iterable[PictureFacts]:
    """By how much milestones slipped, where there is something to compare."""
    if len(figures.slipped) < 2:
        return
    worst = figures.slipped[0]
    yield PictureFacts(
        part=DELIVERY,
        title=f"{worst.title}, {worst.project} slipped most, {counted(worst.slip, 'day')}",
        unit="days",
        bars=tuple(
            Bar(f"{milestone.title}, {milestone.project}", float(milestone.slip), _by(milestone))
            for milestone in figures.slipped[:BARS]
        ),
    )


# --- What a digest says about a check-in that was closed in its week, plain text

_LENGTH = {Level.LOW: 1.0, Level.MEDIUM: 2.0, Level.HIGH: 3.0}


def maturity_headlines(figures: MaturityFigures | None) -> list[str]:
    """What of it belongs into the headline."""
    if figures is None:
        return []
    if figures.overall is None:
        return ["a check-in was closed"]
    return [f"maturity is {_changed(figures.overall, figures.before)}"]


def _changed(level: Level, before: Level | None) -> str:
    if before is None or before is level:
        return level.value
    return f"{level.value}, it was {before.value}"


def maturity_lines(figures: MaturityFigures | None) -> list[tuple[int, Line]]:
    """`Q1 2026: overall medium, it was low; lowest in Deployment; at least 10 of 20 answered`."""
    if figures is None:
        return []
    phrases = [
        f"overall {_changed(figures.overall, figures.before)}"
        if figures.overall is not None
        else "no overall level yet: too few people answered one of the dimensions"
    ]
    if figures.lowest:
        phrases.append(f"lowest in {rules.listed(figures.lowest)}")
    if figures.answered:
        phrases.append(f"at least {figures.answered:,} of {figures.invited:,} answered")
    return [(3, Line(MATURITY, LABELS[MATURITY], f"{figures.label}: {'; '.join(phrases)}"))]


def maturity_rows(figures: MaturityFigures | None) -> tuple[Row, ...]:
    """Each dimension."""
    if figures is None:
        return ()
    return tuple(Row(f"{dimension.name}: {_words(dimension)}") for dimension in figures.dimensions)


def _words(dimension: LevelFigure) -> str:
    if dimension.level is None:
        return "too few people answered to tell"
    return _changed(dimension.level, dimension.before)


def maturity_pictures(figures: MaturityFigures | None) -> Iterable[PictureFacts]:
    """The levels by dimension."""
    told_dimensions = (
        [dimension for dimension in figures.dimensions if dimension.level is not None]
        if figures
        else []
    )
    if figures is None or len(told_dimensions) < 2:
        return
    lowest = rules.listed(figures.lowest)
    yield PictureFacts(
        part=MATURITY,
        title=f"Maturity is lowest in {lowest}"
        if len(figures.lowest) < len(told_dimensions)
        else f"Maturity is {told_dimensions[0].level} in every dimension",
        unit="level",
        bars=tuple(
            Bar(
                dimension.name,
                _LENGTH[dimension.level] if dimension.level is not None else 0.0,
                _words(dimension),
                is_marked=dimension.name in figures.lowest
                and len(figures.lowest) < len(told_dimensions),
            )
            for dimension in told_dimensions
        ),
        limit=3.0,
        limit_words="high",
    )


# --- What a digest says about money, plain text


def money_lines(figures: Figures) -> list[tuple[int, Line]]:
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


def money_rows(figures: Figures) -> tuple[Row, ...]:
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


def money_pictures(figures: Figures) -> Iterable[PictureFacts]:
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


# --- A digest in words, plain text
#
# the headline, the lines, what stands behind them, and what its pictures answer.


def compose(figures: Figures, *, tz: str, decisions: tuple[int, ...]) -> Content:
    """The digest of these figures, with the requests that are shown with buttons."""
    decided = decisions[: rules.DECISIONS_SHOWN]
    more = figures.waiting - len(decided)
    headline_, footer_ = headline(figures), footer(figures, more)
    lines = rules.fitting(
        [
            *money_lines(figures),
            *milestone_lines(figures.delivery),
            *approval_lines(figures),
            *maturity_lines(figures.maturity),
        ],
        used_lines=2 + rules.DECISION_LINES * len(decided),
        used_characters=len(headline_) + len(footer_) + rules.DECISION_CHARACTERS * len(decided),
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
                (MONEY, money_rows(figures)),
                (DELIVERY, milestone_rows(figures.delivery)),
                (APPROVALS, approval_rows(figures)),
                (MATURITY, maturity_rows(figures.maturity)),
            )
            if rows
        },
        pictures=(
            *money_pictures(figures),
            *milestone_pictures(figures.delivery),
            *maturity_pictures(figures.maturity),
        )[: rules.PICTURES],
        decisions=decided,
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
        or figures.delivery.met
        or figures.delivery.slipped
        or figures.maturity
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
        quiet = rules.joined([*([spend] if spend else []), "nothing waits for you"])
        return f"{week} was quiet: {quiet}."
    parts = [
        _spend(figures),
        *milestone_headlines(figures.delivery),
        *maturity_headlines(figures.maturity),
        *_changes(figures),
    ]
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
        who = short(ahead[0]) if len(ahead) == 1 else rules.numbered(len(ahead), "project")
        return f"{who} {'spends' if len(ahead) == 1 else 'spend'} faster than planned"
    if not figures.money:
        return ""
    if all(group.through is None for group in figures.money):
        return "no cost data has come in yet"
    return "spend is on plan"


def _changes(figures: Figures) -> list[str]:
    ended = figures.approvals
    changes = []
    if ended.expired:
        changes.append(f"{rules.numbered(ended.expired, 'request')} expired undecided")
    if ended.rejected:
        was = "was" if ended.rejected == 1 else "were"
        changes.append(f"{rules.numbered(ended.rejected, 'request')} {was} rejected")
    if ended.approved:
        was = "was" if ended.approved == 1 else "were"
        changes.append(f"{rules.numbered(ended.approved, 'request')} {was} approved")
    return changes


def footer(figures: Figures, more: int) -> str:
    """What the digest covers, and what it leaves out."""
    days = f"{day(figures.first_day)} to {day(figures.last_day)}"
    sight = (
        f"over the {counted(figures.projects, 'project')} you may see"
        if figures.projects
        else "you own, sponsor or manage no project yet"
    )
    covered = f"{days}, {sight}"
    if more > 0:
        covered = f"{counted(more, 'more decision')} {'waits' if more == 1 else 'wait'} for you · {covered}"
    return covered
