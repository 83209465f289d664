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
    found: Sequence[MilestoneRecord],
    today: date,
    *,
    title: str,
    project_key: str | None,
    with_picture: bool = True,
) -> Private:
    """The news in a line, the picture, then open milestones with their menus, the earliest first."""
    open_ = sorted((one for one in found if one.is_open), key=lambda one: (one.forecast, one.id))
    met = sorted(
        (one for one in found if one.actual is not None),
        key=lambda one: (one.actual or today, one.id),
        reverse=True,
    )
    news = _news(open_, met, today, title)
    shown: list[Block] = [blocks.section(f"*{news}*")]
    picture = timeline(open_, met, today, title, with_project=project_key is None)
    if with_picture and picture is not None:
        shown.append(picture.block())
    rows, rest = _rows(open_, today, with_project=project_key is None)
    shown += rows
    lines = [
        f"• {words.line(one, today, with_project=project_key is None)}" for one in rest[:MOST_LINES]
    ]
    recent = [one for one in met if one.actual and today - one.actual <= RECENTLY]
    lines += [words.line(one, today, with_project=project_key is None) for one in recent[:3]]
    if lines:
        shown.append(blocks.section("\n".join(lines)))
    if len(rest) > MOST_LINES:
        shown.append(
            blocks.context(f"…and {len(rest) - MOST_LINES} more: `/mlgov milestones PROJECT`")
        )
    shown.append(
        blocks.actions(
            [blocks.button("Add milestone", words.ADD, project_key or "-")], block_id="milestones"
        )
    )
    pictures = (picture,) if with_picture and picture is not None else ()
    return Private(news, shown, pictures)


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
    told = [
        f"{len(late)} late" if late else "",
        f"{len(risky)} at risk" if risky else "",
        "all on track" if not late and not risky else "",
        f"next is {blocks.escape(coming.title, 60)}, {words.due(coming, today)}" if coming else "",
    ]
    return f"{name}: {many}, " + " · ".join(part for part in told if part)


def _rows(
    open_: Sequence[MilestoneRecord], today: date, *, with_project: bool
) -> tuple[list[Block], Sequence[MilestoneRecord]]:
    """As many rows with a menu as fit, and the milestones that are left."""
    shown: list[Block] = []
    room = MOST_CHARACTERS
    for number, one in enumerate(open_):
        row = row_of(one, today, with_project=with_project)
        room -= len(json.dumps(row))
        if number >= MOST_ROWS or room < 0:
            return shown, open_[number:]
        shown.append(row)
    return shown, ()


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
    recent = [one for one in met if one.actual and today - one.actual <= 2 * RECENTLY]
    chosen = sorted(
        [*recent[:4], *open_[: MOST_BARS - min(4, len(recent))]],
        key=lambda one: (one.actual or one.forecast, one.id),
    )
    if not chosen:
        return None
    bars = tuple(
        Bar(
            label=blocks.plain(one.title, 34),
            project=blocks.plain(one.project, 30) if with_project else "",
            baseline=one.baseline,
            at=one.actual or one.forecast,
            expected=one.expected,
            state=one.status.value,
        )
        for one in chosen
    )
    chart = Timeline(bars, today)
    return Picture(chart, _title(open_, title), _alt(chosen, today))


def _title(open_: Sequence[MilestoneRecord], title: str) -> str:
    """What the picture answers: the worst slip, or that there is none."""
    slips = [one for one in open_ if one.slip > 0]
    if not open_:
        return f"{title}: everything is met"
    if not slips:
        return f"{title}: nothing has slipped"
    worst = max(slips, key=lambda one: (one.slip, -one.id))
    return f"{title}: {worst.title} is {words.days(worst.slip)} behind the plan"


def _alt(chosen: Sequence[MilestoneRecord], today: date) -> str:
    told = "; ".join(
        f"{blocks.plain(one.title, 60)}: "
        + (
            f"met {one.actual}"
            if one.actual
            else f"due {one.forecast}, {words.STATES[one.status].split(' ', 1)[-1].lower() if one.status is not MilestoneStatus.ON_TRACK else 'on track'}"
        )
        + f", planned {one.baseline}, {one.slip:+d} days"
        for one in chosen
    )
    return f"Timeline as of {today}. {told}"
