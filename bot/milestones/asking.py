"""The window of another day: for a new request, for one that waits, and for one that ended."""

from datetime import date

from sqlalchemy.orm import Session

from bot import door, routes
from bot.interactions import DayWindow, MilestoneWindow, Request
from bot.milestones import submissions, windows
from bot.replies import Open, Private, Reply
from bot.requests import Click, Submission
from bot.router import Router
from workflows import decisions
from workflows.approvals.forms import Edit
from workflows.approvals.records import Card
from workflows.errors import NotAllowed
from workflows.milestones import reads, service
from workflows.milestones.moving import RESCHEDULE
from workflows.milestones.records import MilestoneRecord


def register(router: Router) -> None:
    """Answer the buttons of requests for another day, and the window."""
    router.action(f"{service.TYPE}.change", open_change, Request)
    router.action(f"{service.TYPE}.again", open_again, Request)
    router.submission(windows.SUBMIT_CHANGE, change, DayWindow)


def open_change(click: Click, request: Request) -> Reply:
    """Open the window for a request that waits."""
    deps = click.deps
    with deps.db.read() as session:
        now = deps.now(session)
        card = decisions.require_editable(
            session,
            click.actor,
            request.approval_id,
            policy=deps.policy,
            now=now,
            org_key=deps.team.org_key,
            clicked=click.card,
        )
        milestone = _milestone(session, card, click)
    metadata = DayWindow(milestone.id, milestone.revision, click.card, card.id, card.revision).text
    return window(click, milestone, metadata, before=_entered(card), is_change=True)


def open_again(click: Click, request: Request) -> Reply:
    """Open the window for a new request, as one that ended was filled in."""
    deps = click.deps
    with deps.db.read() as session:
        card = decisions.require_card(
            session,
            click.actor,
            request.approval_id,
            policy=deps.policy,
            now=deps.now(session),
            clicked=click.card,
        )
        if card.requester.id != click.actor.id:
            raise NotAllowed(
                "Somebody else asked for this. `/mlgov milestones` has a button to ask yourself."
            )
        milestone = _milestone(session, card, click)
    metadata = MilestoneWindow(milestone.id, milestone.revision).text
    return window(click, milestone, metadata, before=_entered(card))


def window(
    click: Click,
    milestone: MilestoneRecord,
    metadata: str,
    *,
    before: windows.Entered | None = None,
    is_change: bool = False,
) -> Reply:
    """Ask for another day, telling whom a later one would go to."""
    policy = click.deps.policy
    decided_by = None
    with click.deps.db.read() as session:
        today = reads.today_of(policy, click.deps.now(session))
        if policy.milestones.reschedule is not None:
            route = decisions.preview_route(
                session,
                click.actor,
                policy.milestones.reschedule,
                RESCHEDULE.people(session, milestone.id),
                policy=policy,
                org_key=click.deps.team.org_key,
            )
            decided_by = routes.describe_route(route)
    return Open(
        windows.reschedule(
            milestone,
            today,
            decided_by=decided_by,
            metadata=metadata,
            before=before,
            is_change=is_change,
        )
    )


def change(submission: Submission, sent: DayWindow) -> Reply:
    """The window was sent: change the request."""
    deps, request = submission.deps, sent.request
    edit = Edit(
        approval_id=request.approval_id,
        revision=door.shown_revision(deps, submission.actor, request, sent.card),
        form=submissions.new_day(submission, sent),
        reason=submission.text(windows.REASON),
        subject_type=service.TYPE,
    )
    with submissions.shown_again(deps, sent.milestone_id, None):
        return Private(door.act(deps, submission.actor, edit, sent.card))


def _milestone(session: Session, card: Card, click: Click) -> MilestoneRecord:
    deps = click.deps
    milestone_id = int(card.facts["milestone_id"])
    now = deps.now(session)
    return reads.load_record(session, milestone_id, policy=deps.policy, now=now)


def _entered(card: Card) -> windows.Entered:
    return windows.Entered(date.fromisoformat(card.facts["new"]), card.reason)
