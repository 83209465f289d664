"""Clicks on budgets, the window that asks for more, and `/mlgov budget [project]`."""

from decimal import Decimal

from sqlalchemy.orm import Session

from bot import freshness
from bot.budgets import messages
from bot.budgets import windows as budget_windows
from bot.deps import Deps
from bot.slack import blocks, windows
from bot.slack.interactions import AlertRef, BudgetRef, IncreaseWindow, Place, Request
from bot.slack.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.slack.requests import Click, Command, Router, Submission
from workflows import status
from workflows.actors import Actor
from workflows.approvals import door, editing
from workflows.approvals import submission as approval_submission
from workflows.approvals.forms import Edit, SubmitRequest
from workflows.approvals.records import Card
from workflows.budgets import service
from workflows.budgets.forms import IncreaseBudget, parse_amount
from workflows.budgets.increase import BUDGET_INCREASE, TYPE, AmountDoubted
from workflows.errors import NotAllowed
from workflows.projects import reads as projects

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
    click.deps.db.run(
        lambda session: service.acknowledge_alert(
            click.deps.context(session, click.actor), alert.alert_id, clicked=click.card
        )
    )
    return Done()


def open_increase(click: Click, budget: BudgetRef) -> Reply:
    """Open the window that asks for more."""
    return Open(_view(click.deps, click.actor, budget.budget_id, click.card))


def open_change(click: Click, request: Request) -> Reply:
    """Open the same window for a request that waits."""
    deps = click.deps
    with deps.db.read() as session:
        card = editing.require_editable(
            deps.context(session, click.actor, card=click.card), request.approval_id
        )
    changes = Request(card.id, card.revision)
    budget_id = card.facts["budget_id"]
    return Open(_view(deps, click.actor, budget_id, click.card, _entered(card), changes=changes))


def open_again(click: Click, request: Request) -> Reply:
    """Open the window for a new request, as one that ended was filled in."""
    with click.deps.db.read() as session:
        card = door.require_card(
            click.deps.context(session, click.actor, card=click.card), request.approval_id
        )
    if card.requester.id != click.actor.id:
        raise NotAllowed(
            "Somebody else asked for this. `/mlgov budget` has a button to ask yourself."
        )
    return Open(_view(click.deps, click.actor, card.facts["budget_id"], click.card, _entered(card)))


def _entered(card: Card) -> budget_windows.Entered:
    return budget_windows.Entered(
        messages.exact(Decimal(card.facts["new"])), card.facts["scope"], card.reason
    )


def _view(
    deps: Deps,
    actor: Actor,
    budget_id: int,
    card: Place,
    before: budget_windows.Entered | None = None,
    *,
    changes: Request | None = None,
    doubted: AmountDoubted | None = None,
) -> blocks.Block:
    with deps.db.read() as session:
        detail = service.load_detail_for(deps.context(session, actor), budget_id, clicked=card)
        route = approval_submission.preview_route(
            deps.context(session, actor),
            BUDGET_INCREASE.gate,
            BUDGET_INCREASE.people(session, budget_id),
        )
    return budget_windows.increase(
        detail,
        windows.describe_route(route),
        before=before,
        changes=changes,
        opened_on=card,
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
            submission.deps,
            submission.actor,
            form.budget_id,
            window.card,
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
    deps = submission.deps

    def work(session: Session) -> None:
        service.require_sight(
            deps.context(session, submission.actor), form.budget_id, clicked=window.card
        )
        approval_submission.submit_request(
            deps.context(session, submission.actor),
            SubmitRequest(
                gate=BUDGET_INCREASE.gate,
                subject_type=TYPE,
                form=form,
                reason=reason,
                request_key=submission.key,
            ),
        )

    try:
        deps.db.run(work)
    except AmountDoubted as doubted:
        return _ask_twice(submission, window, form, reason, doubted)
    return Done()


def break_down(click: Click, budget: BudgetRef) -> Reply:
    """Open the window with services and days."""
    with click.deps.db.read() as session:
        breakdown = service.load_breakdown(
            click.deps.context(session, click.actor), budget.budget_id, clicked=click.card
        )
    picture = messages.spend(breakdown)
    return Open(budget_windows.break_down(breakdown, picture), (picture,) if picture else ())


def budget(command: Command) -> Reply:
    """My projects' budgets, or those of one project."""
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        if command.words:
            listed = [status.find_project(deps.context(session, command.actor), command.words[0])]
        else:
            listed = list(projects.list_for(session, command.actor))
        burns = service.burns_by_project(
            deps.context(session, now=now), [project.id for project in listed]
        )
        open_ = [burn for project in listed for burn in burns.get(project.id, ())]
        open_.sort(key=lambda burn: burn.spent / burn.amount, reverse=True)
        details = [
            service.load_detail(deps.context(session, now=now), burn.budget_id)
            for burn in open_[:SHOWN]
        ]
    if not details:
        text = "No open budget here. An administrator can import one: `mlgov import budgets FILE`."
        return Private(text, [blocks.section(text)])
    first = details[0].burn
    text = f"{details[0].project}: {messages.share_of(first)} of {first.period_words}'s budget, {messages.through(first)}"
    answer = [block for detail in details for block in budget_windows.budget(detail)]
    if len(open_) > SHOWN:
        answer.append(blocks.context(f"…and {len(open_) - SHOWN} more: `/mlgov budget PROJECT`"))
    return Private(blocks.escape(text, 300), answer)
