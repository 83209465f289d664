"""How notices about milestones are shown. Pure."""

from collections.abc import Sequence
from datetime import date

from bot import blocks
from bot.blocks import Block
from bot.interactions import OverdueRef
from bot.milestones import words
from bot.rendering import Rendered, Scene
from workflows.milestones.notices import MilestoneCard, OverdueFound, RemindersDue
from workflows.milestones.records import Line, MilestoneRecord, OverdueList, PersonRef, ReminderCard

WITH_BUTTONS = 10
"""Milestones of one reminder that have buttons; the others are lines, and `/mlgov milestones` shows them."""
LINES = 20
"""Milestones in a list without buttons; the rest is counted."""
WHY = {"owner": "you own it", "manager": "you manage {project}", "sponsor": "you sponsor {project}"}


# --- reminders


def reminder(card: ReminderCard, notice: RemindersDue, scene: Scene) -> Rendered:
    """Everything that fell due for one person on one of their days, the earliest first."""
    live = [line for line in card.lines if line.is_live and line.milestone.is_open]
    news = _news(card, live)
    if not live:
        shown_blocks = [blocks.section(_finished(line, card.today, scene)) for line in card.lines]
        return Rendered(news, shown_blocks[: blocks.MESSAGE_BLOCKS], is_final=True)
    alone = len(card.lines) == 1
    shown_blocks = []
    if not alone:
        shown_blocks.append(blocks.section(f"*{news}*"))
    for line in live[:WITH_BUTTONS]:
        shown_blocks += _line(line, card.today, news if alone else None)
    rest = [_finished(line, card.today, scene) for line in card.lines if line not in live]
    rest += [f"• {words.line(line.milestone, card.today)}" for line in live[WITH_BUTTONS:LINES]]
    if rest:
        shown_blocks.append(blocks.section("\n".join(rest)))
    if len(live) > LINES:
        shown_blocks.append(blocks.context(f"…and {len(live) - LINES} more: `/mlgov milestones`"))
    shown_blocks.append(blocks.context(_silence(live, card.today, scene)))
    return Rendered(news, shown_blocks)


def _news(card: ReminderCard, live: Sequence[Line]) -> str:
    """The first line: what is due or overdue, and by when."""
    lines = live or card.lines
    today = card.today
    if len(lines) == 1:
        milestone = lines[0].milestone
        if milestone.is_dropped:
            return f"{words.plainly(milestone)} was dropped"
        if milestone.is_open and not live:
            return f"{words.plainly(milestone)}: nothing left to do here"
        return f"{words.plainly(milestone)} {words.is_due(milestone, today)}"
    mine = "of yours" if all(line.why == "owner" for line in lines) else "for you"
    many = f"{len(lines)} milestones {mine}"
    if not live:
        return f"{many}: nothing left to do here"
    late = sum(line.milestone.days_left(today) < 0 for line in lines)
    last = max(line.milestone.forecast for line in lines)
    by = "today" if last == today else f"by {words.day(last, today)}"
    coming = len(lines) - late
    if not late:
        return f"{many} are due {by}"
    if not coming:
        return f"{many} are overdue"
    are = "is" if late == 1 else "are"
    will = "is" if coming == 1 else "are"
    return f"{many}: {late} {are} overdue, {coming} {will} due {by}"


def _line(line: Line, today: date, news: str | None) -> list[Block]:
    """One milestone with its buttons; `news` is the whole message's first line where it is the only one."""
    milestone = line.milestone
    if news is None:
        lines = [words.line(milestone, today)]
    else:
        slip = words.slipped(milestone)
        head = f"*{news}*" + (f" · {slip}" if slip else "")
        lines = [head, *words.below(milestone, today)]
    if line.snoozed_until is not None:
        lines.append(f"Snoozed until {words.day(line.snoozed_until, today)}")
    return [
        blocks.section("\n".join(lines)),
        words.buttons(
            milestone,
            "reminder",
            is_primary=news is not None,
            is_snoozed=line.snoozed_until is not None,
        ),
    ]


def _finished(line: Line, today: date, scene: Scene) -> str:
    """A line that needs nothing here any more: what became of it."""
    milestone = line.milestone
    if not milestone.is_open:
        return words.line(milestone, today)
    state = f"{words.named(milestone)} · {words.due(milestone, today)}"
    owner = milestone.owner
    if owner is not None and owner.id != scene.reader_id:
        return f"With {_name(owner)} now · {state}"
    return f"Reminded again since · {state}"


