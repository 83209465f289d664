"""The portfolio as people read it: a line each, one picture, why each stands where it does. Pure."""

from collections.abc import Sequence

from bot.cases import words
from bot.charts.drawing import Bubble, Bubbles, Picture
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import PageRef, PlaceWindow, ProjectRef, ask, ask_day
from bot.slack.replies import Private
from workflows.cases import rules
from workflows.cases.forms import PutAtPlace
from workflows.cases.portfolio import Group, Portfolio
from workflows.cases.ranking import LIKE_REFERENCE, REFERENCE, Ranked

PAGE_SIZE = 10
"""Projects of one page."""
MOST_NAMED = 5
MOST_DRAWN = 60
"""Projects in the picture: more can't be told apart."""


def portfolio(record: Portfolio, page: int) -> Private:
    """`/mlgov portfolio`: the news, then a page of projects, the best first."""
    if not record.total:
        text = "You see no project that is approved, going on or in use, so there is nothing to rank yet."
        return Private(text, [blocks.section(f"{text} `/mlgov propose` proposes one.")])
    text = _news(record)
    lines = _list_lines(record)
    last_page = max(0, (len(lines) - 1) // PAGE_SIZE)
    page = min(page, last_page)
    body: list[Block] = [blocks.section(f"*{text}*")]
    picture = picture_of(record.groups[0]) if record.groups and page == 0 else None
    if page == 0:
        body += [blocks.section(line) for line in _warnings(record)]
    if picture is not None:
        body.append(picture.block())
    body += lines[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    body.append(blocks.context(_basis(record)))
    name = record.unit or "all"
    if last_page:
        first = page * PAGE_SIZE + 1
        body.append(
            blocks.context(
                f"{first:,}–{min(first + PAGE_SIZE - 1, len(lines)):,} of {len(lines):,}"
            )
        )
        turners = []
        if page:
            turners.append(blocks.button("‹ Previous", words.PAGE[0], PageRef(name, page - 1).text))
        if page < last_page:
            turners.append(blocks.button("Next ›", words.PAGE[1], PageRef(name, page + 1).text))
        body.append(blocks.actions(turners, block_id="portfolio-pages"))
    return Private(text, body, (picture,) if picture is not None else ())


def _news(record: Portfolio) -> str:
    of = f" of {blocks.escape(record.unit, 80)}" if record.unit else ""
    many = blocks.counted(record.total, "project")
    if not record.groups:
        return f"{many}{of}, none of them estimated"
    best = record.groups[0].ranked[0].project
    worth = words.money(best.adjusted, best.currency)
    return f"{many}{of}: {blocks.escape(best.name, 80)} is worth most ({worth} risk-adjusted)"


def _warnings(record: Portfolio) -> list[str]:
    lines = []
    if record.unworked:
        names = blocks.join_names([each.project.name for each in record.unworked[:MOST_NAMED]])
        lines.append(f"*Nobody works on {names}*, though lesser projects are worked on.")
    if len(record.groups) > 1:
        currencies = ", ".join(group.currency for group in record.groups)
        lines.append(
            f"Estimates are in {currencies}. Amounts of two currencies aren't compared: each has its own order."
        )
    return lines


def _list_lines(record: Portfolio) -> list[Block]:
    lines = [_ranked(each) for group in record.groups for each in group.ranked]
    for project in record.unestimated:
        owner = (
            f" · {blocks.mention(project.owner.slack_id, project.owner.name)}"
            if project.owner
            else ""
        )
        lines.append(
            blocks.section(
                f"*{blocks.escape(project.name, 80)}* · not estimated\n{project.status.replace('_', ' ')}{owner}"
            )
        )
    return lines


def _basis(record: Portfolio) -> str:
    facts = [
        "Ranked by confidence × feasibility × present value of benefits − present value of costs, "
        f"at {record.rate * 100:.1f} % a year"
    ]
    if record.shares:
        shares = ", ".join(
            f"{rules.CATEGORIES[share.category].name} {share.percent} %" for share in record.shares
        )
        like = sum(share.percent for share in record.shares if share.category in LIKE_REFERENCE)
        facts.append(
            f"{shares}: {like} % seek the first two kinds, {REFERENCE} % are said to elsewhere (J. Robinson, 2021)"
        )
    return " · ".join(facts)


def _ranked(ranked: Ranked) -> Block:
    key = ranked.project.key
    return blocks.section(
        words.rank_line(ranked),
        block_id=f"rank-{ranked.project.project_id}",
        accessory=blocks.button("Why", words.WHY, ProjectRef(key).text, hint=f"Why {key} is here"),
    )


# --- The picture


def picture_of(group: Group) -> Picture | None:
    """Value against cost, each project by its tier; None for fewer than two."""
    if len(group.ranked) < 2:
        return None
    drawn = group.ranked[:MOST_DRAWN]
    bubbles = tuple(
        Bubble(
            label=blocks.plain(each.project.name, 28),
            across=each.project.worth.costs_now,
            up=each.project.adjusted + each.project.worth.costs_now,
            tier=each.project.tier,
        )
        for each in drawn
    )
    best = drawn[0].project
    title = f"{blocks.plain(best.name, 40)} brings most for what it costs"
    return Picture(Bubbles(bubbles, group.currency), title, _alt(drawn))


def _alt(drawn: Sequence[Ranked]) -> str:
    items = "; ".join(
        f"{blocks.plain(each.project.name, 40)}: "
        f"{words.money(each.project.adjusted + each.project.worth.costs_now, each.project.currency)} for "
        f"{words.money(each.project.worth.costs_now, each.project.currency)}"
        + (f", tier {each.project.tier}" if each.project.tier else "")
        for each in drawn[:20]
    )
    return f"Risk-adjusted benefits against costs, present values. {items}"


# --- Why, and another place


def why(ranked: Ranked, lines: Sequence[tuple[str, str]], *, may_put: bool) -> Block:
    """Every number behind a project's place."""
    project = ranked.project
    body: list[Block] = [
        blocks.section(
            f"*{ranked.place}. {blocks.escape(project.name, 120)}*\n"
            f"{words.money(project.adjusted, project.currency)} risk-adjusted, counted among the projects that you see"
        ),
        *blocks.sections(
            [f"*{blocks.escape(what, 80)}*: {blocks.escape(much, 600)}" for what, much in lines]
        ),
    ]
    if may_put:
        value = PlaceWindow(project.key).text
        buttons = [blocks.button("Put elsewhere", words.PUT, value)]
        if ranked.is_moved:
            buttons.append(blocks.button("Back to its place", words.PUT_BACK, value))
        body.append(blocks.actions(buttons, block_id="place"))
    return blocks.modal("Why this rank", body, callback_id="notice", close="Close")


def put(ranked: Ranked) -> Block:
    """The window in which a leader chooses a place."""
    project = ranked.project
    return blocks.modal(
        "Put elsewhere",
        [
            blocks.section(
                f"*{blocks.escape(project.name, 120)}* is number {ranked.place} now; by its worth it is {ranked.by_worth}."
            ),
            ask(PutAtPlace, "place"),
            ask_day(PutAtPlace, "until"),
            ask(PutAtPlace, "reason"),
        ],
        callback_id=words.SUBMIT_PUT,
        submit="Put",
        metadata=PlaceWindow(project.key).text,
    )
