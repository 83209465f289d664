"""Windows of a check-in. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import blocks
from bot.blocks import Block
from bot.maturity import messages, words
from storage.enums import Answer, Level
from workflows.maturity.forms import COMMENT, LINK, REASON
from workflows.maturity.records import (
    CycleResult,
    CycleStatus,
    DimensionPart,
    DimensionResult,
    MyCheckIn,
    Plan,
    SingleAnswers,
    Targets,
    minutes,
)

COMMENT_FIELD, LINK_FIELD, REASON_FIELD = "comment", "link", "reason"
NONE = "none"

_CHOICES = [blocks.option(text, answer.value) for answer, text in words.ANSWERS.items()]


def dimension(found: MyCheckIn, position: int) -> Block:
    """One part: each tap is kept at once; Next shows the following one in place."""
    here = found.dimensions[position]
    of = len(found.dimensions)
    left = sum(one.answer is None for one in here.statements)
    time = words.about(minutes(left)) if left else "all answered"
    shown: list[Block] = [
        blocks.context(
            f"*{blocks.escape(here.name)}* · {position + 1} of {of} · {time} · {words.seen_shortly(found.terms)}"
        )
    ]
    shown += [
        blocks.input_(
            one.text,
            blocks.radio(words.ANSWER, _CHOICES, initial=_choice(one.answer)),
            block_id=one.id,
            optional=True,
            dispatch=True,
        )
        for one in here.statements
    ]
    if here.comment:
        shown.append(blocks.context(f"Your comment: {blocks.quote(here.comment, 300)}"))
    if here.link:
        shown.append(blocks.context(f"Your proof: {blocks.escape(here.link, 300)}"))
    value = f"{found.id}:{position}"
    row = [
        blocks.button(
            "Change comment or proof"
            if here.comment or here.link
            else "Add comment or proof",
            words.NOTE,
            value,
        )
    ]
    if position:
        row.append(blocks.button("Back", words.BACK, f"{found.id}:{position - 1}"))
    shown.append(blocks.actions(row, block_id=f"way-{position}"))
    return blocks.modal(
        "Maturity check-in",
        shown,
        callback_id=words.NEXT,
        submit="Next" if position + 1 < of else "Finish",
        close="Save and leave",
        metadata=value,
    )


def _choice(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return blocks.option(words.ANSWERS[answer], answer.value)


def end(found: MyCheckIn) -> Block:
    """After the last part: thank you, or what is still open."""
    if found.answered == found.total:
        shown = [
            blocks.section(
                f"*All {found.total} answered, thank you.*\nYou can change your answers {words.until(found.closes_at)}. "
                "The result is told when the check-in closes."
            ),
            blocks.context("`/mlgov maturity answers` shows what you said."),
        ]
    else:
        open_ = [
            (position, one)
            for position, one in enumerate(found.dimensions)
            if not one.is_done
        ]
        lines = [
            f"• {blocks.escape(one.name)}: {len(one.statements) - one.answered} open"
            for _, one in open_
        ]
        shown = [
            blocks.section(
                f"*{found.answered} of {found.total} answered.* A part counts once all of it is answered; “don't know” is an "
                "answer too.\n" + "\n".join(lines)
            ),
            blocks.actions(
                [
                    blocks.button(
                        f"Go to {one.name}", words.BACK, f"{found.id}:{position}"
                    )
                    for position, one in open_[:3]
                ],
                block_id="way-open",
            ),
        ]
    return blocks.modal("Maturity check-in", shown, callback_id="notice", close="Close")


def note(found: MyCheckIn, position: int) -> Block:
    """A comment and a link to proof, in place of the part they belong to."""
    here = found.dimensions[position]
    return blocks.modal(
        "Comment and proof",
        [
            blocks.context(
                f"*{blocks.escape(here.name)}* · {words.seen_shortly(found.terms)}"
            ),
            blocks.input_(
                "Comment",
                blocks.text_input(
                    COMMENT_FIELD,
                    multiline=True,
                    initial=here.comment,
                    max_length=COMMENT,
                ),
                block_id=COMMENT_FIELD,
                optional=True,
            ),
            blocks.input_(
                "Link to proof",
                blocks.text_input(
                    LINK_FIELD,
                    initial=here.link,
                    placeholder="https://…",
                    max_length=LINK,
                ),
                block_id=LINK_FIELD,
                optional=True,
                hint="A page, a run or a dashboard that shows it.",
            ),
            blocks.actions(
                [
                    blocks.button(
                        "Back without it", words.BACK, f"{found.id}:{position}"
                    )
                ],
                block_id="way-note",
            ),
        ],
        callback_id=words.KEEP_NOTE,
        submit="Keep",
        close="Leave",
        metadata=f"{found.id}:{position}",
    )


def skip(found: MyCheckIn) -> Block:
    """Why not this time."""
    kept = (
        f"What you answered so far ({found.answered} of {found.total}) is kept. "
        if found.answered
        else ""
    )
    return blocks.modal(
        "Skip this check-in",
        [
            blocks.section(
                f"{kept}You are not reminded again, and can take part after all {words.until(found.closes_at)}."
            ),
            blocks.input_(
                "Why",
                blocks.text_input(
                    REASON_FIELD, multiline=True, min_length=3, max_length=REASON
                ),
                block_id=REASON_FIELD,
                hint="Like “on leave until March” or “I don't work with models”. Seen like your answers.",
            ),
        ],
        callback_id=words.KEEP_SKIP,
        submit="Skip",
        metadata=str(found.id),
    )


def said(found: MyCheckIn) -> list[Block]:
    """Everything that the person said, part by part."""
    shown = [
        blocks.section(
            f"*What you said* · {words.name(found)} · {found.answered} of {found.total} answered"
        )
    ]
    for position, one in enumerate(found.dimensions):
        change = (
            blocks.button("Change", words.OPEN, f"{found.id}:{position}")
            if found.is_open
            else None
        )
        shown.append(blocks.section(_part(one), accessory=change))
    closing = (
        f"You can change your answers {words.until(found.closes_at)}"
        if found.is_open
        else "The check-in is closed; this is what was kept"
    )
    shown.append(blocks.context(f"{closing} · {words.seen_shortly(found.terms)}"))
    return shown


def _part(one: DimensionPart) -> str:
    lines = [f"*{blocks.escape(one.name)}*"]
    lines += [
        f"• {blocks.escape(item.text)} *{words.ANSWERS[item.answer] if item.answer else 'open'}*"
        for item in one.statements
    ]
    if one.comment:
        lines.append(blocks.quote(one.comment, 500))
    if one.link:
        lines.append(f"Proof: {blocks.escape(one.link, 300)}")
    return "\n".join(lines)


def said_window(found: MyCheckIn) -> Block:
    """The same in a window."""
    return blocks.modal("What I said", said(found), callback_id="notice", close="Close")


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
        button = blocks.button("Single answers", words.SINGLE, str(found.cycle_id))
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
        lines.append("Does not hold yet: " + _listed(one.missing))
    if one.differs:
        lines.append(f"Seen most differently: “{blocks.escape(one.differs)}”")
    return "\n".join(lines)


def _listed(texts: Sequence[str]) -> str:
    return " ".join(f"“{blocks.escape(text)}”" for text in texts)


def plan(found: Plan, unit: str) -> list[Block]:
    """Whom a check-in would ask, before anybody is."""
    where = (
        f" in {blocks.escape(found.business_unit, 80)}" if found.business_unit else ""
    )
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
                    "Start the check-in", words.START, unit or "-", style="primary"
                )
            ],
            block_id="maturity-start",
        ),
    ]


def cycle(found: CycleStatus) -> list[Block]:
    """How an open check-in goes, with what a leader can do."""
    which = (
        f" of {blocks.escape(found.business_unit, 60)}" if found.business_unit else ""
    )
    value = str(found.cycle_id)
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
            f"{found.finished} of {found.invited} people have answered all of it. Nobody can answer after that.",
            yes="Close it",
            no="Keep it open",
            danger=True,
        ),
    )
    return [
        blocks.section(
            f"*Open{which}: {found.finished} of {found.invited} people answered all of it* · {words.until(found.closes_at)}\n"
            f"{found.started} are on their way, {found.skipped} skipped. Who that is stays with them."
        ),
        blocks.actions([early, close], block_id=f"maturity-cycle-{value}"),
    ]


def targets(found: Targets, *, may_set: bool) -> list[Block]:
    """What leaders aim for, and what is missing."""
    if not found.names:
        return [
            blocks.section(
                "Targets need a result first: none of the check-ins was closed yet."
            )
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
    shown += [
        blocks.section(
            f"*{blocks.escape(gap.name)}*: {words.level(gap.level)} → {words.level(gap.target)}, "
            f"{blocks.counted(len(gap.missing), 'statement')} to go\n"
            + "\n".join(f"• {blocks.escape(text)}" for text in gap.missing)
        )
        for gap in found.gaps
    ]
    if may_set:
        label = "Change targets" if aimed else "Set targets"
        shown.append(
            blocks.actions(
                [blocks.button(label, words.TARGETS, found.business_unit or "-")],
                block_id="maturity-targets",
            )
        )
    return shown


def targets_window(found: Targets) -> Block:
    """The same in a window, once they were set."""
    return blocks.modal(
        "Targets", targets(found, may_set=False), callback_id="notice", close="Close"
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
                initial=by_value[
                    found.levels[key].value if key in found.levels else NONE
                ],
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
        metadata=found.business_unit or "-",
    )


def single(found: Sequence[SingleAnswers], label: str) -> Block:
    """Single answers for an assessor, as the check-in promised."""
    shown: list[Block] = [
        blocks.context(f"{label} · {blocks.counted(len(found), 'person', 'people')}")
    ]
    for number, one in enumerate(found[:16], 1):
        who = blocks.escape(one.who, 80) if one.who else f"Somebody ({number})"
        shown.append(blocks.header(who))
        shown += [
            blocks.section(_part(part)) for part in one.dimensions if part.answered
        ]
    return blocks.modal(
        "Single answers",
        shown[:100],
        callback_id="notice",
        close="Close",
    )
