"""Clicks on requests, the modal that rejects, and `/mlgov approvals`."""

from bot import door
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
from bot.door import Seen
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows import decisions
from workflows.approvals.forms import AskAgain, Decide, Withdraw
from workflows.approvals.records import Card


def register(router: Router) -> None:
    """Answer the buttons of every card, the modal, and the word `approvals`."""
    router.action(words.APPROVE, approve)
    router.action(words.APPROVE_WITH, open_approve)
    router.action(words.REJECT, open_reject)
    router.action(words.DETAILS, details)
    router.action(words.WITHDRAW, withdraw)
    router.action(words.KEEP, withdraw)
    router.action(words.ASK_AGAIN, ask_again)
    router.submission(views.SUBMIT_APPROVE, approve_with)
    router.submission(views.SUBMIT_REJECT, reject)
    for action in (away, breakglass, conditions, handover, information, menu, retraction, several):
        action.register(router)
    router.word("approvals", "approvals", "what waits for you, and what you asked for", show)


def approve(click: Click) -> Reply:
    """One click approves."""
    at = acting.seen(click)
    form = _verdict(at, Verdict.APPROVE)
    door.act(click.deps, click.actor, form, click.card)
    return _said(click, at.approval_id)


def _verdict(at: Seen, verdict: Verdict, reason: str = "") -> Decide:
    return Decide(approval_id=at.approval_id, revision=at.revision, verdict=verdict, reason=reason)


def open_approve(click: Click) -> Reply:
    """A stage that wants a comment asks for it; whoever may not decide is told before they write one."""
    card, metadata = _asking_why(click, Verdict.APPROVE)
    return Open(views.approve_window(card, metadata=metadata))


def approve_with(submission: Submission) -> Reply:
    """The comment was given."""
    return _with_reason(
        submission, Verdict.APPROVE, "Say in a sentence why you approve; the requester reads it."
    )


def open_reject(click: Click) -> Reply:
    """Rejecting asks for the reason; whoever may not decide is told before they write one."""
    card, metadata = _asking_why(click, Verdict.REJECT)
    return Open(views.reject_window(card, metadata=metadata))


def _asking_why(click: Click, verdict: Verdict) -> tuple[Card, str]:
    """The card to be decided with a reason, and what its window keeps. Raises the refusal of who may not decide."""
    at = acting.seen(click)
    form = _verdict(at, verdict)
    door.require_entitled(click.deps, click.actor, form, click.card)
    card = acting.card(click, at.approval_id)
    return card, acting.remember(card, click)


def reject(submission: Submission) -> Reply:
    """The reason was given."""
    return _with_reason(
        submission, Verdict.REJECT, "Say in a sentence why you reject it; the requester reads it."
    )


def _with_reason(submission: Submission, verdict: Verdict, missing: str) -> Reply:
    at = acting.of_window(submission)
    reason = acting.words_of(submission, views.REASON)
    if not reason:
        return FieldErrors({views.REASON: missing})
    form = _verdict(at, verdict, reason)
    door.act(submission.deps, submission.actor, form, at.clicked)
    return Done()


def withdraw(click: Click) -> Reply:
    """The requester takes the request back."""
    at = acting.seen(click)
    form = Withdraw(approval_id=at.approval_id, revision=at.revision)
    door.act(click.deps, click.actor, form, click.card)
    return _said(click, at.approval_id)


def ask_again(click: Click) -> Reply:
    """The same change to what there is by now."""
    at = acting.seen(click)
    form = AskAgain(
        approval_id=at.approval_id, revision=at.revision, stands=":".join(at.rest) or "-"
    )
    sentence = door.act(click.deps, click.actor, form, click.card)
    return acting.told(click, at.approval_id, sentence)


def details(click: Click) -> Reply:
    """Everything about a request, for who may read it."""
    return Open(acting.details(click, acting.request_of(click)))


def show(command: Command) -> Reply:
    """What waits for me, with its buttons, and what I asked for."""
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        text, parts = views.build_answer(
            decisions.list_waiting(session, command.actor, policy=deps.policy, now=now),
            decisions.list_asked(session, command.actor, policy=deps.policy, now=now),
        )
    return Private(text, parts)


def _said(click: Click, approval_id: int) -> Reply:
    """A card tells the outcome itself; a private list cannot be edited and a modal has to be shown anew."""
    if click.view is not None and click.view.get("type") == "modal":
        return Show(acting.details(click, approval_id))
    if not (click.payload.get("container") or {}).get("is_ephemeral"):
        return Done()
    card = acting.card(click, approval_id)
    if not card.is_pending:
        return Private(words.describe_outcome(card))
    return Private(
        f"You approved: {words.asks(card)} · waiting for {words.describe_progress(card)}"
    )