def _silence(live: Sequence[Line], today: date, scene: Scene) -> str:
    """Why me, and what happens if nothing does."""
    if len(live) == 1:
        line = live[0]
        project = blocks.escape(line.milestone.project, 80)
        why = f"You are told because {WHY[line.why].format(project=project)}"
        if line.why != "owner":
            late = line.milestone.days_left(today) < 0
            why += ", and it is overdue" if late else ", and nobody owns it yet"
        why += "."
        if line.next_on is None:
            return why
        also = f", and then {_name(line.next_also)} hears of it too" if line.next_also else ""
        return f"{why} If nothing changes, the next reminder comes on {words.day(line.next_on, today)}{also}."
    every = scene.policy.milestones.overdue_every.days
    return (
        f"What stays open is said again before it is due and on the day, then every {words.days(every)} while it is "
        "overdue, to one more person each time."
    )


def _name(who: PersonRef) -> str:
    return blocks.mention(who.slack_id, who.name)


# --- one milestone


def card(
    record: tuple[MilestoneRecord, PersonRef | None, date], notice: MilestoneCard, scene: Scene
) -> Rendered:
    """A milestone as its owner got it, or as it was promised in a channel."""
    milestone, by, today = record
    if not scene.is_closed:
        text = "A milestone was promised here. It is not shown, because people from outside read this channel."
        return Rendered(
            text, [blocks.section(text), blocks.context("Members see it by `/mlgov milestones`.")]
        )
    who = _name(by) if by is not None else "An administrator"
    plain = blocks.escape(by.name, 60) if by is not None else "An administrator"
    state = words.STATES[milestone.status]
    if not milestone.is_open:
        line = words.line(milestone, today)
        news = words.due(milestone, today) if milestone.actual else "was dropped"
        text = f"{words.plainly(milestone)} {news}"
        return Rendered(text, [blocks.section(line)], is_final=True)
    owner = _name(milestone.owner) if milestone.owner else "nobody yet"
    news = {"handed": "handed you", "named": "put you down for", "promised": "noted a promise:"}[
        notice.why
    ]
    is_mine = scene.reader_id is not None and (
        milestone.owner is not None and milestone.owner.id == scene.reader_id
    )
    text = f"{plain} {news} {words.plainly(milestone)}, {words.due(milestone, today)}"
    head = f"{who} {news} {words.line(milestone, today)}"
    if scene.reader_id is not None and not is_mine:
        return Rendered(
            f"{words.plainly(milestone)} is no longer yours",
            [blocks.section(f"{words.line(milestone, today)}\nIt is with {owner} now.")],
        )
    body = [blocks.section(head)]
    body.append(words.buttons(milestone, "card", is_primary=is_mine, snoozes=is_mine))
    facts = [f"{state} · owned by {owner}"]
    if is_mine:
        facts.append(_coming(scene))
    body.append(blocks.context(*facts))
    return Rendered(text, body)


def _coming(scene: Scene) -> str:
    """When reminders come, as the policy says."""
    before = [number for number in scene.policy.milestones.days_before if number]
    on_day = 0 in scene.policy.milestones.days_before
    days = " and ".join(
        part
        for part in (
            f"{', '.join(str(number) for number in before)} {'day' if before[-1] == 1 and len(before) == 1 else 'days'} before"
            if before
            else "",
            "on the day" if on_day else "",
        )
        if part
    )
    return f"You are reminded {days}." if days else "You are reminded when it is overdue."


# --- what was overdue when it was imported


def overdue(card: OverdueList, notice: OverdueFound, scene: Scene) -> Rendered:
    """One list, one decision: whether reminders start."""
    many = len(card.milestones)
    if card.started_at is not None:
        by = _name(card.started_by) if card.started_by else "An administrator"
        line = f"Reminders started · {blocks.counted(many, 'overdue milestone')} from {blocks.escape(card.file, 80)} · by {by}, {blocks.when(card.started_at)}"
        text = f"Reminders of {blocks.counted(many, 'overdue milestone')} started"
        return Rendered(text, [blocks.section(line)], is_final=True)
    if not many:
        text = f"Nothing of {blocks.escape(card.file, 80)} is overdue any more"
        return Rendered(text, [blocks.section(text)])
    were = "milestone was" if many == 1 else "milestones were"
    news = f"{many} {were} overdue already when {blocks.escape(card.file, 80)} came in"
    lines = [f"• {words.line(one, card.today)}" for one in card.milestones[:LINES]]
    if many > LINES:
        lines.append(f"…and {many - LINES} more: `/mlgov milestones`")
    them = "it" if many == 1 else "them"
    facts = [
        f"Nobody was reminded of {them}. Close or reschedule what is settled first, then start."
    ]
    if card.handled:
        facts.append(f"{card.handled} settled since")
    return Rendered(
        news,
        [
            blocks.section(f"*{news}*\n" + "\n".join(lines)),
            blocks.actions(
                [
                    blocks.button(
                        "Start reminding", words.START, OverdueRef(card.id).text, style="primary"
                    ),
                    blocks.button("Look through", words.LOOK, OverdueRef(card.id).text),
                ],
                block_id=f"overdue-{card.id}",
            ),
            blocks.context(*facts),
        ],
    )
