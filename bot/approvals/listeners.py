"""Deciding by button, and `/mlgov approvals`."""

from datetime import timedelta

from sqlalchemy.orm import Session

from bot import blocks
from bot.approvals import messages, views
from bot.context import Deps
from bot.replies import Done, FieldErrors, Open, Private, Reply
from bot.requests import Click, Command, Submission
from bot.router import Router
from storage.enums import Verdict
from workflows import decisions, permissions
from workflows.actors import Actor
from workflows.approvals.forms import Decide, Withdraw
from workflows.errors import InvalidInput, Stale

FRESH = timedelta(minutes=10)
"""How old the mirror's word on a person or a group may be when they decide."""


def register(router: Router) -> None:
    """Answer clicks, the window that asks why, and the word `approvals`."""
    router.action(messages.APPROVE, approve)
    router.action(messages.REJECT, open_reject)
    router.action(messages.DETAILS, details)
    router.action(messages.WITHDRAW, withdraw)
    router.submission(views.SUBMIT_REJECT, reject)
    router.word(
        "approvals",
        "approvals",
        "what waits for your decision, and what you asked for",
        approvals,
    )


def _shown(value: str) -> tuple[int, int]:
    """The request and the revision that a button carries."""
    number, _, revision = value.partition(":")
    if not (
        number.isascii()
        and number.isdigit()
        and revision.isascii()
        and revision.isdigit()
    ):
        raise InvalidInput(
            "This button is from another release of mlgov. Use `/mlgov approvals` instead."
        )
    return int(number), int(revision)


def _confirmed(deps: Deps, actor: Actor, approval_id: int) -> Actor:
    """The person, with what the request's stages ask about them fresh enough to decide on."""
    permissions.require_member(
        actor, "approval.decide", subject=("approval", approval_id)
    )
    with deps.db.read() as session:
        asked = decisions.groups_asked(session, approval_id)
    return deps.directory.confirm(actor.slack_id or "", asked, max_age=FRESH)


def _decide(
    deps: Deps, actor: Actor, form: Decide, clicked: tuple[str, str] | None
) -> None:
    actor = _confirmed(deps, actor, form.approval_id)

    def work(session: Session) -> None:
        decisions.decide(
            session,
            actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=clicked,
        )

    try:
        deps.db.run(work)
    except Stale:
        if clicked is not None:
            card = clicked
            deps.db.run(
                lambda session: decisions.show_again(
                    session, form.approval_id, now=deps.now(session), clicked=card
                )
            )
        raise


def approve(click: Click) -> Reply:
    """One click approves."""
    number, revision = _shown(click.value)
    form = Decide(approval_id=number, revision=revision, verdict=Verdict.APPROVE)
    _decide(click.deps, click.actor, form, click.card)
    return Done()


def open_reject(click: Click) -> Reply:
    """Rejecting asks why."""
    number, _ = _shown(click.value)
    permissions.require_member(
        click.actor, "approval.decide", subject=("approval", number)
    )
    with click.deps.db.read() as session:
        now = click.deps.now(session)
        card = decisions.card(
            session, number, policy=click.deps.policy, now=now, reader_id=click.actor.id
        )
    return Open(views.reject(card))


def reject(submission: Submission) -> Reply:
    """The reason came: the request is rejected."""
    number, revision = _shown(submission.metadata)
    reason = str(submission.values.get(views.REASON) or "").strip()
    if not reason:
        return FieldErrors(
            {views.REASON: "Say why, in a sentence; whoever asked reads it."}
        )
    form = Decide(
        approval_id=number, revision=revision, verdict=Verdict.REJECT, reason=reason
    )
    _decide(submission.deps, submission.actor, form, None)
    return Done()


def details(click: Click) -> Reply:
    """Everything about a request."""
    number, _ = _shown(click.value)
    permissions.require_member(
        click.actor, "approval.read", subject=("approval", number)
    )
    with click.deps.db.read() as session:
        card = decisions.card(
            session,
            number,
            policy=click.deps.policy,
            now=click.deps.now(session),
            reader_id=click.actor.id,
        )
    return Open(views.details(card))


def withdraw(click: Click) -> Reply:
    """The requester takes it back."""
    number, _ = _shown(click.value)
    deps = click.deps
    deps.db.run(
        lambda session: decisions.withdraw(
            session,
            click.actor,
            Withdraw(approval_id=number),
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=click.card,
        )
    )
    return Done()


def approvals(command: Command) -> Reply:
    """What waits for me, with buttons, and what I asked for."""
    with command.deps.db.read() as session:
        now = command.deps.now(session)
        waiting = decisions.waiting_for(
            session, command.actor, policy=command.deps.policy, now=now
        )
        asked = decisions.asked_by(
            session, command.actor, policy=command.deps.policy, now=now
        )
    if waiting:
        text = (
            "1 decision waits for you"
            if len(waiting) == 1
            else f"{len(waiting)} decisions wait for you"
        )
    else:
        text = "Nothing waits for you"
    shown = [blocks.section(f"*{text}*"), *views.waiting_blocks(waiting[:10])]
    if asked:
        shown += [
            blocks.divider(),
            blocks.section("*You asked for*"),
            *views.asked_blocks(asked[:10]),
        ]
    return Private(text, shown[: blocks.MESSAGE_BLOCKS])
