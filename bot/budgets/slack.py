"""Clicks on budgets, the window that asks for more, and `/mlgov budget [project]`."""

from decimal import Decimal

from bot import freshness
from bot.budgets import messages
from bot.budgets import windows as budget_windows
from bot.slack import blocks, replies
from bot.slack.interactions import AlertRef, BudgetRef, IncreaseWindow, Request
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from workflows import status
from workflows.approvals import door, editing
from workflows.approvals import submission as approval_submission
from workflows.approvals.forms import Edit, SubmitRequest
from workflows.approvals.records import Card
from workflows.budgets import service
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.increase import BUDGET_INCREASE, TYPE, AmountDoubted
from workflows.context import Context
from workflows.errors import NotAllowed
from workflows.projects import reads as projects
from workflows.sources.tables import parse_amount

SHOWN = 8


def register(router: Router) -> None:
    """Answer clicks, the window and the word `budget`."""
    router.action(messages.ACKNOWLEDGE, acknowledge, AlertRef)
    router.action(messages.INCREASE, open_increase, BudgetRef)
    router.action(messages.BREAK_DOWN, break_down, BudgetRef)
    router.action(f"{TYPE}.change", open_change, Request)
    router.action(f"{TYPE}.again", open_again, Request)
    router.submission(messages.SUBMIT_INCREASE, ask, IncreaseWindow)
    router.submission(messages.SUBMIT_CHANGE, change, IncreaseWindow)
    router.word(
        "budget", "budget [project]", "what was spent, of how much, and through which day", budget
    )


def acknowledge(click: Click, alert: AlertRef) -> Reply:
    """Someone has seen the alert."""
    click.act(service.acknowledge_alert, alert.alert_id)
    return Done()


def open_increase(click: Click, budget: BudgetRef) -> Reply:
    """Open the window that asks for more."""
    return Open(_view(click, budget.budget_id))


def open_change(click: Click, request: Request) -> Reply:
    """Open the same window for a request that waits."""
    card = click.read(editing.require_editable, request.approval_id)
    _require_own_kind(card, request)
    changes = Request(card.id, card.revision)
    return Open(_view(click, card.facts["budget_id"], _entered(card), changes=changes))


def open_again(click: Click, request: Request) -> Reply:
    """Open the window for a new request, as one that ended was filled in."""
    card = click.read(door.require_card, request.approval_id)
    if card.requester.id != click.actor.id:
        raise NotAllowed(
            "Somebody else asked for this. `/mlgov budget` has a button to ask yourself."
        )
    _require_own_kind(card, request)
    return Open(_view(click, card.facts["budget_id"], _entered(card)))


def _require_own_kind(card: Card, request: Request) -> None:
    """Raise for a request about something else, which no button of ours carries."""
    if card.subject_type != TYPE:
        raise request.refusal()


def _entered(card: Card) -> budget_windows.Entered:
    return budget_windows.Entered(
        messages.exact(Decimal(card.facts["new"])), card.facts["scope"], card.reason
    )


def _view(
    on: Click | Submission,
    budget_id: int,
    before: budget_windows.Entered | None = None,
    *,
    changes: Request | None = None,
    doubted: AmountDoubted | None = None,
) -> blocks.Block:
    with on.begin_read() as ctx:
        detail = service.load_detail_for(ctx, budget_id)
        people = BUDGET_INCREASE.people(ctx.session, budget_id)
        route = approval_submission.preview_route(ctx, BUDGET_INCREASE.gate, people)
    return budget_windows.increase(
        detail,
        replies.describe_route(route),
        before=before,
        changes=changes,
        opened_on=on.card,
        doubted=doubted,
    )


def _ask_twice(
    submission: Submission,
    window: IncreaseWindow,
    form: IncreaseBudget,
    reason: str,
    doubted: AmountDoubted,
) -> Reply:
    """The window once more with everything that was entered, and a box to tick below the amount that looks odd."""
    box = budget_windows.meant_block(doubted.amount)
    if box in submission.values:
        return FieldErrors({box: "Tick this if you mean it, or write another amount above."})
    return Show(
        _view(
            submission,
            form.budget_id,
            budget_windows.Entered(messages.exact(form.amount), form.scope, reason),
            changes=None if window.approval_id is None else window.request,
            doubted=doubted,
        )
    )


