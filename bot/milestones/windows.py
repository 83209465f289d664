"""The windows in which milestones are added and changed. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bot.charts.drawing import Bar, Picture, Timeline
from bot.milestones import messages
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import ask, ask_day, ask_person
from bot.slack.replies import Private
from storage.enums import MilestoneStatus, MilestoneType
from workflows.milestones.forms import AddMilestone, Reschedule
from workflows.milestones.records import Detail, MilestoneRecord, SnoozeChoice

# --- `/mlgov milestones`
#
# the timeline and the list. Pure.

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
        f"• {messages.milestone_line(milestone, today, with_project=project_key is None)}"
        for milestone in rest[:MOST_LINES]
    ]
    recent = [
        milestone for milestone in met if milestone.actual and today - milestone.actual <= RECENTLY
    ]
    lines += [
        messages.milestone_line(milestone, today, with_project=project_key is None)
        for milestone in recent[:3]
    ]
    if lines:
        body.append(blocks.section("\n".join(lines)))
    if len(rest) > MOST_LINES:
        body.append(
            blocks.context(f"…and {len(rest) - MOST_LINES} more: `/mlgov milestones PROJECT`")
        )
    body.append(
        blocks.actions(
            [blocks.button("Add milestone", messages.ADD, project_key or "-")],
            block_id="milestones",
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
    late = [choice for choice in open_ if choice.status is MilestoneStatus.LATE]
    risky = [choice for choice in open_ if choice.status is MilestoneStatus.AT_RISK]
    coming = next((choice for choice in open_ if choice.forecast >= today), None)
    many = blocks.counted(len(open_), "open milestone")
    facts = [
        f"{len(late)} late" if late else "",
        f"{len(risky)} at risk" if risky else "",
        "all on track" if not late and not risky else "",
        f"next is {blocks.escape(coming.title, 60)}, {messages.due(coming, today)}"
        if coming
        else "",
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
    state = messages.STATES[milestone.status]
    return blocks.section(
        f"{messages.milestone_line(milestone, today, with_project=with_project)}\n{state} · {owner}",
        block_id=f"milestone-{milestone.id}",
        accessory=messages.menu(milestone),
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
    return f"{title}: {worst.title} is {messages.days(worst.slip)} behind the plan"


def _alt(chosen: Sequence[MilestoneRecord], today: date) -> str:
    items = "; ".join(
        f"{blocks.plain(milestone.title, 60)}: "
        + (
            f"met {milestone.actual}"
            if milestone.actual
            else f"due {milestone.forecast}, {messages.STATES[milestone.status].split(' ', 1)[-1].lower() if milestone.status is not MilestoneStatus.ON_TRACK else 'on track'}"
        )
        + f", planned {milestone.baseline}, {milestone.slip:+d} days"
        for milestone in chosen
    )
    return f"Timeline as of {today}. {items}"


# --- The windows in which milestones are added and changed
#
# Pure.

SUBMIT_ADD = "milestones.submit_add"
SUBMIT_DONE = "milestones.submit_done"
SUBMIT_RISK = "milestones.submit_risk"
SUBMIT_MOVE = "milestones.submit_move"
SUBMIT_SNOOZE = "milestones.submit_snooze"
SUBMIT_HAND = "milestones.submit_hand"
SUBMIT_DROP = "milestones.submit_drop"
SUBMIT_CHANGE = "milestones.submit_change"
PROJECT = "project"
TITLE = "title"
DUE = "due"
TYPE = "type"
OWNER = "owner"
NEEDS = "needs"
PROOF, ON, REASON, NEW, UNTIL, TO = ("proof", "on", "reason", "new", "until", "to")
MOST_REASON = 1000


def _about(milestone: MilestoneRecord, today: date) -> Block:
    return blocks.section(messages.milestone_line(milestone, today))


def _reason(label: str, hint: str, initial: str = "") -> Block:
    return blocks.input_(
        label,
        blocks.text_input(
            REASON, multiline=True, initial=initial, min_length=3, max_length=MOST_REASON
        ),
        block_id=REASON,
        hint=hint,
    )


def add(
    *,
    projects: Sequence[tuple[str, str]],
    chosen: str | None,
    is_fixed: bool,
    title: str,
    owner: str | None,
    others: Sequence[MilestoneRecord],
    metadata: str,
) -> Block:
    """A new milestone: what, by when, whose. `projects` are (key, name); `chosen` is the key that is picked already."""
    body: list[Block] = []
    options = [blocks.option(name, key) for key, name in projects]
    initial = next((choice for choice in options if choice["value"] == chosen), None)
    if is_fixed and initial is not None:
        body.append(
            blocks.section(
                f"For *{blocks.escape(initial['text']['text'], 80)}* · for another project: `/mlgov milestones PROJECT`"
            )
        )
    else:
        menu = blocks.select(PROJECT, options, placeholder="Pick a project", initial=initial)
        body.append(ask(AddMilestone, "project", menu))
    body += [
        ask(AddMilestone, "title", initial=title),
        ask_day(AddMilestone, "due"),
        ask_person(AddMilestone, "owner_id", owner),
        ask(AddMilestone, "type", _types(), optional=False),
    ]
    if others:
        needed = [
            blocks.option(f"{choice.title} · {blocks.day(choice.forecast)}", str(choice.id))
            for choice in others
        ]
        body.append(
            ask(AddMilestone, "needs", blocks.choices(NEEDS, needed, placeholder="Nothing"))
        )
    return blocks.modal(
        "Add a milestone", body, callback_id=SUBMIT_ADD, submit="Add", metadata=metadata
    )


def _types() -> blocks.Element:
    options = [blocks.option(label, kind.value) for kind, label in messages.TYPES.items()]
    other = next(choice for choice in options if choice["value"] == MilestoneType.OTHER.value)
    return blocks.select(TYPE, options, placeholder="Pick one", initial=other)


def done(milestone: MilestoneRecord, today: date, *, metadata: str) -> Block:
    """It is met: a word or a link as proof, and the day."""
    return blocks.modal(
        "Done",
        [
            _about(milestone, today),
            blocks.input_(
                "How can one see it?",
                blocks.text_input(
                    PROOF, placeholder="A link, or a word", min_length=2, max_length=MOST_REASON
                ),
                block_id=PROOF,
                hint="Everybody who follows the milestone reads this.",
            ),
            blocks.input_("Met on", blocks.date_picker(ON, initial=today), block_id=ON),
        ],
        callback_id=SUBMIT_DONE,
        submit="Done",
        metadata=metadata,
    )


def at_risk(milestone: MilestoneRecord, today: date, *, metadata: str) -> Block:
    """It may not be met in time, and why."""
    return blocks.modal(
        "At risk",
        [
            _about(milestone, today),
            _reason(
                "What stands in the way?",
                "Everybody who follows it reads this. The day stays; reschedule to move it.",
            ),
        ],
        callback_id=SUBMIT_RISK,
        submit="Mark at risk",
        metadata=metadata,
    )


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody asked before; the window starts with it."""

    new: date
    reason: str


