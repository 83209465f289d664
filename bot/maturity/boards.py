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


def details(found: CycleResult, *, with_single: bool = False) -> Block:
    """Everything that is told of a result; `with_single` leads an assessor on to single answers."""
    shown: list[Block] = [blocks.section(f"*{words.headline(found)}*")]
    shown += [blocks.section(_detail(one)) for one in found.dimensions]
    for unit in sorted({unit for one in found.dimensions for unit in one.units}):
        levels = ", ".join(
            f"{blocks.escape(one.name)} {words.level(one.units[unit])}"
            for one in found.dimensions
            if unit in one.units
        )
        shown.append(blocks.section(f"*{blocks.escape(unit, 80)}*: {levels}"))
    shown.append(
        blocks.context(
            "A statement holds when at least two thirds of those who can tell say so (partly counts half) and they are at "
            "least half of all who answered. A level is the highest whose statements all hold, with all below it; overall "
            f"is the lowest. Nothing is told of fewer than {found.fewest} people, also not by subtraction."
        )
    )
    if with_single:
        button = blocks.button("Single answers", words.SINGLE, CycleRef(found.cycle_id).text)
        shown.append(blocks.actions([button], block_id="maturity-single"))
    return blocks.modal("Maturity", shown, callback_id="notice", close="Close")


def _detail(one: DimensionResult) -> str:
    if one.level is None:
        return f"*{blocks.escape(one.name)}*: too few answered all of it to tell"
    lines = [messages.line(one)]
    if one.before is not None:
        lines.append(f"Last time: {words.level(one.before)}")
    if one.leaders and one.practitioners:
        lines.append(
            f"Leaders: {words.level(one.leaders)} · practitioners: {words.level(one.practitioners)}"
        )
    if one.missing:
        lines.append("Does not hold yet:")
        lines += [f"• {blocks.escape(text)}" for text in one.missing]
    if one.differs:
        lines.append(f"Seen most differently: “{blocks.escape(one.differs)}”")
    else:
        lines.append("No statement is named as seen differently: most or all people agree on each.")
    return "\n".join(lines)


def plan(found: Plan, unit: str) -> list[Block]:
    """Whom a check-in would ask, before anybody is."""
    where = f" in {blocks.escape(found.business_unit, 80)}" if found.business_unit else ""
    return [
        blocks.section(
            f"*This asks {found.people} people{where}: {blocks.counted(found.leaders, 'leader')} and "
            f"{blocks.counted(found.practitioners, 'practitioner')}*\n{found.statements} statements, "
            f"{words.about(minutes(found.statements))} each, {words.until(found.closes_at)}"
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


def cycle(found: CycleStatus) -> list[Block]:
    """How an open check-in goes, with what a leader can do."""
    which = f" of {blocks.escape(found.business_unit, 60)}" if found.business_unit else ""
    value = CycleRef(found.cycle_id).text
    early = blocks.button(
        "Early result",
        words.EARLY,
        value,
        confirm=blocks.confirm(
            "Look before it closes?",
            f"It counts people in steps of {found.fewest}. Afterwards the final result compares neither leaders with "
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
            f"{words.answered(found.finished, found.invited, found.fewest)} Nobody can answer after that.",
            yes="Close it",
            no="Keep it open",
            danger=True,
        ),
    )
    return [
        blocks.section(
            f"*Open{which}: {found.invited} people are asked* · {words.until(found.closes_at)}\n"
            f"{words.answered(found.finished, found.invited, found.fewest)}"
        ),
        blocks.actions([early, close], block_id=f"maturity-cycle-{value}"),
    ]


def targets(found: Targets, *, may_set: bool) -> list[Block]:
    """What leaders aim for, and what is missing."""
    if not found.names:
        return [
            blocks.section("Targets need a result first: none of the check-ins was closed yet.")
        ]
    shown: list[Block] = []
    aimed = [
        f"*{blocks.escape(name)}*: {words.level(found.levels[key])}"
        for key, name in found.names.items()
        if key in found.levels
    ]
    if aimed:
        shown.append(blocks.section("*We aim for*\n" + "\n".join(aimed)))
        if not found.gaps:
            shown.append(blocks.section("Every target that can be told is reached."))
    else:
        shown.append(blocks.section("*No targets yet.*"))
    for gap in found.gaps:
        shown.append(
            blocks.section(
                f"*{blocks.escape(gap.name)}*: {words.level(gap.level)} → {words.level(gap.target)}, "
                f"{blocks.counted(len(gap.missing), 'statement')} to go"
            )
        )
        shown += [_missing(one, found.business_unit, may_set) for one in gap.missing]
    if may_set:
        label = "Change targets" if aimed else "Set targets"
        shown.append(
            blocks.actions(
                [blocks.button(label, words.TARGETS, UnitRef(found.business_unit).text)],
                block_id="maturity-targets",
            )
        )
    return shown


def _missing(one: Missing, unit: str | None, may_plan: bool) -> Block:
    """A statement that does not hold yet, and who does what about it by when."""
    lines = [f"• {blocks.escape(one.text)}"]
    for action in one.actions:
        who = blocks.mention(*action.owner) if action.owner else "nobody"
        state = "done" if action.is_done else f"due {blocks.day(action.due)}"
        lines.append(f"→ {blocks.escape(action.title, 200)} · {who} · {state}")
    if not may_plan:
        return blocks.section("\n".join(lines))
    label = "Plan more" if one.actions else "Plan it"
    value = GapRef(one.id, unit or "").text
    return blocks.section("\n".join(lines), accessory=blocks.button(label, words.PLAN, value))


def targets_window(found: Targets, *, may_set: bool = True) -> Block:
    """The same in a window, once they were set or something was planned."""
    return blocks.modal(
        "Targets", targets(found, may_set=may_set)[:100], callback_id="notice", close="Close"
    )


def plan_action(found: Targets, statement: Missing, *, owner: str | None, due: date) -> Block:
    """Who does what by when, so that a statement holds."""
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
        metadata=GapRef(statement.id, found.business_unit or "").text,
    )


def set_targets(found: Targets) -> Block:
    """A level to aim for in each dimension."""
    choices = [
        blocks.option("No target", NONE),
        blocks.option("Medium", Level.MEDIUM.value),
        blocks.option("High", Level.HIGH.value),
    ]
    by_value = {one["value"]: one for one in choices}
    levels: Mapping[str, Level | None] = (
        {one.key: one.level for one in found.result.dimensions} if found.result else {}
    )
    shown = [
        blocks.input_(
            f"{name} (now {words.level(levels.get(key))})",
            blocks.select(
                words.TARGETS,
                choices,
                placeholder="No target",
                initial=by_value[found.levels[key].value if key in found.levels else NONE],
            ),
            block_id=key,
        )
        for key, name in found.names.items()
    ]
    return blocks.modal(
        "Targets",
        shown,
        callback_id=words.KEEP_TARGETS,
        submit="Set",
        metadata=TargetsWindow(
            found.business_unit, {key: level.value for key, level in found.levels.items()}
        ).text,
    )


def single(found: Sequence[SingleAnswers], label: str) -> Block:
    """Single answers for an assessor, as the check-in promised."""
    shown: list[Block] = [
        blocks.context(f"{label} · {blocks.counted(len(found), 'person', 'people')}")
    ]
    for number, one in enumerate(found[:16], 1):
        who = blocks.escape(one.who, 80) if one.who else f"Somebody ({number})"
        shown.append(blocks.header(who))
        shown += [blocks.section(views.part(part)) for part in one.dimensions if part.answered]
    return blocks.modal("Single answers", shown[:100], callback_id="notice", close="Close")
