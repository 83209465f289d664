"""How notices about milestones are shown. Pure."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import MilestoneChoice, MilestoneRef, OverdueRef
from storage.enums import MilestoneStatus, MilestoneType
from workflows.milestones import lists
from workflows.milestones.notices import MilestoneCard, OverdueFound, RemindersDue
from workflows.milestones.records import (
    Line,
    MilestoneRecord,
    Needed,
    OverdueList,
    PersonRef,
    Pushed,
    ReminderCard,
)

# --- Milestones in words
#
# the phrases that reminders, cards, lists and windows share. Pure.

DONE = "milestones.done"
RESCHEDULE = "milestones.reschedule"
MORE = "milestones.more"
ADD = "milestones.add"
START = "milestones.start"
LOOK = "milestones.look"
RISK = "risk"
TRACK = "track"
SNOOZE = "snooze"
HAND = "hand"
DROP = "drop"
DETAILS = "details"
"""What the menu More offers; the value of an option begins with it."""

STATES = {
    MilestoneStatus.ON_TRACK: "On track",
    MilestoneStatus.AT_RISK: "⚠️ At risk",
    MilestoneStatus.LATE: "⌛ Late",
    MilestoneStatus.DONE: "✅ Done",
}
TYPES = {
    MilestoneType.INTAKE_APPROVED: "Idea approved",
    MilestoneType.BUSINESS_CASE_SIGNED: "Business case signed",
    MilestoneType.DATA_READY: "Data ready",
    MilestoneType.PROTOTYPE: "Prototype",
    MilestoneType.VALIDATION_START: "Validation starts",
    MilestoneType.VALIDATION_DONE: "Validation done",
    MilestoneType.APPROVAL: "Approval",
    MilestoneType.DEPLOYED: "Deployed",
    MilestoneType.FIRST_VALUE: "First value",
    MilestoneType.BENEFITS_REVIEW_90D: "Benefits review after 90 days",
    MilestoneType.PERIODIC_REVIEW: "Periodic review",
    MilestoneType.RETIRED: "Retired",
    MilestoneType.OTHER: "Something else",
}
_LINK = re.compile(r"^https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~/?#=&%+-]*)?$")


def day(value: date, today: date) -> str:
    """`Thu 29 Jan`, with the year where it is another one."""
    return blocks.day(value, today)


def days(number: int) -> str:
    """`1 day`, `12 days`."""
    return blocks.counted(number, "day")


def named(milestone: MilestoneRecord, *, with_project: bool = True) -> str:
    """`*Validation report*, Support chatbot`."""
    title = f"*{blocks.escape(milestone.title, 120)}*"
    if not with_project:
        return title
    return f"{title}, {blocks.escape(milestone.project, 80)}"


def plainly(milestone: MilestoneRecord) -> str:
    """`Validation report (Support chatbot)`, for notification texts."""
    return f"{blocks.escape(milestone.title, 120)} ({blocks.escape(milestone.project, 80)})"


def due(milestone: MilestoneRecord, today: date) -> str:
    """`due tomorrow, Fri 30 Jan`; `was due Mon 26 Jan, 3 days overdue`; `met Mon 26 Jan, 2 days late`."""
    if milestone.actual is not None:
        return f"met {day(milestone.actual, today)}{_beside_plan(milestone)}"
    left = milestone.days_left(today)
    when = day(milestone.forecast, today)
    if left < 0:
        return f"was due {when}, {days(-left)} overdue"
    if left == 0:
        return "due today"
    return f"due tomorrow, {when}" if left == 1 else f"due {when}"


def is_due(milestone: MilestoneRecord, today: date) -> str:
    """The same as the end of a sentence: `is due today`, `was due Mon 26 Jan, 3 days overdue`."""
    phrase = due(milestone, today)
    return phrase if phrase.startswith(("was", "met")) else f"is {phrase}"


def _beside_plan(milestone: MilestoneRecord) -> str:
    if milestone.slip == 0:
        return ", as planned"
    which = "late" if milestone.slip > 0 else "early"
    return f", {days(abs(milestone.slip))} {which}"


def slipped(milestone: MilestoneRecord) -> str | None:
    """`slipped 12 days` from the day first promised; None when it did not move."""
    moved = (milestone.forecast - milestone.baseline).days
    if milestone.actual is not None or not moved:
        return None
    return f"slipped {days(moved)}" if moved > 0 else f"{days(-moved)} earlier than planned"


def moves(pushes: Sequence[Pushed], project: str, today: date) -> str | None:
    """`moves *Launch* to Mon 16 Feb and 2 more`; None when it moves nothing."""
    if not pushes:
        return None
    first = pushes[0]
    where = "" if first.project == project else f" ({blocks.escape(first.project, 60)})"
    more = f" and {len(pushes) - 1} more" if len(pushes) > 1 else ""
    return f"moves *{blocks.escape(first.title, 80)}*{where} to {day(first.new, today)}{more}"


def held_up(milestone: MilestoneRecord, today: date) -> str | None:
    """`cannot be met before Mon 16 Feb: needs *Data ready*`; None when nothing holds it up."""
    if not milestone.is_open or milestone.expected <= max(milestone.forecast, today):
        return None
    waiting = [needed for needed in milestone.needs if not needed.is_done] or milestone.needs
    latest: Needed | None = max(waiting, key=lambda needed: needed.expected, default=None)
    why = f": needs *{blocks.escape(latest.title, 80)}*" if latest else ""
    return f"cannot be met before {day(milestone.expected, today)}{why}"


def facts(milestone: MilestoneRecord, today: date) -> list[str]:
    """What follows from its days: how far it slipped, what it moves, what holds it up; one line, or none."""
    moved = moves(milestone.pushes, milestone.project, today)
    consequences = [fact for fact in (moved, held_up(milestone, today)) if fact]
    return [_sentence(" · ".join(consequences))] if consequences else []


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def milestone_line(milestone: MilestoneRecord, today: date, *, with_project: bool = True) -> str:
    """A milestone in a list: its name and day, and below what follows, why it is at risk and what is asked."""
    name = named(milestone, with_project=with_project)
    if milestone.is_dropped:
        return f"Dropped · {name}"
    head = [name, due(milestone, today), slipped(milestone)]
    if milestone.actual is not None:
        proof = linked(milestone.proof) if milestone.proof else None
        parts = [STATES[MilestoneStatus.DONE], *head, proof]
        return " · ".join(part for part in parts if part)
    first = " · ".join(part for part in head if part)
    return "\n".join([first, *below(milestone, today)])


def below(milestone: MilestoneRecord, today: date) -> list[str]:
    """What stands under the name of an open milestone."""
    lines = facts(milestone, today)
    if milestone.risk is not None:
        why = f": {blocks.quote(milestone.risk, 160)}" if milestone.risk else ""
        lines.append(f"{STATES[MilestoneStatus.AT_RISK]}{why}")
    if milestone.asked is not None:
        lines.append(asked(milestone, today))
    return lines


def asked(milestone: MilestoneRecord, today: date) -> str:
    """Who asked for which other day."""
    request = milestone.asked
    if request is None:
        return ""
    who = blocks.mention(request.requester.slack_id, request.requester.name)
    return f"Waiting: {who} asked to move it to {day(request.new, today)}; request #{request.approval_id}"


def linked(proof: str) -> str:
    """A proof: a link where it is one and nothing else, else quoted words."""
    if _LINK.match(proof) and len(proof) <= 500:
        return f"<{proof.replace('&', '&amp;')}>"
    return blocks.quote(proof, 200)


def _ref(milestone: MilestoneRecord) -> MilestoneRef:
    return MilestoneRef(milestone.id, milestone.revision)


def value(milestone: MilestoneRecord) -> str:
    """What a button carries: which milestone, as it was shown."""
    return _ref(milestone).text


def buttons(
    milestone: MilestoneRecord,
    place: str,
    *,
    is_primary: bool = False,
    is_snoozed: bool = False,
    snoozes: bool = True,
) -> Block:
    """`Done` `Reschedule` and the rest behind More."""
    return blocks.actions(
        [
            blocks.button(
                "Done",
                DONE,
                value(milestone),
                style="primary" if is_primary else None,
                hint=f"Done: {milestone.title}",
            ),
            blocks.button(
                "Reschedule", RESCHEDULE, value(milestone), hint=f"Reschedule: {milestone.title}"
            ),
            more(milestone, snoozes=snoozes, is_snoozed=is_snoozed),
        ],
        block_id=f"{place}-{milestone.id}",
    )


def _choice(milestone: MilestoneRecord, label: str, verb: str) -> Element:
    return blocks.option(label, MilestoneChoice(verb, _ref(milestone)).text)


def _risk_choice(milestone: MilestoneRecord) -> Element:
    if milestone.risk is not None:
        return _choice(milestone, "On track again", TRACK)
    return _choice(milestone, "At risk…", RISK)


def more(milestone: MilestoneRecord, *, snoozes: bool = True, is_snoozed: bool = False) -> Element:
    """The menu More beside the buttons of a milestone."""
    offered = [_risk_choice(milestone)]
    if snoozes:
        offered.append(_choice(milestone, "Snooze…" if not is_snoozed else "Snoozed…", SNOOZE))
    offered += [
        _choice(milestone, "Not mine…", HAND),
        _choice(milestone, "Drop…", DROP),
        _choice(milestone, "Details", DETAILS),
    ]
    return blocks.overflow(MORE, offered)


def menu(milestone: MilestoneRecord) -> Element:
    """Everything that can be done with a milestone in a private list, behind one menu."""
    return blocks.overflow(
        MORE,
        [
            _choice(milestone, "Done…", DONE),
            _choice(milestone, "Reschedule…", RESCHEDULE),
            _risk_choice(milestone),
            _choice(milestone, "Not mine…", HAND),
            _choice(milestone, "Details", DETAILS),
        ],
    )


# --- How notices about milestones are shown
#
# Pure.

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
    rest += [f"• {milestone_line(line.milestone, card.today)}" for line in live[WITH_BUTTONS:LINES]]
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
            return f"{plainly(milestone)} was dropped"
        if milestone.is_open and not live:
            return f"{plainly(milestone)}: nothing left to do here"
        return f"{plainly(milestone)} {is_due(milestone, today)}"
    mine = "of yours" if all(line.why == "owner" for line in lines) else "for you"
    many = f"{len(lines)} milestones {mine}"
    if not live:
        return f"{many}: nothing left to do here"
    late = sum(line.milestone.days_left(today) < 0 for line in lines)
    last = max(line.milestone.forecast for line in lines)
    by = "today" if last == today else f"by {day(last, today)}"
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
        lines = [milestone_line(milestone, today)]
    else:
        slip = slipped(milestone)
        head = f"*{news}*" + (f" · {slip}" if slip else "")
        lines = [head, *below(milestone, today)]
    if line.snoozed_until is not None:
        lines.append(f"Snoozed until {day(line.snoozed_until, today)}")
    return [
        blocks.section("\n".join(lines)),
        buttons(
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
        return milestone_line(milestone, today)
    state = f"{named(milestone)} · {due(milestone, today)}"
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
        return f"{why} If nothing changes, the next reminder comes on {day(line.next_on, today)}{also}."
    every = scene.policy.milestones.overdue_every.days
    return (
        f"What stays open is said again before it is due and on the day, then every {days(every)} while it is "
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
    state = STATES[milestone.status]
    if not milestone.is_open:
        line = milestone_line(milestone, today)
        news = due(milestone, today) if milestone.actual else "was dropped"
        text = f"{plainly(milestone)} {news}"
        return Rendered(text, [blocks.section(line)], is_final=True)
    owner = _name(milestone.owner) if milestone.owner else "nobody yet"
    news = {"handed": "handed you", "named": "put you down for", "promised": "noted a promise:"}[
        notice.why
    ]
    is_mine = scene.reader_id is not None and (
        milestone.owner is not None and milestone.owner.id == scene.reader_id
    )
    text = f"{plain} {news} {plainly(milestone)}, {due(milestone, today)}"
    head = f"{who} {news} {milestone_line(milestone, today)}"
    if scene.reader_id is not None and not is_mine:
        return Rendered(
            f"{plainly(milestone)} is no longer yours",
            [blocks.section(f"{milestone_line(milestone, today)}\nIt is with {owner} now.")],
        )
    body = [blocks.section(head)]
    body.append(buttons(milestone, "card", is_primary=is_mine, snoozes=is_mine))
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
    lines = [f"• {milestone_line(one, card.today)}" for one in card.milestones[:LINES]]
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
                        "Start reminding", START, OverdueRef(card.id).text, style="primary"
                    ),
                    blocks.button("Look through", LOOK, OverdueRef(card.id).text),
                ],
                block_id=f"overdue-{card.id}",
            ),
            blocks.context(*facts),
        ],
    )


# --- What notices about milestones look like


def _reminder(session: Session, notice: RemindersDue, scene: Scene) -> ReminderCard | None:
    return lists.reminder(scene.context(session), notice.reminder_id)


def _card(
    session: Session, notice: MilestoneCard, scene: Scene
) -> tuple[MilestoneRecord, PersonRef | None, date] | None:
    return lists.milestone(scene.context(session), notice.milestone_id, by_id=notice.by_id)


def _overdue(session: Session, notice: OverdueFound, scene: Scene) -> OverdueList | None:
    return lists.load_list(scene.context(session), notice.import_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(RemindersDue, _reminder, reminder),
    Renderer(MilestoneCard, _card, card),
    Renderer(OverdueFound, _overdue, overdue),
)
