"""Business cases in conversation: `/mlgov propose`, "Propose this" on a message, the steps, and the portfolio."""

import re
from collections.abc import Callable
from typing import Any

from bot.cases import arrival, checks, ending, fund, messages, returns, windows, words
from bot.deps import Deps
from bot.slack import blocks, replies
from bot.slack.interactions import (
    CaseDriver,
    CaseLineChoice,
    CaseLineRef,
    CaseLineWindow,
    CaseOnRecord,
    CaseRef,
    CaseStep,
    CaseWindow,
    PageRef,
    PlaceWindow,
    ProjectRef,
    Request,
    block_of,
)
from bot.slack.replies import Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Interaction, Router, Shortcut, Submission
from storage.enums import Driver
from workflows.approvals import submission as approval_submission
from workflows.approvals.forms import SubmitRequest
from workflows.cases import approval, portfolio, reads, service
from workflows.cases.approval import CASE_APPROVAL
from workflows.cases.forms import (
    REVIEW,
    STEPS,
    TIME_FIELDS,
    AskCase,
    CaseLine,
    DropCase,
    KeepCertainty,
    KeepIdea,
    KeepPeople,
    OnCase,
    Propose,
    PutAtPlace,
    RemoveLine,
    Step,
    find_step,
)
from workflows.cases.records import CaseRecord, Figure
from workflows.cases.service import StepChanged
from workflows.context import Context
from workflows.errors import InvalidInputs, Stale
from workflows.projects import reads as projects

_TAG = re.compile(r"<(?:[@#!][^>|]*\|?|[^>|]*\|)([^>]*)>|<([^>]*)>")
MOST_TITLE = 80
"""Characters of a message's first sentence that become a title."""


def register(router: Router) -> None:
    """Answer the words, the shortcut, the buttons and the windows of business cases and of the portfolio."""
    router.action(words.NEW, open_new)
    router.action(words.OPEN, open_step, CaseStep)
    router.action(words.BACK, open_step, CaseStep)
    router.action(words.SHOW, show, CaseRef)
    router.action(words.ADD_LINE, add_line, CaseDriver)
    router.action(words.LINE, line_menu, CaseLineChoice)
    router.action(words.DROP, drop, CaseOnRecord)
    router.action(f"{reads.TYPE}.again", open_again, Request)
    router.submission(words.NEXT, next_, CaseWindow)
    router.submission(words.KEEP_LINE, keep_line, CaseLineWindow)
    router.submission(words.ASK, ask, CaseWindow)
    router.shortcut(words.FROM_MESSAGE, from_message)
    router.word(
        "propose",
        "propose [what]",
        "propose a project: what it brings and costs, step by step",
        propose,
    )
    router.word(
        "portfolio",
        "portfolio [unit | fund 500,000 | arrival | returns]",
        "projects by what they are worth, and why each stands where it does; or what they returned",
        show_portfolio,
    )
    for action_id in words.PAGE:
        router.action(action_id, turn_page, PageRef)
    router.action(words.WHY, why, ProjectRef)
    router.action(words.PUT, open_put, PlaceWindow)
    router.action(words.PUT_BACK, put_back, PlaceWindow)
    router.submission(words.SUBMIT_PUT, put, PlaceWindow)
    fund.register(router)
    ending.register(router)
    checks.register(router)
    returns.register(router)


# --- Beginning


def propose(command: Command) -> Reply:
    """`/mlgov propose`: one's own cases; with words, the first step with them as its title."""
    if command.words and command.trigger_id:
        return _open_first(command, title=" ".join(command.words))
    text, body = windows.own(command.read(reads.list_own))
    return Private(text, body)


def open_new(click: Click) -> Reply:
    """A new idea."""
    return _open_first(click)


def from_message(shortcut: Shortcut) -> Reply:
    """An idea that somebody had in a channel: the first step, with their words as the problem. A message that a case
    began from already leads there."""
    place = f"{shortcut.channel}:{shortcut.ts}"
    case_id = shortcut.read(reads.find_by_promise, place)
    if case_id is not None:
        return _window(shortcut, case_id, 1)
    text = blocks.plain(_TAG.sub(lambda tag: tag[1] or tag[2] or "", shortcut.text), 2000)
    text = "" if text == "—" else text
    title = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].rstrip(" .!")
    return _open_first(shortcut, title=blocks.cut(title, MOST_TITLE), problem=text, promise=place)


