"""`/mlgov milestones`: the timeline and the list. Pure."""

import json
from collections.abc import Sequence
from datetime import date, timedelta

from bot import blocks
from bot.blocks import Block
from bot.charts.timeline import Bar, Timeline
from bot.milestones import words
from bot.pictures import Picture
from bot.replies import Private
from storage.enums import MilestoneStatus
from workflows.milestones.records import MilestoneRecord

MOST_CHARACTERS = 8_000
"""Of JSON in rows with a menu: Slack takes about 13,200 in one private answer, and the picture's words are in it too."""
MOST_ROWS, MOST_LINES, MOST_BARS = 12, 25, 14
RECENTLY = timedelta(days=30)


def answer(
    records: Sequence[MilestoneRecord],
    today: date,
    *,
    title: str,
    project_key: str | None,
    with_picture: bool = True,
) -> Private:
    """The news in a line, the picture, then open milestones with their menus, the earliest first."""
    open_ = sorted(
        (milestone for milestone in records if milestone.is_open),
        key=lambda milestone: (milestone.forecast, milestone.id),
    )
    met = sorted(
        (milestone for milestone in records if milestone.actual is not None),
        key=lambda milestone: (milestone.actual or today, milestone.id),
        reverse=True,
    )
    news = _news(open_, met, today, title)
    body: list[Block] = [blocks.section(f"*{news}*")]
    picture = timeline(open_, met, today, title, with_project=project_key is None)
    if with_picture and picture is not None:
        body.append(picture.block())
    rows, rest = _rows(open_, today, with_project=project_key is None)
    body += rows
    lines = [
        f"• {words.line(milestone, today, with_project=project_key is None)}"
        for milestone in rest[:MOST_LINES]
    ]
    recent = [
        milestone for milestone in met if milestone.actual and today - milestone.actual <= RECENTLY
    ]
    lines += [
        words.line(milestone, today, with_project=project_key is None) for milestone in recent[:3]
    ]
    if lines:
        body.append(blocks.section("\n".join(lines)))
    if len(rest) > MOST_LINES:
        body.append(
            blocks.context(f"…and {len(rest) - MOST_LINES} more: `/mlgov milestones PROJECT`")
        )
    body.append(
        blocks.actions(
            [blocks.button("Add milestone", words.ADD, project_key or "-")], block_id="milestones"
        )
    )
    pictures = (picture,) if with_picture and picture is not None else ()
    return Private(news, body, pictures)


def _news(
    open_: Sequence[MilestoneRecord], met: Sequence[MilestoneRecord], today: date, title: str
) -> str:
    name = blocks.escape(title, 80)
    if not open_:
        if met:
            return f"{name}: all {blocks.counted(len(met), 'milestone')} met"
        return f"{name}: no milestone yet"
    late = [one for one in open_ if one.status is MilestoneStatus.LATE]
    risky = [one for one in open_ if one.status is MilestoneStatus.AT_RISK]
    coming = next((one for one in open_ if one.forecast >= today), None)
    many = blocks.counted(len(open_), "open milestone")
    facts = [
        f"{len(late)} late" if late else "",
        f"{len(risky)} at risk" if risky else "",
        "all on track" if not late and not risky else "",
        f"next is {blocks.escape(coming.title, 60)}, {words.due(coming, today)}" if coming else "",
    ]
    return f"{name}: {many}, " + " · ".join(part for part in facts if part)


def _rows(
    open_: Sequence[MilestoneRecord], today: date, *, with_project: bool
) -> tuple[list[Block], Sequence[MilestoneRecord]]:
    """As many rows with a menu as fit, and the milestones that are left."""
    rows: list[Block] = []
    room = MOST_CHARACTERS
    for number, milestone in enumerate(open_):
        row = row_of(milestone, today, with_project=with_project)
        room -= len(json.dumps(row))
        if number >= MOST_ROWS or room < 0:
            return rows, open_[number:]
        rows.append(row)
    return rows, ()


def row_of(milestone: MilestoneRecord, today: date, *, with_project: bool = True) -> Block:
    """A milestone in a list, with everything that can be done behind one menu."""
    owner = (
        blocks.mention(milestone.owner.slack_id, milestone.owner.name)
        if milestone.owner
        else "nobody owns it yet"
    )
    state = words.STATES[milestone.status]
    return blocks.section(
        f"{words.line(milestone, today, with_project=with_project)}\n{state} · {owner}",
        block_id=f"milestone-{milestone.id}",
        accessory=words.menu(milestone),
    )


def timeline(
    open_: Sequence[MilestoneRecord],
    met: Sequence[MilestoneRecord],
    today: date,
    title: str,
    *,
    with_project: bool,
) -> Picture | None:
    """The milestones over time: what was planned, what is expected, what slipped. None when there is nothing."""
    recent = [
        milestone
        for milestone in met
        if milestone.actual and today - milestone.actual <= 2 * RECENTLY
    ]
    chosen = sorted(
        [*recent[:4], *open_[: MOST_BARS - min(4, len(recent))]],
        key=lambda milestone: (milestone.actual or milestone.forecast, milestone.id),
    )
    if not chosen:
        return None
    bars = tuple(
        Bar(
            label=blocks.plain(milestone.title, 34),
            project=blocks.plain(milestone.project, 30) if with_project else "",
            baseline=milestone.baseline,
            at=milestone.actual or milestone.forecast,
            expected=milestone.expected,
            state=milestone.status.value,
        )
        for milestone in chosen
    )
    chart = Timeline(bars, today)
    return Picture(chart, _title(open_, title), _alt(chosen, today))


def _title(open_: Sequence[MilestoneRecord], title: str) -> str:
    """What the picture answers: the worst slip, or that there is none."""
    slips = [milestone for milestone in open_ if milestone.slip > 0]
    if not open_:
        return f"{title}: everything is met"
    if not slips:
        return f"{title}: nothing has slipped"
    worst = max(slips, key=lambda milestone: (milestone.slip, -milestone.id))
    return f"{title}: {worst.title} is {words.days(worst.slip)} behind the plan"


def _alt(chosen: Sequence[MilestoneRecord], today: date) -> str:
    items = "; ".join(
        f"{blocks.plain(milestone.title, 60)}: "
        + (
            f"met {milestone.actual}"
            if milestone.actual
            else f"due {milestone.forecast}, {words.STATES[milestone.status].split(' ', 1)[-1].lower() if milestone.status is not MilestoneStatus.ON_TRACK else 'on track'}"
        )
        + f", planned {milestone.baseline}, {milestone.slip:+d} days"
        for milestone in chosen
    )
    return f"Timeline as of {today}. {items}"
