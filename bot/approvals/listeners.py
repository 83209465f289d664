"""Clicks on requests, the modal that rejects, and `/mlgov approvals`."""

from datetime import timedelta

from sqlalchemy.orm import Session

from bot.approvals import (
    acting,
    away,
    breakglass,
    conditions,
    deciding,
    handover,
    information,
    menu,
    retraction,
    several,
    views,
    words,
)
from bot.replies import Done, FieldErrors, Open, Private, Reply, Show
from bot.requests import Click, Command, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows import clock, decisions, permissions
from workflows.actors import Actor
from workflows.approvals.forms import Withdraw
from workflows.approvals.records import Card
from workflows.errors import Stale


def register(router: Router) -> None:
    """Answer the buttons of every card, the modal, and the word `approvals`."""
    router.action(words.APPROVE, approve)
    router.action(words.APPROVE_WITH, open_approve)
    router.action(words.REJECT, open_reject)
    router.action(words.DETAILS, details)
    router.action(words.WITHDRAW, withdraw)
    router.submission(views.SUBMIT_APPROVE, approve_with)
    router.submission(views.SUBMIT_REJECT, reject)
    for action in (
        away,
        breakglass,
        conditions,
        handover,
        information,
        menu,
        retraction,
        several,
    ):
        action.register(router)
    router.word(
        "approvals", "approvals", "what waits for you, and what you asked for", show
    )


def approve(click: Click) -> Reply:
    """One click approves."""
    form = acting.form_of(click.value, Verdict.APPROVE)
    deciding.decide(click.deps, click.actor, form, click.card)
    return _said(click, form.approval_id)


def open_approve(click: Click) -> Reply:
    """A stage that wants a comment asks for it; whoever may not decide is told before they write one."""
    card, metadata = _asking_why(click, Verdict.APPROVE)
    return Open(views.approve(card, metadata=metadata))


def approve_with(submission: Submission) -> Reply:
    """The comment was given."""
    return _with_reason(
        submission,
        Verdict.APPROVE,
        "Say in a sentence why you approve; the requester reads it.",
    )


def open_reject(click: Click) -> Reply:
    """Rejecting asks for the reason; whoever may not decide is told before they write one."""
    card, metadata = _asking_why(click, Verdict.REJECT)
    return Open(views.reject(card, metadata=metadata))


def _asking_why(click: Click, verdict: Verdict) -> tuple[Card, str]:
    """The card to be decided with a reason, and what its window keeps. Raises the refusal of who may not decide."""
    form = acting.form_of(click.value, verdict)
    deps = click.deps

    def look(session: Session, actor: Actor, max_age: timedelta | None) -> Card:
        real, now = clock.both(session)
        decisions.require_entitled(
            session,
            actor,
            form,
            policy=deps.policy,
            now=now,
            org_key=deps.team.org_key,
            mirrored_since=real - max_age if max_age else None,
        )
        return decisions.card(session, form.approval_id, policy=deps.policy, now=now)

    try:
        card = deciding.confirmed(deps, click.actor, form.approval_id, look)
    except Stale as stale:
        deciding.show_again(deps, form.approval_id, click.card, stale)
        raise
    return card, acting.remember(click.value, click)


def reject(submission: Submission) -> Reply:
    """The reason was given."""
    return _with_reason(
        submission,
        Verdict.REJECT,
        "Say in a sentence why you reject it; the requester reads it.",
    )


def _with_reason(submission: Submission, verdict: Verdict, missing: str) -> Reply:
    value, where = acting.split(submission.metadata)
    reason = str(submission.values.get(views.REASON) or "").strip()
    if not reason:
        return FieldErrors({views.REASON: missing})
    form = acting.form_of(value, verdict, reason)
    deciding.decide(submission.deps, submission.actor, form, where)
    return Done()


def withdraw(click: Click) -> Reply:
    """The requester takes the request back."""
    approval_id = acting.form_of(click.value, Verdict.APPROVE).approval_id
    deps = click.deps
    try:
        deps.db.run(
            lambda session: decisions.withdraw(
                session,
                click.actor,
                Withdraw(approval_id=approval_id),
                policy=deps.policy,
                now=deps.now(session),
                org_key=deps.team.org_key,
                clicked=click.card,
            )
        )
    except Stale as stale:
        deciding.show_again(deps, approval_id, click.card, stale)
        raise
    return _said(click, approval_id)


def details(click: Click) -> Reply:
    """Everything about a request, for members of the organisation."""
    approval_id = acting.form_of(click.value, Verdict.APPROVE).approval_id
    permissions.require_member(
        click.actor, "approval.read", subject=("approval", approval_id)
    )
    return Open(acting.details(click, approval_id))


def show(command: Command) -> Reply:
    """What waits for me, with its buttons, and what I asked for."""
    deps = command.deps
    with deps.db.read() as session:
        now = deps.now(session)
        text, shown = views.answer(
            decisions.waiting_for(session, command.actor, policy=deps.policy, now=now),
            decisions.asked_by(session, command.actor, policy=deps.policy, now=now),
        )
    return Private(text, shown)


def _said(click: Click, approval_id: int) -> Reply:
    """A card tells the outcome itself; a private list cannot be edited and a modal has to be shown anew."""
    if click.view is not None and click.view.get("type") == "modal":
        return Show(acting.details(click, approval_id))
    if not (click.payload.get("container") or {}).get("is_ephemeral"):
        return Done()
    with click.deps.db.read() as session:
        card = decisions.card(
            session,
            approval_id,
            policy=click.deps.policy,
            now=click.deps.now(session),
            reader_id=click.actor.id,
        )
    if not card.is_pending:
        return Private(words.outcome(card))
    return Private(
        f"You approved: {words.asks(card)} · waiting for {words.progress(card)}"
    )