def reschedule(
    milestone: MilestoneRecord,
    today: date,
    *,
    decided_by: str | None,
    metadata: str,
    before: Entered | None = None,
    is_change: bool = False,
) -> Block:
    """Another day and why; `decided_by` names the stages when a later day has to be approved.

    With `is_change` the window changes the request that waits for it.
    """
    body = [_about(milestone, today)]
    if decided_by:
        body.append(blocks.context(f"A later day has to be approved. {decided_by}"))
    body += [
        ask_day(Reschedule, "new", before.new if before else max(milestone.forecast, today)),
        _reason(
            "Why",
            "With other words alone nobody is asked anew; with another day they are."
            if is_change
            else "Those who wait for it read this first.",
            initial=before.reason if before else "",
        ),
    ]
    return blocks.modal(
        "Change the request" if is_change else "Reschedule",
        body,
        callback_id=SUBMIT_CHANGE if is_change else SUBMIT_MOVE,
        submit="Change" if is_change else "Reschedule",
        metadata=metadata,
    )


def snooze(
    milestone: MilestoneRecord,
    today: date,
    choices: Sequence[SnoozeChoice],
    *,
    snoozed_until: date | None,
    metadata: str,
) -> Block:
    """Until when, each choice with what it swallows."""
    options = [
        blocks.option(_choice(choice, today), choice.until.isoformat()) for choice in choices
    ]
    if snoozed_until is not None:
        options.insert(0, blocks.option("Remind me again from now on", today.isoformat()))
    return blocks.modal(
        "Snooze",
        [
            _about(milestone, today),
            blocks.input_(
                "Until when",
                blocks.radio(UNTIL, options, initial=options[0]),
                block_id=UNTIL,
                hint="Only your own reminders of this milestone wait. Others are still told.",
            ),
        ],
        callback_id=SUBMIT_SNOOZE,
        submit="Snooze",
        metadata=metadata,
    )


