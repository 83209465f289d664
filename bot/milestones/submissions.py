"""The windows of milestones, sent: what was entered becomes a change, or a sentence under its field."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from bot import blocks, seals
from bot.context import Deps
from bot.interactions import AddWindow, MilestoneWindow, Place
from bot.milestones import windows, words
from bot.replies import Done, Private, Reply
from bot.requests import Submission
from bot.router import Router
from workflows import decisions
from workflows.approvals.forms import SubmitRequest
from workflows.errors import InvalidInput, Stale
from workflows.milestones import changes, following, reads, service, snoozing
from workflows.milestones.forms import AddMilestone, Reschedule
from workflows.milestones.moving import RESCHEDULE

T = TypeVar("T")


def register(router: Router) -> None:
    """Answer the windows."""
    router.submission(windows.SUBMIT_ADD, add, AddWindow)
    router.submission(windows.SUBMIT_DONE, done, MilestoneWindow)
    router.submission(windows.SUBMIT_RISK, at_risk, MilestoneWindow)
    router.submission(windows.SUBMIT_MOVE, reschedule, MilestoneWindow)
    router.submission(windows.SUBMIT_SNOOZE, snooze, MilestoneWindow)
    router.submission(windows.SUBMIT_HAND, hand_over, MilestoneWindow)
    router.submission(windows.SUBMIT_DROP, drop, MilestoneWindow)


def run(deps: Deps, milestone_id: int, clicked: Place, work: Callable[[Session], T]) -> T:
    """One transaction; when the milestone is not what was shown, its copies are drawn anew before the refusal is said."""
    with shown_again(deps, milestone_id, clicked):
        return deps.db.run(work)


@contextmanager
def shown_again(deps: Deps, milestone_id: int, clicked: Place) -> Iterator[None]:
    """When the milestone is not what was shown, its copies are drawn anew before the refusal is said."""
    try:
        yield
    except Stale:
        deps.db.run(
            lambda session: following.refresh_milestone(
                session, milestone_id, policy=deps.policy, now=deps.now(session), clicked=clicked
            )
        )
        raise


def _confirm(card: Place, text: str) -> Reply:
    """A card tells the change itself; where there is none, the window says it."""
    return Done() if card is not None else Private(text)


def day(submission: Submission, field: str) -> date:
    """The day that was picked. Raises InvalidInput at its field."""
    picked = submission.day(field)
    if picked is None:
        raise InvalidInput("Pick a day.", field=field)
    return picked


def _person(submission: Submission, field: str) -> str:
    """The opaque id of whom somebody picked. Slack is asked about who was never met, before any transaction."""
    slack_id = submission.text(field)
    if not slack_id:
        raise InvalidInput("Pick somebody.", field=field)
    deps = submission.deps
    return deps.directory.actor(slack_id, team_id=None, enterprise_id=deps.team.enterprise_id).id

    # --- adding


def add(submission: Submission, window: AddWindow) -> Reply:
    """A milestone is written down."""
    deps = submission.deps
    if window.promise and not seals.is_sealed(deps, submission.actor, window.promise, window.seal):
        raise window.refusal()
    form = submission.form(
        AddMilestone,
        {
            "project": window.project or submission.text(windows.PROJECT),
            "title": submission.text(windows.TITLE),
            "due": day(submission, windows.DUE),
            "owner_id": _person(submission, windows.OWNER),
            "promise": window.promise or None,
            "request_key": submission.key,
        },
    )

    def work(session: Session) -> str:
        now = deps.now(session)
        id_ = changes.add_milestone(
            session, submission.actor, form, policy=deps.policy, now=now, org_key=deps.team.org_key
        )
        record = reads.load_record(session, id_, policy=deps.policy, now=now)
        today = reads.today_of(deps.policy, now)
        owner = record.owner
        is_mine = owner is not None and owner.id == submission.actor.id
        whose = (
            "You are reminded"
            if is_mine
            else f"{owner.name if owner else 'Nobody'} is told, and reminded"
        )
        return f"Noted: {record.title}, {record.project}, {words.due(record, today)}. {whose} before then."

    return Private(deps.db.run(work))

    # --- changing


def _change(
    submission: Submission,
    window: MilestoneWindow,
    act: Callable[..., None],
    sentence: str,
    **given: Any,
) -> Reply:
    """Change the milestone that the window was about."""
    deps = submission.deps

    def work(session: Session) -> None:
        act(
            session,
            submission.actor,
            window.milestone_id,
            revision=window.revision,
            policy=deps.policy,
            now=deps.now(session),
            clicked=window.card,
            **given,
        )

    run(deps, window.milestone_id, window.card, work)
    return _confirm(window.card, sentence)


def done(submission: Submission, window: MilestoneWindow) -> Reply:
    """It is met."""
    return _change(
        submission,
        window,
        changes.complete,
        "Noted: it is met. Reminders of it end here.",
        proof=submission.text(windows.PROOF),
        on=day(submission, windows.ON),
    )


def at_risk(submission: Submission, window: MilestoneWindow) -> Reply:
    """It may not be met in time."""
    return _change(
        submission,
        window,
        changes.mark_at_risk,
        "Noted: it is at risk. Its day stays; reschedule to move it.",
        reason=submission.text(windows.REASON),
    )


def drop(submission: Submission, window: MilestoneWindow) -> Reply:
    """It is not wanted any more."""
    return _change(
        submission,
        window,
        changes.drop,
        "Dropped: it leaves every list and reminder.",
        reason=submission.text(windows.REASON),
    )


def hand_over(submission: Submission, window: MilestoneWindow) -> Reply:
    """Somebody else answers for it."""
    return _change(
        submission,
        window,
        changes.hand_over,
        "Handed over: the new owner is told in their working hours.",
        to=_person(submission, windows.TO),
        org_key=submission.deps.team.org_key,
    )


def snooze(submission: Submission, window: MilestoneWindow) -> Reply:
    """This person's reminders of it wait."""
    deps = submission.deps
    until = day(submission, windows.UNTIL)

    def work(session: Session) -> None:
        snoozing.snooze(
            session,
            submission.actor,
            window.milestone_id,
            until=until,
            policy=deps.policy,
            now=deps.now(session),
            clicked=window.card,
        )

    run(deps, window.milestone_id, window.card, work)
    return _confirm(window.card, f"Snoozed until {blocks.day(until)}.")


