"""The windows of milestones, sent: what was entered becomes a change, or a sentence under its field."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bot import blocks, seals
from bot.context import Deps
from bot.milestones import windows, words
from bot.replies import Done, FieldErrors, Private, Reply
from bot.requests import UNREADABLE, Submission
from bot.router import Router
from workflows import decisions
from workflows.approvals.forms import SubmitRequest
from workflows.errors import InvalidInput, Stale
from workflows.milestones import changes, following, reads, service, snoozing
from workflows.milestones.forms import AddMilestone, Reschedule
from workflows.milestones.moving import RESCHEDULE

T = TypeVar("T")
Clicked = tuple[str, str] | None

OTHER_RELEASE = "This button is from another release of mlgov. Use `/mlgov milestones` instead."


def register(router: Router) -> None:
    """Answer the windows."""
    router.submission(windows.SUBMIT_ADD, add)
    router.submission(windows.SUBMIT_DONE, done)
    router.submission(windows.SUBMIT_RISK, at_risk)
    router.submission(windows.SUBMIT_MOVE, reschedule)
    router.submission(windows.SUBMIT_SNOOZE, snooze)
    router.submission(windows.SUBMIT_HAND, hand_over)
    router.submission(windows.SUBMIT_DROP, drop)


# --- what buttons and windows carry


def number(value: str) -> int:
    """An id from a button. Raises InvalidInput."""
    try:
        return int(value)
    except ValueError:
        raise InvalidInput(OTHER_RELEASE) from None


def ids(value: str) -> tuple[int, int]:
    """Which milestone, as of which revision. Raises InvalidInput."""
    parts = value.split(":")
    if len(parts) < 2:
        raise InvalidInput(OTHER_RELEASE)
    return number(parts[0]), number(parts[1])


def _place(metadata: str) -> Clicked:
    parts = metadata.split(":")[2:4]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def run(deps: Deps, milestone_id: int, clicked: Clicked, work: Callable[[Session], T]) -> T:
    """One transaction; when the milestone is not what was shown, its copies are drawn anew before the refusal is said."""
    with shown_again(deps, milestone_id, clicked):
        return deps.db.run(work)


@contextmanager
def shown_again(deps: Deps, milestone_id: int, clicked: Clicked) -> Iterator[None]:
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


def _said(clicked: Clicked, text: str) -> Reply:
    """A card tells the change itself; where there is none, the window says it."""
    return Done() if clicked is not None else Private(text)


def day(submission: Submission, field: str) -> date:
    """The day that was picked. Raises InvalidInput at its field."""
    picked = str(submission.values.get(field) or "")
    try:
        return date.fromisoformat(picked)
    except ValueError:
        raise InvalidInput("Pick a day.", field=field) from None


def text(submission: Submission, field: str) -> str:
    """What was typed into a field."""
    return str(submission.values.get(field) or "").strip()


def _person(submission: Submission, field: str) -> str:
    """The opaque id of whom somebody picked. Slack is asked about who was never met, before any transaction."""
    slack_id = text(submission, field)
    if not slack_id:
        raise InvalidInput("Pick somebody.", field=field)
    deps = submission.deps
    return deps.directory.actor(slack_id, team_id=None, enterprise_id=deps.team.enterprise_id).id


# --- adding


def _carried(submission: Submission) -> dict[str, Any]:
    """What the window was opened with: the project and the promise it is about, each None where there is none."""
    try:
        carried: Any = json.loads(submission.metadata)
        found = {name: carried[name] for name in ("project", "promise")}
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(UNREADABLE) from None
    if found["promise"]:
        place, given = str(found["promise"]), str(carried.get("seal") or "")
        if not seals.is_sealed(submission.deps, submission.actor, place, given):
            raise InvalidInput(UNREADABLE)
    return found


def add(submission: Submission) -> Reply:
    """A milestone is written down."""
    deps, values = submission.deps, submission.values
    told = _carried(submission)
    try:
        form = AddMilestone(
            project=told["project"] or text(submission, windows.PROJECT),
            title=values.get(windows.TITLE) or "",
            due=day(submission, windows.DUE),
            type=values.get(windows.TYPE) or "other",
            owner_id=_person(submission, windows.OWNER),
            needs=tuple(number(one) for one in values.get(windows.NEEDS) or ()),
            promise=told["promise"] or None,
            request_key=submission.key,
        )
    except ValidationError as error:
        return FieldErrors(
            {
                str(fault["loc"][0]): str(fault["msg"]).removeprefix("Value error, ")
                for fault in error.errors()
            }
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


def _change(submission: Submission, act: Callable[..., None], said: str, **given: Any) -> Reply:
    """Change the milestone that the window was about."""
    milestone_id, revision = ids(submission.metadata)
    clicked, deps = _place(submission.metadata), submission.deps

    def work(session: Session) -> None:
        act(
            session,
            submission.actor,
            milestone_id,
            revision=revision,
            policy=deps.policy,
            now=deps.now(session),
            clicked=clicked,
            **given,
        )

    run(deps, milestone_id, clicked, work)
    return _said(clicked, said)


def done(submission: Submission) -> Reply:
    """It is met."""
    return _change(
        submission,
        changes.complete,
        "Noted: it is met. Reminders of it end here.",
        proof=text(submission, windows.PROOF),
        on=day(submission, windows.ON),
    )


def at_risk(submission: Submission) -> Reply:
    """It may not be met in time."""
    return _change(
        submission,
        changes.mark_at_risk,
        "Noted: it is at risk. Its day stays; reschedule to move it.",
        reason=text(submission, windows.REASON),
    )


def drop(submission: Submission) -> Reply:
    """It is not wanted any more."""
    return _change(
        submission,
        changes.drop,
        "Dropped: it leaves every list and reminder.",
        reason=text(submission, windows.REASON),
    )


def hand_over(submission: Submission) -> Reply:
    """Somebody else answers for it."""
    return _change(
        submission,
        changes.hand_over,
        "Handed over: the new owner is told in their working hours.",
        to=_person(submission, windows.TO),
        org_key=submission.deps.team.org_key,
    )


def snooze(submission: Submission) -> Reply:
    """This person's reminders of it wait."""
    milestone_id, _ = ids(submission.metadata)
    clicked, deps = _place(submission.metadata), submission.deps
    until = day(submission, windows.UNTIL)

    def work(session: Session) -> None:
        snoozing.snooze(
            session,
            submission.actor,
            milestone_id,
            until=until,
            policy=deps.policy,
            now=deps.now(session),
            clicked=clicked,
        )

    run(deps, milestone_id, clicked, work)
    return _said(clicked, f"Snoozed until {blocks.day(until)}.")


