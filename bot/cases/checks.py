"""A case that no longer holds, before whoever sponsors it: go on, ask for another estimate, or stop."""

from typing import Any

from sqlalchemy.orm import Session

from bot.cases import ending, words
from bot.delivery.rendering import Rendered, Renderer, Scene
from bot.slack import blocks
from bot.slack.blocks import Block
from bot.slack.interactions import CaseRef, CaseStep, CheckRef, EndingRef, ask
from bot.slack.replies import Done, Open, Private, Reply
from bot.slack.requests import Click, Router, Submission
from storage.enums import CheckAnswer, Outcome
from workflows.cases import checks
from workflows.cases.checks import CaseBroken, CheckRecord, EstimateAsked
from workflows.cases.forms import GoOn, OnCheck, find_step

GO_ON, SUBMIT_GO_ON, ASK_ESTIMATE = "cases.go_on", "cases.submit_go_on", "cases.ask_estimate"
_ANSWERS = {
    CheckAnswer.GO_ON: "goes on",
    CheckAnswer.REESTIMATE: "is to be estimated anew",
    CheckAnswer.STOP: "was stopped or finished",
    CheckAnswer.HOLDS: "holds again, or has another estimate",
}


def register(router: Router) -> None:
    """Answer the buttons under the question."""
    router.action(GO_ON, open_go_on, CheckRef)
    router.submission(SUBMIT_GO_ON, go_on, CheckRef)
    router.action(ASK_ESTIMATE, ask_estimate, CheckRef)


# --- What is shown. Pure


def broken(record: CheckRecord, notice: CaseBroken, scene: Scene) -> Rendered:
    """What is broken, and the three ways on; once answered, one line."""
    name = blocks.escape(record.project, 80)
    if record.answer is not None:
        by = (
            f" · {blocks.mention(record.answered_by.slack_id, record.answered_by.name)}"
            if record.answered_by
            else ""
        )
        at = f" · {blocks.when(record.answered_at)}" if record.answered_at else ""
        news = f"{name} {_ANSWERS[record.answer]}"
        reason = f"\n{blocks.quote(record.reason, 600)}" if record.reason else ""
        return Rendered(news, [blocks.section(f"{news}{by}{at}{reason}")], is_final=True)
    news = f"The case of {name} no longer holds: {blocks.escape(record.reasons[0], 200)}"
    lines = [f"*{news}*", *(f"• {blocks.escape(each, 300)}" for each in record.reasons[1:])]
    ref = CheckRef(record.id, record.revision).text
    buttons = [
        blocks.button("Go on…", GO_ON, ref),
        blocks.button("Re-estimate", ASK_ESTIMATE, ref),
        blocks.button(
            "Stop…", ending.END, EndingRef(Outcome.STOPPED.value, record.project_key).text
        ),
    ]
    details = blocks.button("Details", words.SHOW, CaseRef(record.case_id).text)
    return Rendered(
        news,
        [
            blocks.section("\n".join(lines), accessory=details),
            blocks.actions(buttons, block_id=f"check-{record.id}-{record.revision}"),
            blocks.context(
                "You are asked because you sponsor it, or own it where nobody does. If nobody answers it goes on as it is. "
                "Cost is what the bills say, beside what the case planned for the same months."
            ),
        ],
    )


def estimate_asked(record: CheckRecord, notice: EstimateAsked, scene: Scene) -> Rendered:
    """To whoever owns the case: another estimate is wanted, and why."""
    by = record.answered_by.name if record.answered_by else "Its sponsor"
    news = (
        f"{blocks.escape(by, 60)} asks for another estimate of {blocks.escape(record.project, 80)}"
    )
    lines = [f"*{news}*", *(f"• {blocks.escape(each, 300)}" for each in record.reasons)]
    button = blocks.button(
        "Estimate anew", words.OPEN, CaseStep(record.case_id, find_step("benefits")).text
    )
    return Rendered(
        news,
        [
            blocks.section("\n".join(lines)),
            blocks.actions([button], block_id=f"estimate-{record.id}"),
            blocks.context(
                f"You are asked because you own it. Estimate {record.estimate} holds until then."
            ),
        ],
    )


def window(record: CheckRecord) -> Block:
    """Why it goes on although its case doesn't hold."""
    return blocks.modal(
        "Go on",
        [
            blocks.section("\n".join(f"• {blocks.escape(each, 300)}" for each in record.reasons)),
            ask(GoOn, "reason"),
        ],
        callback_id=SUBMIT_GO_ON,
        submit="Go on",
        metadata=CheckRef(record.id, record.revision).text,
    )


def _load(session: Session, notice: CaseBroken | EstimateAsked, scene: Scene) -> CheckRecord | None:
    return checks.load_check(scene.context(session), notice.check_id)


RENDERERS: tuple[Renderer[Any, Any], ...] = (
    Renderer(CaseBroken, _load, broken),
    Renderer(EstimateAsked, _load, estimate_asked),
)


# --- Clicks


def open_go_on(click: Click, ref: CheckRef) -> Reply:
    """Ask why it goes on."""
    form = OnCheck(check_id=ref.check_id, revision=ref.revision)
    with click.begin_read() as ctx:
        checks.require_answerable(ctx, form)
        record = checks.load_check(ctx, ref.check_id)
    return Open(window(record)) if record is not None else Done()


def go_on(submission: Submission, sent: CheckRef) -> Reply:
    """The reason was given."""
    known = {"check_id": sent.check_id, "revision": sent.revision}
    submission.act(checks.go_on, submission.form(GoOn, known))
    return Private("Noted. You aren't asked again until something gets worse.")


def ask_estimate(click: Click, ref: CheckRef) -> Reply:
    """Another estimate is wanted."""
    owner = click.act(checks.ask_estimate, OnCheck(check_id=ref.check_id, revision=ref.revision))
    if owner is None:
        return Private("Noted. Nobody who can be asked owns this case; give the project an owner.")
    if owner.id == click.actor.id:
        return Private("Noted. You own this case; `/mlgov propose` leads you to its estimate.")
    return Private(f"{blocks.mention(owner.slack_id, owner.name)} is asked for another estimate.")