def _meant(submission: Submission) -> object:
    """The amount whose box is ticked; None where there is none, or none that is an amount."""
    ticked = [
        value
        for block, values in submission.values.items()
        if block.startswith(f"{budget_windows.MEANT}-") and isinstance(values, list)
        for value in values
    ]
    try:
        return parse_amount(ticked[0]) if ticked else None
    except ValueError:
        return None


def _read(submission: Submission, window: IncreaseWindow) -> tuple[IncreaseBudget, str]:
    """The form and the reason. Raises WrongFields with all that is wrong."""
    reason = submission.text(budget_windows.REASON)
    form = submission.form(
        IncreaseBudget,
        {
            "budget_id": window.budget_id,
            "revision": window.revision,
            "amount": submission.text(budget_windows.AMOUNT),
            "first": window.first,
            "meant": _meant(submission),
        },
        {}
        if reason
        else {budget_windows.REASON: "Say why, in a sentence; those who decide read this first."},
    )
    return form, reason


def change(submission: Submission, window: IncreaseWindow) -> Reply:
    """The window was sent: change the request."""
    form, reason = _read(submission, window)
    deps, request = submission.deps, window.request
    edit = Edit(
        approval_id=request.approval_id,
        revision=freshness.shown_revision(deps, submission.actor, request, window.card),
        form=form,
        reason=reason,
        subject_type=TYPE,
    )
    try:
        return Private(freshness.act(deps, submission.actor, edit, window.card))
    except AmountDoubted as doubted:
        return _ask_twice(submission, window, form, reason, doubted)


def ask(submission: Submission, window: IncreaseWindow) -> Reply:
    """The window was sent: open a request."""
    form, reason = _read(submission, window)
    request = SubmitRequest(
        gate=BUDGET_INCREASE.gate,
        subject_type=TYPE,
        form=form,
        reason=reason,
        request_key=submission.key,
    )
    try:
        submission.act(_submit_increase, request, form.budget_id)
    except AmountDoubted as doubted:
        return _ask_twice(submission, window, form, reason, doubted)
    return Done()


def _submit_increase(ctx: Context, request: SubmitRequest, budget_id: int) -> None:
    service.require_sight(ctx, budget_id)
    approval_submission.submit_request(ctx, request)


def break_down(click: Click, budget: BudgetRef) -> Reply:
    """Open the window with services and days."""
    breakdown = click.read(service.load_breakdown, budget.budget_id)
    picture = messages.spend(breakdown)
    return Open(budget_windows.break_down(breakdown, picture), (picture,) if picture else ())


def budget(command: Command) -> Reply:
    """My projects' budgets, or those of one project."""
    with command.begin_read() as ctx:
        if command.words:
            listed = [status.find_project(ctx, command.words[0])]
        else:
            listed = list(projects.list_for(ctx.session, command.actor))
        burns = service.burns_by_project(ctx, [project.id for project in listed])
        open_ = [burn for project in listed for burn in burns.get(project.id, ())]
        open_.sort(key=lambda burn: burn.spent / burn.amount, reverse=True)
        details = [service.load_detail(ctx, burn.budget_id) for burn in open_[:SHOWN]]
    if not details:
        text = "No open budget here. An administrator can import one: `mlgov import budgets FILE`."
        return Private(text, [blocks.section(text)])
    first = details[0].burn
    text = f"{details[0].project}: {messages.share_of(first)} of {first.period_words}'s budget, {messages.through(first)}"
    answer = [block for detail in details for block in budget_windows.budget(detail)]
    if len(open_) > SHOWN:
        answer.append(blocks.context(f"…and {len(open_) - SHOWN} more: `/mlgov budget PROJECT`"))
    return Private(blocks.escape(text, 300), answer)
