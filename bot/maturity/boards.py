"""What leaders and assessors are shown: a plan, how a check-in goes, results in full, targets. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date

from bot import blocks
from bot.blocks import Block
from bot.interactions import CycleRef, GapRef, TargetsWindow, UnitRef
from bot.maturity import messages, views, words
from storage.enums import Level
from workflows.maturity.records import (
    CycleResult,
    CycleStatus,
    DimensionResult,
    Missing,
    Plan,
    SingleAnswers,
    Targets,
    minutes,
)

NONE = "none"
TITLE, OWNER, DUE = "title", "owner", "due"


def details(cycle_result: CycleResult, *, with_single: bool = False) -> Block:
    """Everything that is told of a result; `with_single` leads an assessor on to single answers."""
    body: list[Block] = [blocks.section(f"*{words.headline(cycle_result)}*")]
    body += [blocks.section(_detail(one)) for one in cycle_result.dimensions]
    for unit in sorted({unit for one in cycle_result.dimensions for unit in one.units}):
        levels = ", ".join(
            f"{blocks.escape(one.name)} {words.level(one.units[unit])}"
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
        button = blocks.button("Single answers", words.SINGLE, CycleRef(cycle_result.cycle_id).text)
        body.append(blocks.actions([button], block_id="maturity-single"))
    return blocks.modal("Maturity", body, callback_id="notice", close="Close")


def _detail(dimension: DimensionResult) -> str:
    if dimension.level is None:
        return f"*{blocks.escape(dimension.name)}*: too few answered all of it to tell"
    lines = [messages.line(dimension)]
    if dimension.before is not None:
        lines.append(f"Last time: {words.level(dimension.before)}")
    if dimension.leaders and dimension.practitioners:
        lines.append(
            f"Leaders: {words.level(dimension.leaders)} · practitioners: {words.level(dimension.practitioners)}"
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
            f"{words.about(minutes(draft.statements))} each, {words.until(draft.closes_at)}"
        ),
        blocks.context(
            "They are invited in their own working hours, reminded twice, and told who can see what."
        ),
        blocks.actions(
            [
                blocks.button(
                    "Start the check-in", words.START, UnitRef(unit or None).text, style="primary"
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
        words.EARLY,
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
        words.CLOSE,
        value,
        confirm=blocks.confirm(
            "Close this check-in?",
            f"{words.answered(status.finished, status.invited, status.fewest)} Nobody can answer after that.",
            yes="Close it",
            no="Keep it open",
            danger=True,
        ),
    )
    return [
        blocks.section(
            f"*Open{which}: {status.invited} people are asked* · {words.until(status.closes_at)}\n"
            f"{words.answered(status.finished, status.invited, status.fewest)}"
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
        f"*{blocks.escape(name)}*: {words.level(aims.levels[key])}"
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
                f"*{blocks.escape(gap.name)}*: {words.level(gap.level)} → {words.level(gap.target)}, "
                f"{blocks.counted(len(gap.missing), 'statement')} to go"
            )
        )
        body += [_missing(one, aims.business_unit, may_set) for one in gap.missing]
    if may_set:
        label = "Change targets" if aimed else "Set targets"
        body.append(
            blocks.actions(
                [blocks.button(label, words.TARGETS, UnitRef(aims.business_unit).text)],
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
    return blocks.section("\n".join(lines), accessory=blocks.button(label, words.PLAN, value))


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
            blocks.input_(
                "What is done",
                blocks.text_input(TITLE, placeholder="In a few words", max_length=200),
                block_id=TITLE,
            ),
            blocks.input_(
                "Who answers for it",
                blocks.person_picker(OWNER, placeholder="Pick somebody", initial=owner),
                block_id=OWNER,
            ),
            blocks.input_("By when", blocks.date_picker(DUE, initial=due), block_id=DUE),
            blocks.context(
                "This becomes a milestone of the maturity programme: its owner is reminded, and `/mlgov milestones` shows it."
            ),
        ],
        callback_id=words.KEEP_PLAN,
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
            f"{name} (now {words.level(levels.get(key))})",
            blocks.select(
                words.TARGETS,
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
        callback_id=words.KEEP_TARGETS,
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
        body += [blocks.section(views.part(part)) for part in person.dimensions if part.answered]
    return blocks.modal("Single answers", body[:100], callback_id="notice", close="Close")
