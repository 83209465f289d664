"""Stopping, pausing, taking up again and finishing a project: its windows, and who answers them."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.cases import words
from bot.slack import blocks
from bot.slack.blocks import Block, Element
from bot.slack.interactions import EndingRef, EndingWindow, ProjectRef, ask
from bot.slack.replies import Private, Reply
from bot.slack.requests import Click, Router, Submission
from storage.enums import Outcome
from workflows.cases import ending
from workflows.cases.ending import VERBS, EndingRecord, OutcomeRecord, Spent
from workflows.cases.forms import FinishProject, OnProject, PauseProject, ResumeProject, StopProject
from workflows.errors import InvalidInput

ENDINGS, END, SUBMIT = "cases.endings", "cases.end", "cases.submit_end"
FORMS: Mapping[Outcome, type[OnProject]] = {
    Outcome.STOPPED: StopProject,
    Outcome.PAUSED: PauseProject,
    Outcome.RESUMED: ResumeProject,
    Outcome.FINISHED: FinishProject,
}
LABELS: Mapping[Outcome, str] = {
    Outcome.STOPPED: "Stop",
    Outcome.PAUSED: "Pause",
    Outcome.RESUMED: "Take up again",
    Outcome.FINISHED: "Finish",
}
_FOLLOWS: Mapping[Outcome, str] = {
    Outcome.STOPPED: "It leaves the portfolio, and its open milestones are dropped. What was decided stays on record.",
    Outcome.PAUSED: "Its milestones stay. It can be taken up again.",
    Outcome.RESUMED: "It goes on from where it was.",
    Outcome.FINISHED: "It leaves the portfolio, and its open milestones are dropped. What was decided stays on record.",
}
MOST_SHOWN = 10
"""Outcomes in a list."""


def register(router: Router) -> None:
    """Answer the buttons and the window of a project's end."""
    router.action(ENDINGS, show, ProjectRef)
    router.action(END, open_end, EndingRef)
    router.submission(SUBMIT, submit, EndingWindow)


# --- What is shown. Pure


def way_in(key: str) -> Element:
    """The button that leads to what can be done with a project as a whole."""
    return blocks.button("Stop, pause, finish…", ENDINGS, ProjectRef(key).text)


def overview(record: EndingRecord) -> Block:
    """What was spent, what can be done with the project, and what was done before."""
    body: list[Block] = [
        blocks.section(
            f"*{blocks.escape(record.name, 120)}* is {record.status.value.replace('_', ' ')}"
        ),
        blocks.section(_spent(record.spent)),
    ]
    if record.ways:
        buttons = [
            blocks.button(LABELS[kind], END, EndingRef(kind.value, record.key).text)
            for kind in record.ways
        ]
        body.append(blocks.actions(buttons, block_id="endings"))
    body += [blocks.section(_outcome(each)) for each in record.outcomes[:MOST_SHOWN]]
    return blocks.modal("The project", body, callback_id="notice", close="Close")


def window(record: EndingRecord, kind: Outcome) -> Block:
    """Why it ends, pauses or goes on, and what was learnt, below what was spent by now."""
    form = FORMS[kind]
    return blocks.modal(
        f"{LABELS[kind]} it",
        [
            blocks.section(
                f"*{blocks.escape(record.name, 120)}* would {VERBS[kind]}. {_FOLLOWS[kind]}"
            ),
            blocks.context(_spent(record.spent)),
            ask(form, "reason"),
            ask(form, "learnt"),
        ],
        callback_id=SUBMIT,
        submit=LABELS[kind],
        metadata=EndingWindow(kind.value, record.status.value, record.key).text,
    )


def _spent(spent: Spent) -> str:
    if not spent.amounts:
        return "No cost of it is on record."
    amounts = ", ".join(words.money(amount, currency) for currency, amount in spent.amounts)
    through = (
        f", data through {blocks.day(spent.through)} {spent.through.year}" if spent.through else ""
    )
    return f"Spent {amounts} by the bills ({spent.basis.value} cost{through})"


def _outcome(outcome: OutcomeRecord) -> str:
    by = f" by {blocks.mention(outcome.by.slack_id, outcome.by.name)}" if outcome.by else ""
    lines = [
        f"*{outcome.kind.value.capitalize()}*{by} · {blocks.when(outcome.at)}",
        _spent(outcome.spent),
    ]
    if outcome.reason:
        lines.append(f"Why: {blocks.quote(outcome.reason, 600)}")
    if outcome.learnt:
        lines.append(f"Learnt: {blocks.quote(outcome.learnt, 600)}")
    return "\n".join(lines)


# --- Clicks


def show(click: Click, project: ProjectRef) -> Reply:
    """What was spent, and what can be done with the project."""
    return click.window(overview(click.read(ending.load_ending, project.key or "")))


def open_end(click: Click, ref: EndingRef) -> Reply:
    """Ask why, and what was learnt. Raises what the act would refuse."""
    kind = _read_kind(ref)
    record = click.read(ending.load_ending, ref.key)
    if kind not in record.ways:
        raise InvalidInput(
            f"{record.name} is {record.status.value.replace('_', ' ')}, and can't {VERBS[kind]} by you now."
        )
    return click.window(window(record, kind))


def submit(submission: Submission, sent: EndingWindow) -> Reply:
    """The window was sent."""
    kind = _read_kind(sent)
    record = submission.read(ending.load_ending, sent.key)
    known: dict[str, Any] = {"project_id": record.project_id, "status": sent.status}
    acts: dict[Outcome, Callable[[], object]] = {
        Outcome.STOPPED: lambda: submission.act(
            ending.stop_project, submission.form(StopProject, known)
        ),
        Outcome.PAUSED: lambda: submission.act(
            ending.pause_project, submission.form(PauseProject, known)
        ),
        Outcome.RESUMED: lambda: submission.act(
            ending.resume_project, submission.form(ResumeProject, known)
        ),
        Outcome.FINISHED: lambda: submission.act(
            ending.finish_project, submission.form(FinishProject, known)
        ),
    }
    acts[kind]()
    after = submission.read(ending.load_ending, sent.key)
    return Private(
        f"{blocks.escape(after.name, 120)} is {after.status.value.replace('_', ' ')} now. {_spent(after.spent)}."
    )


def _read_kind(ref: EndingRef | EndingWindow) -> Outcome:
    try:
        return Outcome(ref.kind)
    except ValueError:
        raise ref.refusal() from None