def _choice(choice: SnoozeChoice, today: date) -> str:
    until = f"Until {messages.day(choice.until, today)}"
    if not choice.swallows:
        return f"{until} · swallows nothing"
    swallowed = ", ".join(messages.day(each, today) for each in choice.swallows)
    if len(choice.swallows) > 2:
        last = messages.day(choice.swallows[-1], today)
        swallowed = f"{len(choice.swallows)} reminders, the last on {last}"
        return f"{until} · swallows {swallowed}"
    noun = "the reminder" if len(choice.swallows) == 1 else "reminders"
    return f"{until} · swallows {noun} of {swallowed}"


def hand_over(milestone: MilestoneRecord, today: date, *, metadata: str) -> Block:
    """Somebody else answers for it from now on."""
    return blocks.modal(
        "Not mine",
        [
            _about(milestone, today),
            blocks.input_(
                "Whose is it?",
                blocks.person_picker(TO, placeholder="Pick somebody"),
                block_id=TO,
                hint="They are told at once if they are at work, and reminded from then on.",
            ),
        ],
        callback_id=SUBMIT_HAND,
        submit="Hand over",
        metadata=metadata,
    )


def drop(milestone: MilestoneRecord, today: date, *, metadata: str) -> Block:
    """It is not wanted any more."""
    return blocks.modal(
        "Drop this milestone",
        [
            _about(milestone, today),
            _reason(
                "Why is it not wanted any more?",
                "It leaves every list and reminder. The ledger keeps that it was dropped.",
            ),
        ],
        callback_id=SUBMIT_DROP,
        submit="Drop",
        metadata=metadata,
    )


def details(detail: Detail, today: date) -> Block:
    """Everything about a milestone: its days, what it needs and moves, and how it came to where it is."""
    milestone = detail.milestone
    owner = (
        blocks.mention(milestone.owner.slack_id, milestone.owner.name)
        if milestone.owner
        else "nobody yet"
    )
    facts = [
        f"*State*\n{messages.STATES[milestone.status] if not milestone.is_dropped else 'Dropped'}",
        f"*Kind*\n{messages.TYPES[milestone.type]}",
        f"*First planned for*\n{messages.day(milestone.baseline, today)}",
        f"*Due*\n{messages.day(milestone.forecast, today)}",
        f"*Owner*\n{owner}",
    ]
    if milestone.actual is not None:
        facts.append(f"*Met*\n{messages.day(milestone.actual, today)}")
    elif milestone.expected != milestone.forecast:
        facts.append(f"*Can be met*\n{messages.day(milestone.expected, today)}")
    body = [_about(milestone, today), blocks.fields(facts)]
    if milestone.needs:
        body.append(
            blocks.section(
                "*Needs*\n"
                + "\n".join(
                    f"• {blocks.escape(choice.title, 100)} · "
                    + ("met" if choice.is_done else f"by {messages.day(choice.expected, today)}")
                    for choice in milestone.needs[:15]
                )
            )
        )
    if milestone.pushes:
        body.append(
            blocks.section(
                "*Moves*\n"
                + "\n".join(
                    f"• {blocks.escape(choice.title, 100)}, {blocks.escape(choice.project, 60)}: {messages.day(choice.old, today)} → {messages.day(choice.new, today)}"
                    for choice in milestone.pushes[:15]
                )
            )
        )
    if detail.moves:
        body.append(
            blocks.section(
                "*How it moved*, newest first\n"
                + "\n".join(
                    f"• {messages.day(choice.old, today)} → {messages.day(choice.new, today)} · {blocks.mention(choice.by.slack_id, choice.by.name) if choice.by else 'by an import'}, {blocks.when(choice.at)}"
                    + (f" · request #{choice.approval_id}" if choice.approval_id else "")
                    + (f"\n   {blocks.quote(choice.reason, 150)}" if choice.reason else "")
                    for choice in detail.moves
                )
            )
        )
    names = ", ".join(blocks.mention(choice.slack_id, choice.name) for choice in detail.answering)
    if names:
        body.append(blocks.context(f"Can be changed by {names}"))
    return blocks.modal("Milestone", body, callback_id="notice", close="Close")