def reschedule(submission: Submission) -> Reply:
    """Another day: at once, or asked for where the policy names a gate for a later one."""
    milestone_id, revision = ids(submission.metadata)
    clicked, deps = _place(submission.metadata), submission.deps
    reason = text(submission, windows.REASON)
    try:
        form = Reschedule(
            milestone_id=milestone_id, revision=revision, new=day(submission, windows.NEW)
        )
    except ValidationError as error:
        fault = error.errors()[0]
        return FieldErrors({windows.NEW: str(fault["msg"]).removeprefix("Value error, ")})

    def work(session: Session) -> str:
        now = deps.now(session)
        policy, version = deps.in_force
        service.require_may_change(
            session, submission.actor, milestone_id, policy=policy, clicked=clicked
        )
        record = reads.load_record(session, milestone_id, policy=policy, now=now)
        if changes.is_decided_elsewhere(policy, record, form.new):
            number_ = decisions.submit(
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
            return f"Asked: request #{number_} waits for a decision. Until then the day stays."
        changes.reschedule(
            session, submission.actor, form, reason=reason, policy=policy, now=now, clicked=clicked
        )
        moved = reads.load_record(session, milestone_id, policy=policy, now=now)
        today = reads.today_of(policy, now)
        others = ", ".join(
            f"{one.title} to {words.day(one.new, today)}" for one in moved.pushes[:5]
        )
        also = f" It moves {others}." if others else ""
        return f"Rescheduled to {words.day(form.new, today)}.{also}"

    return _said(clicked, run(deps, milestone_id, clicked, work))
