"""`/mlgov away`: who decides in one's place, from one day through another; and coming back."""

from datetime import date

from bot import blocks
from bot.approvals import acting
from bot.blocks import Block
from bot.rendering import Rendered, Scene
from bot.replies import FieldErrors, Open, Private, Reply
from bot.requests import Click, Command, Submission
from bot.router import Router
from workflows.approvals import absences
from workflows.approvals.absences import AbsenceRecord, Away
from workflows.approvals.notices import AbsenceTold
from workflows.errors import InvalidInput

PLAN, BACK = "approvals.away", "approvals.back"
SUBMIT = "approvals.away_planned"
STAND_IN, SINCE, UNTIL = "stand_in", "since", "until"
"""Blocks of the fields."""


def register(router: Router) -> None:
    """Answer the word, the buttons and the modal."""
    router.word("away", "away", "who decides for you while you are away", show)
    router.action(PLAN, open_modal)
    router.action(BACK, back)
    router.submission(SUBMIT, plan)


def show(command: Command) -> Reply:
    """My absences, with the way to end them; without any, the modal at once where there can be one."""
    deps = command.deps
    with deps.db.read() as session:
        found = absences.mine(session, command.actor.id, now=deps.now(session))
    if not found and command.trigger_id:
        return Open(_modal())
    if not found:
        return Private(
            "You have named nobody to decide for you. Type `/mlgov away` where you can use slash commands to do it."
        )
    text = (
        f"{blocks.escape(found[0].stand_in, 60)} can decide for you, {_span(found[0])}"
    )
    shown: list[Block] = [
        blocks.section(
            f"*{blocks.escape(one.stand_in, 60)} can decide for you*, {_span(one)}",
            accessory=blocks.button("I'm back", BACK, str(one.id)),
        )
        for one in found
    ]
    shown.append(blocks.actions([blocks.button("Plan another", PLAN, "new")]))
    return Private(text, shown)


def open_modal(click: Click) -> Reply:
    """Plan another."""
    return Open(_modal())


def _modal() -> Block:
    return blocks.modal(
        "While you are away",
        [
            blocks.section(
                "Somebody decides in your place and in your name: every decision says so. "
                "What was decided before stays, and a stage can forbid it."
            ),
            blocks.input_(
                "Who decides for you?",
                blocks.person_picker(
                    STAND_IN, placeholder="Somebody you trust with it"
                ),
                block_id=STAND_IN,
            ),
            blocks.input_("First day", blocks.date_picker(SINCE), block_id=SINCE),
            blocks.input_("Last day", blocks.date_picker(UNTIL), block_id=UNTIL),
        ],
        callback_id=SUBMIT,
        submit="Plan",
    )


def plan(submission: Submission) -> Reply:
    """Days and a person were chosen."""
    said = {
        name: acting.words_of(submission, name) for name in (STAND_IN, SINCE, UNTIL)
    }
    lacks = {name: "Choose one." for name, text in said.items() if not text}
    if lacks:
        return FieldErrors(lacks)
    deps = submission.deps
    form = Away(
        stand_in=said[STAND_IN],
        since=date.fromisoformat(said[SINCE]),
        until=date.fromisoformat(said[UNTIL]),
    )
    found = deps.db.run(
        lambda session: absences.read(
            session,
            absences.plan(
                session,
                submission.actor,
                form,
                policy=deps.policy,
                org_key=deps.team.org_key,
                now=deps.now(session),
            ),
        )
    )
    if found is None:
        return Private("Planned.")
    return Private(
        f"{blocks.escape(found.stand_in, 60)} can decide for you, {_span(found)}, and was told. `/mlgov away` shows and ends it."
    )


def back(click: Click) -> Reply:
    """They are back."""
    if not click.value.isdigit():
        raise InvalidInput(
            "This button is from another release of mlgov. `/mlgov away` shows your absences."
        )
    deps = click.deps
    found = deps.db.run(
        lambda session: absences.come_back(
            session, click.actor, int(click.value), now=deps.now(session)
        )
    )
    return Private(
        f"Welcome back. {blocks.escape(found.stand_in, 60)} does not decide for you any more."
    )


def _span(one: AbsenceRecord) -> str:
    return f"from {blocks.when(one.since)} until {blocks.when(one.until)}"


def told(record: AbsenceRecord, notice: AbsenceTold, scene: Scene) -> Rendered:
    """To the stand-in: for whom, and when."""
    who = blocks.escape(record.person, 60)
    if record.ended_at is not None or record.until <= scene.now:
        line = f"*{who} is back*; you do not decide in their place any more."
        return Rendered(line, [blocks.section(line)], is_final=True)
    zone = scene.policy.organisation.zone
    return Rendered(
        f"{who} asks you to decide in their place from {blocks.instant(record.since, zone)} until {blocks.instant(record.until, zone)}",
        [
            blocks.section(
                f"*{who} asks you to decide in their place*, {_span(record)}"
            ),
            blocks.context(
                f"You decide in {who}'s name: each decision says so. `/mlgov approvals` lists what waits; what is asked anew comes to you by message. "
                "Nothing happens if you don't: requests wait or expire as they would."
            ),
        ],
    )
