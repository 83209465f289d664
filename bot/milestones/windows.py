"""The windows in which milestones are added and changed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot import blocks
from bot.blocks import Block
from bot.interactions import ask, ask_day, ask_person
from bot.milestones import words
from storage.enums import MilestoneType
from workflows.milestones.forms import AddMilestone, Reschedule
from workflows.milestones.records import Detail, MilestoneRecord, SnoozeChoice

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
    return blocks.section(words.line(milestone, today))


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
    shown: list[Block] = []
    options = [blocks.option(name, key) for key, name in projects]
    initial = next((one for one in options if one["value"] == chosen), None)
    if is_fixed and initial is not None:
        shown.append(
            blocks.section(
                f"For *{blocks.escape(initial['text']['text'], 80)}* · for another project: `/mlgov milestones PROJECT`"
            )
        )
    else:
        menu = blocks.select(PROJECT, options, placeholder="Pick a project", initial=initial)
        shown.append(ask(AddMilestone, "project", menu))
    shown += [
        ask(AddMilestone, "title", initial=title),
        ask_day(AddMilestone, "due"),
        ask_person(AddMilestone, "owner_id", owner),
        ask(AddMilestone, "type", _types(), optional=False),
    ]
    if others:
        needed = [
            blocks.option(f"{one.title} · {blocks.day(one.forecast)}", str(one.id))
            for one in others
        ]
        shown.append(
            ask(AddMilestone, "needs", blocks.choices(NEEDS, needed, placeholder="Nothing"))
        )
    return blocks.modal(
        "Add a milestone", shown, callback_id=SUBMIT_ADD, submit="Add", metadata=metadata
    )


def _types() -> blocks.Element:
    options = [blocks.option(label, kind.value) for kind, label in words.TYPES.items()]
    other = next(one for one in options if one["value"] == MilestoneType.OTHER.value)
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
    shown = [_about(milestone, today)]
    if decided_by:
        shown.append(blocks.context(f"A later day has to be approved. {decided_by}"))
    shown += [
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
        shown,
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
    options = [blocks.option(_choice(one, today), one.until.isoformat()) for one in choices]
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


def _choice(one: SnoozeChoice, today: date) -> str:
    until = f"Until {words.day(one.until, today)}"
    if not one.swallows:
        return f"{until} · swallows nothing"
    told = ", ".join(words.day(each, today) for each in one.swallows)
    if len(one.swallows) > 2:
        last = words.day(one.swallows[-1], today)
        told = f"{len(one.swallows)} reminders, the last on {last}"
        return f"{until} · swallows {told}"
    noun = "the reminder" if len(one.swallows) == 1 else "reminders"
    return f"{until} · swallows {noun} of {told}"


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


def details(found: Detail, today: date) -> Block:
    """Everything about a milestone: its days, what it needs and moves, and how it came to where it is."""
    milestone = found.milestone
    owner = (
        blocks.mention(milestone.owner.slack_id, milestone.owner.name)
        if milestone.owner
        else "nobody yet"
    )
    facts = [
        f"*State*\n{words.STATES[milestone.status] if not milestone.is_dropped else 'Dropped'}",
        f"*Kind*\n{words.TYPES[milestone.type]}",
        f"*First planned for*\n{words.day(milestone.baseline, today)}",
        f"*Due*\n{words.day(milestone.forecast, today)}",
        f"*Owner*\n{owner}",
    ]
    if milestone.actual is not None:
        facts.append(f"*Met*\n{words.day(milestone.actual, today)}")
    elif milestone.expected != milestone.forecast:
        facts.append(f"*Can be met*\n{words.day(milestone.expected, today)}")
    shown = [_about(milestone, today), blocks.fields(facts)]
    if milestone.needs:
        shown.append(
            blocks.section(
                "*Needs*\n"
                + "\n".join(
                    f"• {blocks.escape(one.title, 100)} · "
                    + ("met" if one.is_done else f"by {words.day(one.expected, today)}")
                    for one in milestone.needs[:15]
                )
            )
        )
    if milestone.pushes:
        shown.append(
            blocks.section(
                "*Moves*\n"
                + "\n".join(
                    f"• {blocks.escape(one.title, 100)}, {blocks.escape(one.project, 60)}: {words.day(one.old, today)} → {words.day(one.new, today)}"
                    for one in milestone.pushes[:15]
                )
            )
        )
    if found.moves:
        shown.append(
            blocks.section(
                "*How it moved*, newest first\n"
                + "\n".join(
                    f"• {words.day(one.old, today)} → {words.day(one.new, today)} · {blocks.mention(one.by.slack_id, one.by.name) if one.by else 'by an import'}, {blocks.when(one.at)}"
                    + (f" · request #{one.approval_id}" if one.approval_id else "")
                    + (f"\n   {blocks.quote(one.reason, 150)}" if one.reason else "")
                    for one in found.moves
                )
            )
        )
    names = ", ".join(blocks.mention(one.slack_id, one.name) for one in found.answering)
    if names:
        shown.append(blocks.context(f"Can be changed by {names}"))
    return blocks.modal("Milestone", shown, callback_id="notice", close="Close")
