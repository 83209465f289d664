"""Milestones in words: the phrases that reminders, cards, lists and windows share. Pure."""

import re
from collections.abc import Sequence
from datetime import date

from bot import blocks
from bot.blocks import Block, Element
from bot.interactions import MilestoneChoice, MilestoneRef
from storage.enums import MilestoneStatus, MilestoneType
from workflows.milestones.records import MilestoneRecord, Needed, Pushed

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


def line(milestone: MilestoneRecord, today: date, *, with_project: bool = True) -> str:
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
