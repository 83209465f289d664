"""Windows of a check-in. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from bot.maturity import messages
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import (
    CheckInPart,
    CheckInRef,
    CycleRef,
    GapRef,
    TargetsWindow,
    UnitRef,
    ask,
    ask_day,
    ask_person,
)
from storage.enums import Answer, Level
from workflows.maturity.forms import Skip, WriteNote
from workflows.maturity.records import (
    CycleResult,
    CycleStatus,
    DimensionPart,
    DimensionResult,
    Missing,
    MyCheckIn,
    Plan,
    SingleAnswers,
    Targets,
    minutes,
)
from workflows.maturity_actions import PlanAction

_CHOICES = [blocks.option(text, answer.value) for answer, text in messages.ANSWERS.items()]


def dimension(check_in: MyCheckIn, position: int) -> Block:
    """One part: each tap is kept at once; Next shows the following one in place."""
    here = check_in.dimensions[position]
    of = len(check_in.dimensions)
    left = sum(one.answer is None for one in here.statements)
    time = messages.about(minutes(left)) if left else "all answered"
    body: list[Block] = [
        blocks.context(
            f"*{blocks.escape(here.name)}* · {position + 1} of {of} · {time} · {messages.seen_shortly(check_in.terms)}"
        )
    ]
    body += [
        blocks.input_(
            one.text,
            blocks.radio(messages.ANSWER, _CHOICES, initial=_choice(one.answer)),
            block_id=one.id,
            dispatch=True,
        )
        for one in here.statements
    ]
    if here.comment:
        body.append(blocks.context(f"Your comment: {blocks.quote(here.comment, 300)}"))
    if here.link:
        body.append(blocks.context(f"Your proof: {blocks.escape(here.link, 300)}"))
    value = CheckInPart(check_in.id, position).text
    row = [
        blocks.button(
            "Change comment or proof" if here.comment or here.link else "Add comment or proof",
            messages.NOTE,
            value,
        )
    ]
    if position:
        row.append(
            blocks.button("Back", messages.BACK, CheckInPart(check_in.id, position - 1).text)
        )
    body.append(blocks.actions(row, block_id=f"way-{position}"))
    return blocks.modal(
        "Maturity check-in",
        body,
        callback_id=messages.NEXT,
        submit="Next" if position + 1 < of else "Finish",
        close="Save and leave",
        metadata=value,
    )


def _choice(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return blocks.option(messages.ANSWERS[answer], answer.value)


def end(check_in: MyCheckIn) -> Block:
    """After the last part: thank you, or what is still open."""
    if check_in.answered == check_in.total:
        body = [
            blocks.section(
                f"*All {check_in.total} answered, thank you.*\nYou can change your answers {messages.until(check_in.closes_at)}. "
                "The result is told when the check-in closes."
            ),
            blocks.context("`/mlgov maturity answers` shows what you said."),
        ]
    else:
        open_ = [
            (position, dimension_part)
            for position, dimension_part in enumerate(check_in.dimensions)
            if not dimension_part.is_done
        ]
        lines = [
            f"• {blocks.escape(dimension_part.name)}: {len(dimension_part.statements) - dimension_part.answered} open"
            for _, dimension_part in open_
        ]
        body = [
            blocks.section(
                f"*{check_in.answered} of {check_in.total} answered.* A part counts once all of it is answered; “don't know” is an "
                "answer too.\n" + "\n".join(lines)
            ),
            blocks.actions(
                [
                    blocks.button(
                        f"Go to {dimension_part.name}",
                        messages.BACK,
                        CheckInPart(check_in.id, position).text,
                    )
                    for position, dimension_part in open_[:3]
                ],
                block_id="way-open",
            ),
        ]
    return blocks.modal("Maturity check-in", body, callback_id="notice", close="Close")


def note(check_in: MyCheckIn, position: int) -> Block:
    """A comment and a link to proof, in place of the part they belong to."""
    here = check_in.dimensions[position]
    return blocks.modal(
        "Comment and proof",
        [
            blocks.context(
                f"*{blocks.escape(here.name)}* · {messages.seen_shortly(check_in.terms)}"
            ),
            ask(WriteNote, "comment", initial=here.comment),
            ask(WriteNote, "link", initial=here.link),
            blocks.actions(
                [
                    blocks.button(
                        "Back without it", messages.BACK, CheckInPart(check_in.id, position).text
                    )
                ],
                block_id="way-note",
            ),
        ],
        callback_id=messages.KEEP_NOTE,
        submit="Keep",
        close="Leave",
        metadata=CheckInPart(check_in.id, position).text,
    )


def skip(check_in: MyCheckIn) -> Block:
    """Why not this time."""
    kept = (
        f"What you answered so far ({check_in.answered} of {check_in.total}) is kept. "
        if check_in.answered
        else ""
    )
    return blocks.modal(
        "Skip this check-in",
        [
            blocks.section(
                f"{kept}You are not reminded again, and can take part after all {messages.until(check_in.closes_at)}."
            ),
            ask(Skip, "reason"),
        ],
        callback_id=messages.KEEP_SKIP,
        submit="Skip",
        metadata=CheckInRef(check_in.id).text,
    )


def own_answers(check_in: MyCheckIn) -> list[Block]:
    """Everything that the person said, part by part."""
    body = [
        blocks.section(
            f"*What you said* · {messages.name(check_in)} · {check_in.answered} of {check_in.total} answered"
        )
    ]
    for position, dimension_part in enumerate(check_in.dimensions):
        change = (
            blocks.button("Change", messages.OPEN, CheckInPart(check_in.id, position).text)
            if check_in.is_open
            else None
        )
        body.append(blocks.section(part_words(dimension_part), accessory=change))
    closing = (
        f"You can change your answers {messages.until(check_in.closes_at)}"
        if check_in.is_open
        else "The check-in is closed; this is what was kept"
    )
    body.append(blocks.context(f"{closing} · {messages.seen_shortly(check_in.terms)}"))
    return body


def part_words(dimension_part: DimensionPart) -> str:
    lines = [f"*{blocks.escape(dimension_part.name)}*"]
    lines += [
        f"*{messages.ANSWERS[item.answer] if item.answer else 'Open'}* · {blocks.escape(item.text)}"
        for item in dimension_part.statements
    ]
    if dimension_part.comment:
        lines.append(blocks.quote(dimension_part.comment, 500))
    if dimension_part.link:
        lines.append(f"Proof: {blocks.escape(dimension_part.link, 300)}")
    return "\n".join(lines)


def own_answers_window(check_in: MyCheckIn) -> Block:
    """The same in a window."""
    return blocks.modal("What I said", own_answers(check_in), callback_id="notice", close="Close")


# --- What leaders and assessors are shown
#
# a plan, how a check-in goes, results in full, targets. Pure.

NONE = "none"
TITLE, OWNER, DUE = "title", "owner", "due"


def details(cycle_result: CycleResult, *, with_single: bool = False) -> Block:
    """Everything that is told of a result; `with_single` leads an assessor on to single answers."""
    body: list[Block] = [blocks.section(f"*{messages.headline(cycle_result)}*")]
    body += [blocks.section(_detail(one)) for one in cycle_result.dimensions]
    for unit in sorted({unit for one in cycle_result.dimensions for unit in one.units}):
        levels = ", ".join(
            f"{blocks.escape(one.name)} {messages.level(one.units[unit])}"
            for one in cycle_result.dimensions
            if unit in one.units
        )
        body.append(blocks.section(f"*{blocks.escape(unit, 80)}*: {levels}"))
    body.append(
        blocks.context(
            "A statement holds when at least two thirds of those who can tell say so (partly counts half) and they are at "
            "least half of all who answered. A level is the highest whose statements all hold, with all below it; overall "
            f"is the lowest. Nothing is told of fewer than {cycle_result.fewest} people, also not by subtraction."
        )
    )
    if with_single:
        button = blocks.button(
            "Single answers", messages.SINGLE, CycleRef(cycle_result.cycle_id).text
        )
        body.append(blocks.actions([button], block_id="maturity-single"))
    return blocks.modal("Maturity", body, callback_id="notice", close="Close")


def _detail(dimension: DimensionResult) -> str:
    if dimension.level is None:
        return f"*{blocks.escape(dimension.name)}*: too few answered all of it to tell"
    lines = [messages.line(dimension)]
    if dimension.before is not None:
        lines.append(f"Last time: {messages.level(dimension.before)}")
    if dimension.leaders and dimension.practitioners:
        lines.append(
            f"Leaders: {messages.level(dimension.leaders)} · practitioners: {messages.level(dimension.practitioners)}"
        )
    if dimension.missing:
        lines.append("Does not hold yet:")
        lines += [f"• {blocks.escape(text)}" for text in dimension.missing]
    if dimension.differs:
        lines.append(f"Seen most differently: “{blocks.escape(dimension.differs)}”")
    else:
        lines.append("No statement is named as seen differently: most or all people agree on each.")
    return "\n".join(lines)


def plan(draft: Plan, unit: str) -> list[Block]:
    """Whom a check-in would ask, before anybody is."""
    where = f" in {blocks.escape(draft.business_unit, 80)}" if draft.business_unit else ""
    return [
        blocks.section(
            f"*This asks {draft.people} people{where}: {blocks.counted(draft.leaders, 'leader')} and "
            f"{blocks.counted(draft.practitioners, 'practitioner')}*\n{draft.statements} statements, "
            f"{messages.about(minutes(draft.statements))} each, {messages.until(draft.closes_at)}"
        ),
        blocks.context(
            "They are invited in their own working hours, reminded twice, and told who can see what."
        ),
        blocks.actions(
            [
                blocks.button(
                    "Start the check-in",
                    messages.START,
                    UnitRef(unit or None).text,
                    style="primary",
                )
            ],
            block_id="maturity-start",
        ),
    ]


def cycle(status: CycleStatus) -> list[Block]:
    """How an open check-in goes, with what a leader can do."""
    which = f" of {blocks.escape(status.business_unit, 60)}" if status.business_unit else ""
    value = CycleRef(status.cycle_id).text
    early = blocks.button(
        "Early result",
        messages.EARLY,
        value,
        confirm=blocks.confirm(
            "Look before it closes?",
            f"It counts people in steps of {status.fewest}. Afterwards the final result compares neither leaders with "
            "practitioners nor units, so that nobody can be told apart.",
            yes="Show me",
        ),
    )
    close = blocks.button(
        "Close now",
        messages.CLOSE,
        value,
        confirm=blocks.confirm(
            "Close this check-in?",
            f"{messages.answered(status.finished, status.invited, status.fewest)} Nobody can answer after that.",
            yes="Close it",
            no="Keep it open",
            danger=True,
        ),
    )
    return [
        blocks.section(
            f"*Open{which}: {status.invited} people are asked* · {messages.until(status.closes_at)}\n"
            f"{messages.answered(status.finished, status.invited, status.fewest)}"
        ),
        blocks.actions([early, close], block_id=f"maturity-cycle-{value}"),
    ]


def targets(aims: Targets, *, may_set: bool) -> list[Block]:
    """What leaders aim for, and what is missing."""
    if not aims.names:
        return [
            blocks.section("Targets need a result first: none of the check-ins was closed yet.")
        ]
    body: list[Block] = []
    aimed = [
        f"*{blocks.escape(name)}*: {messages.level(aims.levels[key])}"
        for key, name in aims.names.items()
        if key in aims.levels
    ]
    if aimed:
        body.append(blocks.section("*We aim for*\n" + "\n".join(aimed)))
        if not aims.gaps:
            body.append(blocks.section("Every target that can be told is reached."))
    else:
        body.append(blocks.section("*No targets yet.*"))
    for gap in aims.gaps:
        body.append(
            blocks.section(
                f"*{blocks.escape(gap.name)}*: {messages.level(gap.level)} → {messages.level(gap.target)}, "
                f"{blocks.counted(len(gap.missing), 'statement')} to go"
            )
        )
        body += [_missing(one, aims.business_unit, may_set) for one in gap.missing]
    if may_set:
        label = "Change targets" if aimed else "Set targets"
        body.append(
            blocks.actions(
                [blocks.button(label, messages.TARGETS, UnitRef(aims.business_unit).text)],
                block_id="maturity-targets",
            )
        )
    return body


def _missing(statement: Missing, unit: str | None, may_plan: bool) -> Block:
    """A statement that does not hold yet, and who does what about it by when."""
    lines = [f"• {blocks.escape(statement.text)}"]
    for action in statement.actions:
        who = blocks.mention(*action.owner) if action.owner else "nobody"
        state = "done" if action.is_done else f"due {blocks.day(action.due)}"
        lines.append(f"→ {blocks.escape(action.title, 200)} · {who} · {state}")
    if not may_plan:
        return blocks.section("\n".join(lines))
    label = "Plan more" if statement.actions else "Plan it"
    value = GapRef(statement.id, unit or "").text
    return blocks.section("\n".join(lines), accessory=blocks.button(label, messages.PLAN, value))


def targets_window(aims: Targets, *, may_set: bool = True) -> Block:
    """The same in a window, once they were set or something was planned."""
    return blocks.modal(
        "Targets", targets(aims, may_set=may_set)[:100], callback_id="notice", close="Close"
    )


def plan_action(aims: Targets, statement: Missing, *, owner: str | None, due: date) -> Block:
    """Who does what by when, so that a statement holds."""
    unit = aims.business_unit or ""
    return blocks.modal(
        "Plan an action",
        [
            blocks.section(f"So that this holds: *{blocks.escape(statement.text)}*"),
            ask(PlanAction, "title"),
            ask_person(PlanAction, "owner_id", owner),
            ask_day(PlanAction, "due", due),
            blocks.context(
                "This becomes a milestone of the maturity programme: its owner is reminded, and `/mlgov milestones` shows it."
            ),
        ],
        callback_id=messages.KEEP_PLAN,
        submit="Plan",
        metadata=GapRef(statement.id, unit).text,
    )


def set_targets(aims: Targets) -> Block:
    """A level to aim for in each dimension."""
    choices = [
        blocks.option("No target", NONE),
        blocks.option("Medium", Level.MEDIUM.value),
        blocks.option("High", Level.HIGH.value),
    ]
    by_value = {one["value"]: one for one in choices}
    levels: Mapping[str, Level | None] = (
        {one.key: one.level for one in aims.result.dimensions} if aims.result else {}
    )
    inputs = [
        blocks.input_(
            f"{name} (now {messages.level(levels.get(key))})",
            blocks.select(
                messages.TARGETS,
                choices,
                placeholder="No target",
                initial=by_value[aims.levels[key].value if key in aims.levels else NONE],
            ),
            block_id=key,
        )
        for key, name in aims.names.items()
    ]
    return blocks.modal(
        "Targets",
        inputs,
        callback_id=messages.KEEP_TARGETS,
        submit="Set",
        metadata=TargetsWindow(
            aims.business_unit, {key: level.value for key, level in aims.levels.items()}
        ).text,
    )


def single(people: Sequence[SingleAnswers], label: str) -> Block:
    """Single answers for an assessor, as the check-in promised."""
    body: list[Block] = [
        blocks.context(f"{label} · {blocks.counted(len(people), 'person', 'people')}")
    ]
    for number, person in enumerate(people[:16], 1):
        who = blocks.escape(person.who, 80) if person.who else f"Somebody ({number})"
        body.append(blocks.header(who))
        body += [blocks.section(part_words(part)) for part in person.dimensions if part.answered]
    return blocks.modal("Single answers", body[:100], callback_id="notice", close="Close")