def _open_first(
    on: Command | Click | Shortcut, *, title: str = "", problem: str = "", promise: str = ""
) -> Reply:
    seal = replies.seal(on.deps, on.actor, promise) if promise else ""
    view = windows.first(
        title, problem, CaseWindow(0, 0, 1, promise, seal).text, on.read(_list_free_projects)
    )
    return on.window(view) if isinstance(on, Click) else Open(view)


def _list_free_projects(ctx: Context) -> list[tuple[str, str]]:
    """(name, key) of the actor's own projects that have no case."""
    own = projects.list_for(ctx.session, ctx.actor)
    taken = reads.list_with_case(ctx, [each.id for each in own])
    return [(each.name, each.key) for each in own if each.id not in taken][:100]


# --- A step's window


def _load(ctx: Context, case_id: int, step: int) -> tuple[CaseRecord, windows.Facts]:
    """A case and what its step shows beside it."""
    record = reads.load_record(ctx, case_id)
    is_review = step == REVIEW
    guard_steps = (find_step(KeepPeople.KEY), find_step(KeepCertainty.KEY))
    free = _list_free_projects(ctx) if step == find_step(KeepIdea.KEY) else []
    if record.project_key is not None and step == find_step(KeepIdea.KEY):
        free.insert(0, (record.project_key, record.project_key))
    is_askable = is_review and "business_case" in ctx.policy.gates
    route = ""
    if is_askable and record.owner is not None and record.waits is None:
        people = CASE_APPROVAL.people(ctx.session, case_id)
        route = replies.describe_route(
            approval_submission.preview_route(ctx, CASE_APPROVAL.gate, people)
        )
    return record, windows.Facts(
        place=portfolio.find_place_of(ctx, record),
        guard=approval.find_guard(ctx, record.category)
        if step in guard_steps
        else windows.NOTHING_TO_SAY,
        alike=reads.list_alike(ctx, record) if step in (3, REVIEW) else (),
        missing=approval.list_missing(ctx, case_id) if is_review else (),
        projects=free,
        material=approval.describe_reestimate(ctx, case_id) if is_review else None,
        route=route,
        results=returns.list_results(ctx, record) if is_review else (),
    )


def _view(
    on: Interaction,
    case_id: int,
    step: int,
    *,
    entered: dict[str, Any] | None = None,
    note: str = "",
) -> dict[str, Any]:
    step = min(max(step, 1), REVIEW)
    record, facts = on.read(_load, case_id, step)
    return windows.step(record, step, facts, entered=entered, note=note)


def _window(on: Click | Shortcut, case_id: int, step: int) -> Reply:
    view = _view(on, case_id, step)
    return on.window(view) if isinstance(on, Click) else Open(view)


def open_step(click: Click, ref: CaseStep) -> Reply:
    """A step, in place of the window that is open; from a list, or the step before."""
    click.read(reads.require_writer, ref.case_id)
    return _window(click, ref.case_id, ref.step)


def open_again(click: Click, request: Request) -> Reply:
    """From a request that ended: its case, to be changed and asked again."""
    case_id = click.read(reads.find_by_request, request.approval_id)
    click.read(reads.require_writer, case_id)
    return _window(click, case_id, REVIEW)


def next_(submission: Submission, window: CaseWindow) -> Reply:
    """Next: keep the step, and show the one that follows, with what follows so far."""
    case_id = window.case_id
    if not case_id:
        return Show(_view(submission, _begin(submission, window), 2))
    kind = STEPS[min(max(window.step, 1), REVIEW) - 1]
    if isinstance(kind, str):
        form = OnCase(case_id=case_id, revision=window.revision)
        submission.act(service.pass_step, form, window.step)
        return Show(_view(submission, case_id, window.step + 1))
    step_form = submission.form(
        kind, {"case_id": case_id, "revision": window.revision, **_picked(submission, kind)}
    )
    try:
        submission.act(service.keep_step, step_form)
    except StepChanged as changed:
        # What somebody entered stays in the window, which now knows of the change.
        note = changed.sentence
        return Show(_view(submission, case_id, window.step, entered=submission.values, note=note))
    return Show(_view(submission, case_id, window.step + 1))


