"""What came of projects: `/mlgov portfolio returns`, the questions to owners, and attesting."""

from typing import Any

from bot.cases import return_messages as messages
from bot.slack.interactions import (
    AskingRef,
    AskingWindow,
    PageRef,
    Place,
    ProjectRef,
    ReturnRef,
    ReturnWindow,
)
from bot.slack.replies import Done, Private, Reply, Show
from bot.slack.requests import Click, Command, Interaction, Router, Submission
from workflows.cases import realised, returns
from workflows.cases.realised import ProjectReturns, ReturnLine
from workflows.cases.records import CaseRecord
from workflows.cases.return_forms import AttestReturn, ReportReturn, SkipAsking, WithdrawReturn
from workflows.context import Context
from workflows.errors import Stale

WORD = ("returns",)
"""What follows `portfolio`."""
_ALL = "all"


def register(router: Router) -> None:
    """Answer the buttons and windows of returns."""
    router.action(messages.ENTER, enter, AskingRef)
    router.action(messages.SKIP, open_skip, AskingRef)
    router.action(messages.SHOW, show, ProjectRef)
    router.action(messages.ATTEST, attest, ReturnRef)
    router.action(messages.CORRECT, correct, ReturnRef)
    router.action(messages.WITHDRAW, open_withdraw, ReturnRef)
    router.action(messages.REPORT, open_report, ProjectRef)
    for action_id in messages.PAGE:
        router.action(action_id, turn_page, PageRef)
    router.submission(messages.SUBMIT_REPORT, report, ReturnWindow)
    router.submission(messages.SUBMIT_SKIP, skip, AskingWindow)
    router.submission(messages.SUBMIT_WITHDRAW, withdraw, ReturnRef)


# --- The list and one project


def show_returns(command: Command) -> Reply:
    """`/mlgov portfolio returns [unit]`: what came of projects, beside what was planned and spent."""
    unit = " ".join(command.words[len(WORD) :]) or None
    return messages.overview(command.read(realised.load_overview, unit))


def turn_page(click: Click, page: PageRef) -> Reply:
    """Another page of the list, in the place of the one that was clicked."""
    unit = None if page.name == _ALL else page.name
    answer = messages.overview(click.read(realised.load_overview, unit, page.number))
    return Private(answer.text, answer.blocks, replaces=True)


def show(click: Click, project: ProjectRef) -> Reply:
    """Every return of a project."""
    return click.window(_details(click, project.key or ""))


def _details(on: Interaction, key: str) -> dict[str, Any]:
    return messages.details(on.read(realised.load_project, key))


def list_results(ctx: Context, record: CaseRecord) -> list[str]:
    """What earlier projects returned, for whoever estimates: offered beside the estimate, which stays as it is."""
    if record.outlook is None or record.content.currency is None:
        return []
    lines = [
        messages.describe_prior(prior)
        for prior in realised.list_priors(ctx)
        if prior.category is record.category and prior.results is not None
    ]
    benefits = record.outlook.likely.benefits
    offer = realised.offer_correction(ctx, benefits, record.content.currency)
    return [*lines, *([offer] if offer else [])]


# --- Reporting


def enter(click: Click, ref: AskingRef) -> Reply:
    """From the question: the window of a return, with the days that are still open."""
    asking = click.read(realised.require_asking, ref.asking_id)
    if not asking.missing:
        raise Stale("What came in these days was reported meanwhile.")
    record = click.read(realised.load_project, asking.key)
    return click.window(messages.enter(record, asking.missing[0], click.card))


def open_report(click: Click, project: ProjectRef) -> Reply:
    """From the list: the window of a return, with the first days that nobody measured."""
    record = click.read(realised.load_project, project.key or "")
    span = record.missing[0] if record.missing else None
    return click.window(messages.enter(record, span, None))


def correct(click: Click, ref: ReturnRef) -> Reply:
    """The window of a return that takes the place of another one."""
    record, line = _find_line(click, ref.return_id)
    return click.window(messages.enter(record, line.span, None, line))


def _find_line(on: Interaction, return_id: int) -> tuple[ProjectReturns, ReturnLine]:
    record = on.read(realised.require_return, return_id)
    line = next((each for each in record.lines if each.id == return_id), None)
    if line is None:
        raise Stale("This return was corrected or taken back meanwhile.")
    return record, line


def report(submission: Submission, window: ReturnWindow) -> Reply:
    """The window was sent: it is on record, and somebody is asked to attest it."""
    form = submission.form(
        ReportReturn,
        {
            "project_id": window.project_id,
            "replaces": window.replaces,
            "starts": submission.day("starts"),
            "ends": submission.day("ends"),
            "request_key": submission.key,
        },
    )
    submission.act(returns.report, form)
    return _confirm(
        window.card,
        "Reported. It counts as not attested until somebody of the sponsor's side or of finance says that it is right.",
    )


def open_withdraw(click: Click, ref: ReturnRef) -> Reply:
    """Say why a return does not count."""
    return click.window(messages.withdraw(*_find_line(click, ref.return_id)))


def withdraw(submission: Submission, ref: ReturnRef) -> Reply:
    """The reason was sent: the return counts no more."""
    form = submission.form(WithdrawReturn, {"return_id": ref.return_id})
    submission.act(returns.withdraw, form)
    return Private("Withdrawn. These days are unmeasured again, and the ledger has your reason.")


def _confirm(card: Place, text: str) -> Reply:
    """A message tells the change itself; where there is none, it is said."""
    return Done() if card is not None else Private(text)


# --- Skipping and attesting


def open_skip(click: Click, ref: AskingRef) -> Reply:
    """Say why there is no figure."""
    record = click.read(realised.require_asking, ref.asking_id)
    return click.window(messages.skip(record, click.card))


def skip(submission: Submission, window: AskingWindow) -> Reply:
    """The reason was sent."""
    form = submission.form(SkipAsking, {"asking_id": window.asking_id})
    submission.act(returns.skip, form)
    return _confirm(window.card, "Skipped. It stays unmeasured, with your reason.")


def attest(click: Click, ref: ReturnRef) -> Reply:
    """It is right: from the message, or from the window of the project."""
    click.act(returns.attest, AttestReturn(return_id=ref.return_id))
    if not click.in_modal:
        return Done()
    record = click.read(realised.require_return, ref.return_id)
    return Show(messages.details(record))
