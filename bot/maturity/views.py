"""Windows of a check-in. Pure."""

from typing import Any

from bot import blocks
from bot.blocks import Block
from bot.interactions import CheckInPart, CheckInRef
from bot.maturity import words
from storage.enums import Answer
from workflows.maturity.forms import COMMENT, LINK, REASON
from workflows.maturity.records import DimensionPart, MyCheckIn, minutes

COMMENT_FIELD, LINK_FIELD, REASON_FIELD = "comment", "link", "reason"

_CHOICES = [blocks.option(text, answer.value) for answer, text in words.ANSWERS.items()]


def dimension(check_in: MyCheckIn, position: int) -> Block:
    """One part: each tap is kept at once; Next shows the following one in place."""
    here = check_in.dimensions[position]
    of = len(check_in.dimensions)
    left = sum(one.answer is None for one in here.statements)
    time = words.about(minutes(left)) if left else "all answered"
    body: list[Block] = [
        blocks.context(
            f"*{blocks.escape(here.name)}* · {position + 1} of {of} · {time} · {words.seen_shortly(check_in.terms)}"
        )
    ]
    body += [
        blocks.input_(
            one.text,
            blocks.radio(words.ANSWER, _CHOICES, initial=_choice(one.answer)),
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
            words.NOTE,
            value,
        )
    ]
    if position:
        row.append(blocks.button("Back", words.BACK, CheckInPart(check_in.id, position - 1).text))
    body.append(blocks.actions(row, block_id=f"way-{position}"))
    return blocks.modal(
        "Maturity check-in",
        body,
        callback_id=words.NEXT,
        submit="Next" if position + 1 < of else "Finish",
        close="Save and leave",
        metadata=value,
    )


def _choice(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return blocks.option(words.ANSWERS[answer], answer.value)


def end(check_in: MyCheckIn) -> Block:
    """After the last part: thank you, or what is still open."""
    if check_in.answered == check_in.total:
        body = [
            blocks.section(
                f"*All {check_in.total} answered, thank you.*\nYou can change your answers {words.until(check_in.closes_at)}. "
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
                        words.BACK,
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
            blocks.context(f"*{blocks.escape(here.name)}* · {words.seen_shortly(check_in.terms)}"),
            blocks.input_(
                "Comment",
                blocks.text_input(
                    COMMENT_FIELD, multiline=True, initial=here.comment, max_length=COMMENT
                ),
                block_id=COMMENT_FIELD,
                optional=True,
            ),
            blocks.input_(
                "Link to proof",
                blocks.text_input(
                    LINK_FIELD, initial=here.link, placeholder="https://…", max_length=LINK
                ),
                block_id=LINK_FIELD,
                optional=True,
                hint="A page, a run or a dashboard that shows it.",
            ),
            blocks.actions(
                [
                    blocks.button(
                        "Back without it", words.BACK, CheckInPart(check_in.id, position).text
                    )
                ],
                block_id="way-note",
            ),
        ],
        callback_id=words.KEEP_NOTE,
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
                f"{kept}You are not reminded again, and can take part after all {words.until(check_in.closes_at)}."
            ),
            blocks.input_(
                "Why",
                blocks.text_input(REASON_FIELD, multiline=True, min_length=3, max_length=REASON),
                block_id=REASON_FIELD,
                hint="Like “on leave until March” or “I don't work with models”. Seen like your answers.",
            ),
        ],
        callback_id=words.KEEP_SKIP,
        submit="Skip",
        metadata=CheckInRef(check_in.id).text,
    )


def own_answers(check_in: MyCheckIn) -> list[Block]:
    """Everything that the person said, part by part."""
    body = [
        blocks.section(
            f"*What you said* · {words.name(check_in)} · {check_in.answered} of {check_in.total} answered"
        )
    ]
    for position, dimension_part in enumerate(check_in.dimensions):
        change = (
            blocks.button("Change", words.OPEN, CheckInPart(check_in.id, position).text)
            if check_in.is_open
            else None
        )
        body.append(blocks.section(part(dimension_part), accessory=change))
    closing = (
        f"You can change your answers {words.until(check_in.closes_at)}"
        if check_in.is_open
        else "The check-in is closed; this is what was kept"
    )
    body.append(blocks.context(f"{closing} · {words.seen_shortly(check_in.terms)}"))
    return body


def part(dimension_part: DimensionPart) -> str:
    lines = [f"*{blocks.escape(dimension_part.name)}*"]
    lines += [
        f"*{words.ANSWERS[item.answer] if item.answer else 'Open'}* · {blocks.escape(item.text)}"
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