def _begin(submission: Submission, window: CaseWindow) -> int:
    """The first step of a new case was sent: it is on record from here on."""
    promise = window.promise or None
    if promise and not replies.is_sealed(submission.deps, submission.actor, promise, window.seal):
        raise window.refusal()
    form = submission.form(Propose, {"promise": promise, "request_key": submission.key})
    entered = submission.form(KeepIdea, {"case_id": 1, "revision": 1})

    def work(ctx: Context) -> int:
        case_id = service.propose(ctx, form)
        revision = reads.load_record(ctx, case_id).revision
        service.keep_step(
            ctx, entered.model_copy(update={"case_id": case_id, "revision": revision})
        )
        return case_id

    return submission.act(work)


def _picked(submission: Submission, kind: type[Step]) -> dict[str, Any]:
    """People by opaque id, in the place of the Slack ids that were picked."""
    if kind is not KeepPeople:
        return {}
    return {
        field: _find_person(submission.deps, submission.text(block_of(field)))
        for field in ("owner_id", "sponsor_id")
    }


def _find_person(deps: Deps, slack_id: str) -> str | None:
    if not slack_id:
        return None
    return deps.directory.actor(slack_id, team_id=None, enterprise_id=deps.team.enterprise_id).id


# --- Benefits and costs


def add_line(click: Click, ref: CaseDriver) -> Reply:
    """The window of a new benefit or cost."""
    try:
        driver = Driver(ref.driver)
    except ValueError:
        raise ref.refusal() from None
    click.read(reads.require_writer, ref.case_id)
    record = click.read(reads.load_record, ref.case_id)
    if record.content.starts is None:
        return _window_with_note(
            click,
            ref.case_id,
            find_step("frame"),
            "Say first over which time, then what it brings and costs.",
        )
    return Show(windows.line(record, driver, None, windows.side_step(driver)))


def _window_with_note(click: Click, case_id: int, step: int, note: str) -> Reply:
    return Show(_view(click, case_id, step, note=note))


def line_menu(click: Click, choice: CaseLineChoice) -> Reply:
    """Change a line, or take it out."""
    verbs: dict[str, Callable[[Click, CaseLineRef], Reply]] = {
        "change": _open_line,
        "remove": _remove_line,
    }
    handler = verbs.get(choice.verb)
    if handler is None:
        raise choice.refusal()
    return handler(click, choice.on)


def _open_line(click: Click, ref: CaseLineRef) -> Reply:
    click.read(reads.require_writer, ref.case_id)
    record = click.read(reads.load_record, ref.case_id)
    figure = _find_figure(record, ref.line_id)
    if figure is None:
        raise Stale("This line was taken out meanwhile.")
    driver = figure.line.driver
    return Show(windows.line(record, driver, figure, windows.side_step(driver)))


def _find_figure(record: CaseRecord, line_id: int) -> Figure | None:
    return next((each for each in record.figures if each.line.id == line_id), None)


def _remove_line(click: Click, ref: CaseLineRef) -> Reply:
    record = click.read(reads.load_record, ref.case_id)
    figure = _find_figure(record, ref.line_id)
    form = RemoveLine(case_id=ref.case_id, revision=ref.revision, line_id=ref.line_id)
    try:
        click.act(service.remove_line, form)
        note = ""
    except StepChanged as changed:
        note = changed.sentence
    driver = figure.line.driver if figure is not None else Driver.COST_SAVED
    return Show(_view(click, ref.case_id, windows.side_step(driver), note=note))


def keep_line(submission: Submission, window: CaseLineWindow) -> Reply:
    """A benefit or cost was written; the list that holds it follows."""
    try:
        driver = Driver(window.driver)
    except ValueError:
        raise window.refusal() from None
    fields = TIME_FIELDS if driver is Driver.TIME_SAVED else ("amount",)
    form = submission.form(
        CaseLine,
        {
            "case_id": window.case_id,
            "revision": window.revision,
            "driver": driver,
            "line_id": window.line_id or None,
            **{field: submission.text(field) for field in fields},
        },
    )
    try:
        submission.act(service.keep_line, form)
    except StepChanged as changed:
        record = submission.read(reads.load_record, window.case_id)
        figure = _find_figure(record, window.line_id)
        view = windows.line(record, driver, figure, windows.side_step(driver), changed.sentence)
        return Show(view)
    return Show(_view(submission, window.case_id, windows.side_step(driver)))


