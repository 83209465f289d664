"""Clicks on requests, the modal that rejects, and `/mlgov approvals`."""

from bot.approvals import (
    acting,
    away,
    breakglass,
    conditions,
    handover,
    information,
    menu,
    retraction,
    several,
    views,
    words,
)
from bot.interactions import Request, RequestOnRecord, RequestWindow
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows import decisions
from workflows.approvals.forms import AskAgain, Decide, Withdraw


def register(router: Router) -> None:
    """Answer the buttons of every card, the modal, and the word `approvals`."""
    router.action(words.APPROVE, approve, Request)
    router.action(words.APPROVE_WITH, open_approve, Request)
    router.action(words.REJECT, open_reject, Request)
    router.action(words.DETAILS, details, Request)
    router.action(words.WITHDRAW, withdraw, Request)
    router.action(words.KEEP, withdraw, Request)
    router.action(words.ASK_AGAIN, ask_again, RequestOnRecord)
    router.submission(views.SUBMIT_APPROVE, approve_with, RequestWindow)
    router.submission(views.SUBMIT_REJECT, reject, RequestWindow)
    for action in (away, breakglass, conditions, handover, information, menu, retraction, several):
        action.register(router)
    router.word("approvals", "approvals", "what waits for you, and what you asked for", show)


def approve(click: Click, request: Request) -> Reply:
    """One click approves."""
    acting.act(click, request, Decide, verdict=Verdict.APPROVE)
    return _confirm(click, request)


def open_approve(click: Click, request: Request) -> Reply:
    """A stage that wants a comment asks for it; whoever may not decide is told before they write one."""
    card = acting.load_entitled(click, request, Decide, verdict=Verdict.APPROVE)
    return Open(views.approve_window(card, metadata=acting.remember(card, click)))


def approve_with(submission: Submission, request: RequestWindow) -> Reply:
    """The comment was given."""
    missing = "Say in a sentence why you approve; the requester reads it."
    return _decide_with_reason(submission, request, Verdict.APPROVE, missing)


def open_reject(click: Click, request: Request) -> Reply:
    """Rejecting asks for the reason; whoever may not decide is told before they write one."""
    card = acting.load_entitled(click, request, Decide, verdict=Verdict.REJECT)
    return Open(views.reject_window(card, metadata=acting.remember(card, click)))


def reject(submission: Submission, request: RequestWindow) -> Reply:
    """The reason was given."""
    missing = "Say in a sentence why you reject it; the requester reads it."
    return _decide_with_reason(submission, request, Verdict.REJECT, missing)


def _decide_with_reason(
    submission: Submission, request: RequestWindow, verdict: Verdict, missing: str
) -> Reply:
    reason = submission.text(views.REASON)
    if not reason:
        return FieldErrors({views.REASON: missing})
    acting.act(submission, request, Decide, verdict=verdict, reason=reason)
    return Done()


def withdraw(click: Click, request: Request) -> Reply:
    """The requester takes the request back."""
    acting.act(click, request, Withdraw)
    return _confirm(click, request)


def ask_again(click: Click, request: RequestOnRecord) -> Reply:
    """The same change to what there is by now."""
    sentence = acting.act(click, request, AskAgain, stands=request.stands or "-")
    return acting.answer(click, request.approval_id, sentence)


def details(click: Click, request: Request) -> Reply:
    """Everything about a request, for who may read it."""
    return Open(acting.details(click, request.approval_id))


def show(command: Command) -> Reply:
    """What waits for me, with its buttons, and what I asked for."""
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        text, shown = views.build_answer(
            decisions.list_waiting(session, command.actor, policy=deps.policy, now=now),
            decisions.list_asked(session, command.actor, policy=deps.policy, now=now),
        )
    return Private(text, shown)


def _confirm(click: Click, request: Request) -> Reply:
    """A card tells the outcome itself; a private list cannot be edited and a modal has to be shown anew."""
    if click.in_modal:
        return Show(acting.details(click, request.approval_id))
    if not click.is_private:
        return Done()
    card = acting.load_card(click, request.approval_id)
    if not card.is_pending:
        return Private(words.describe_outcome(card))
    return Private(
        f"You approved: {words.asks(card)} · waiting for {words.describe_progress(card)}"
    )