def new_day(submission: Submission, window: MilestoneWindow) -> Reschedule:
    """The form of another day. Raises WrongFields."""
    return submission.form(
        Reschedule,
        {
            "milestone_id": window.milestone_id,
            "revision": window.revision,
            "new": day(submission, windows.NEW),
        },
    )


def reschedule(submission: Submission, window: MilestoneWindow) -> Reply:
    """Another day: at once, or asked for where the policy names a gate for a later one."""
    milestone_id, deps = window.milestone_id, submission.deps
    reason = submission.text(windows.REASON)
    form = new_day(submission, window)

    def work(session: Session) -> str:
        now = deps.now(session)
        policy, version = deps.in_force
        service.require_may_change(
            session, submission.actor, milestone_id, policy=policy, clicked=window.card
        )
        record = reads.load_record(session, milestone_id, policy=policy, now=now)
        if changes.is_decided_elsewhere(policy, record, form.new):
            approval_id = decisions.submit(
                session,
                submission.actor,
                SubmitRequest(
                    gate=RESCHEDULE.gate,
                    subject_type=service.TYPE,
                    form=form,
                    reason=reason,
                    request_key=submission.key,
                ),
                policy=policy,
                policy_id=version,
                now=now,
                org_key=deps.team.org_key,
            )
            return f"Asked: request #{approval_id} waits for a decision. Until then the day stays."
        changes.reschedule(
            session,
            submission.actor,
            form,
            reason=reason,
            policy=policy,
            now=now,
            clicked=window.card,
        )
        moved = reads.load_record(session, milestone_id, policy=policy, now=now)
        today = reads.today_of(policy, now)
        others = ", ".join(
            f"{one.title} to {words.day(one.new, today)}" for one in moved.pushes[:5]
        )
        also = f" It moves {others}." if others else ""
        return f"Rescheduled to {words.day(form.new, today)}.{also}"

    return _confirm(window.card, run(deps, milestone_id, window.card, work))