# --- Asking, showing, dropping


def ask(submission: Submission, window: CaseWindow) -> Reply:
    """Ask for approval; a small change of what was approved is recorded instead."""
    reason = submission.text(windows.REASON)
    form = AskCase(
        case_id=window.case_id, revision=window.revision, channel=submission.text("channel")
    )
    if not reason:
        raise InvalidInputs(
            {windows.REASON: "Say why, in a sentence; those who decide read this first."}
        )
    material = submission.read(approval.describe_reestimate, window.case_id)
    if material is not None and not material:
        number = submission.act(approval.record_reestimate, form, reason=reason)
        return Private(
            f"Recorded as estimate {number}. Nobody has to approve it; the case shows what differs."
        )
    request = SubmitRequest(
        gate=CASE_APPROVAL.gate,
        subject_type=reads.TYPE,
        form=form,
        reason=reason,
        request_key=submission.key,
    )
    approval_id = submission.act(approval_submission.submit_request, request)
    return Private(
        f"Asked: request #{approval_id} waits for a decision. You get its answer here, and `/mlgov propose` shows how it stands."
    )


def show(click: Click, ref: CaseRef) -> Reply:
    """A case in full."""
    with click.begin_read() as ctx:
        record = reads.load_record(ctx, ref.case_id)
        view = windows.details(
            record,
            reads.list_revisions(ctx, ref.case_id),
            portfolio.find_place_of(ctx, record),
            may_write=reads.may_write(ctx, ref.case_id),
        )
    return click.window(view)


def drop(click: Click, ref: CaseOnRecord) -> Reply:
    """Nobody wants it any more."""
    click.act(service.drop, DropCase(case_id=ref.case_id, revision=ref.revision))
    return Show(
        blocks.modal(
            "Business case",
            [blocks.section("Dropped. It left every list; the ledger keeps that it was proposed.")],
            callback_id="notice",
            close="Close",
        )
    )


# --- The portfolio

_ALL = "all"


def show_portfolio(command: Command) -> Reply:
    """`/mlgov portfolio`: what is worth most, of everything that I see or of one unit; or what money buys, when ideas
    arrive, or what came of projects."""
    match command.words[:1]:
        case (fund.WORD,):
            return fund.show(command)
        case (arrival.WORD,):
            return arrival.show(command)
        case returns.WORD:
            return returns.show_returns(command)
        case _:
            pass
    unit = " ".join(command.words) or None
    return messages.portfolio(command.read(portfolio.load, unit), 0)


def turn_page(click: Click, page: PageRef) -> Reply:
    """Another page of the portfolio, in the place of the one that was clicked."""
    unit = None if page.name == _ALL else page.name
    answer = messages.portfolio(click.read(portfolio.load, unit), page.number)
    return Private(answer.text, answer.blocks, answer.pictures, replaces=True)


def why(click: Click, project: ProjectRef) -> Reply:
    """Every number behind a project's place, and for leaders the way to another one."""
    with click.begin_read() as ctx:
        ranked, lines = portfolio.load_why(ctx, project.key or "")
        may_put = portfolio.may_put(ctx)
    return click.window(messages.why(ranked, lines, may_put=may_put))


def open_put(click: Click, place: PlaceWindow) -> Reply:
    """Choose a project's place."""
    with click.begin_read() as ctx:
        ranked, _ = portfolio.load_why(ctx, place.key)
    return click.window(messages.put(ranked))


def put(submission: Submission, place: PlaceWindow) -> Reply:
    """The place was chosen."""
    ranked, _ = submission.read(portfolio.load_why, place.key)
    form = submission.form(
        PutAtPlace, {"project_id": ranked.project.project_id, "until": submission.day("until")}
    )
    submission.act(portfolio.put_at_place, form)
    return Show(_why_view(submission, place.key))


def put_back(click: Click, place: PlaceWindow) -> Reply:
    """Let it stand where its worth puts it."""
    ranked, _ = click.read(portfolio.load_why, place.key)
    click.act(portfolio.put_back, ranked.project.project_id)
    return Show(_why_view(click, place.key))


def _why_view(on: Interaction, key: str) -> dict[str, Any]:
    with on.begin_read() as ctx:
        ranked, lines = portfolio.load_why(ctx, key)
        return messages.why(ranked, lines, may_put=portfolio.may_put(ctx))
