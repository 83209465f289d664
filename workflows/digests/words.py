"""A digest in words, plain text: the headline, the lines, what stands behind them, and what its pictures answer."""

from workflows.digests import approval_words, delivery_words, maturity_words, money_words, rules
from workflows.digests.phrases import APPROVALS, DELIVERY, MATURITY, MONEY, short
from workflows.digests.records import Content, Figures, plain
from workflows.wording import counted, day


def compose(figures: Figures, *, tz: str, decisions: tuple[int, ...]) -> Content:
    """The digest of these figures, with the requests that are shown with buttons."""
    decided = decisions[: rules.DECISIONS_SHOWN]
    more = figures.waiting - len(decided)
    headline_, footer_ = headline(figures), footer(figures, more)
    lines = rules.fitting(
        [
            *money_words.lines(figures),
            *delivery_words.lines(figures.delivery),
            *approval_words.lines(figures),
            *maturity_words.lines(figures.maturity),
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
                (MONEY, money_words.rows(figures)),
                (DELIVERY, delivery_words.rows(figures.delivery)),
                (APPROVALS, approval_words.rows(figures)),
                (MATURITY, maturity_words.rows(figures.maturity)),
            )
            if rows
        },
        pictures=(
            *money_words.pictures(figures),
            *delivery_words.pictures(figures.delivery),
            *maturity_words.pictures(figures.maturity),
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
        *delivery_words.headlines(figures.delivery),
        *maturity_words.headlines(figures.maturity),
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
