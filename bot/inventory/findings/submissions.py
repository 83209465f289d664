"""The windows of findings and reviews, sent."""

from sqlalchemy.orm import Session

from bot.interactions import WINDOW_UNREADABLE, ModelWindow, ReviewWindow
from bot.inventory import entered, fields
from bot.replies import Reply
from bot.requests import Submission
from bot.router import Router
from workflows.errors import InvalidInput
from workflows.inventory import findings, reviews
from workflows.inventory.forms import FileFinding, SettleFinding


def register(router: Router) -> None:
    """Answer the windows of findings and reviews."""
    router.submission(fields.SUBMIT_REVIEW, review, ReviewWindow)
    for callback, handler in (
        (fields.SUBMIT_FINDING, finding),
        (fields.SUBMIT_SETTLE, settle),
    ):
        router.submission(callback, handler, ModelWindow)


def finding(submission: Submission, at: ModelWindow) -> Reply:
    """Something wrong."""
    deps = submission.deps

    def work(session: Session) -> int:
        form = submission.form(
            FileFinding,
            {
                "model_id": at.model_id,
                "version_id": at.version_id,
                "owner_id": entered.person_id(session, submission, fields.OWNER),
            },
        )
        return findings.file_finding(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=at.card,
        )

    entered.run(submission, work)
    return entered.confirm(submission, at, "Filed. Who mends it is told.")


def settle(submission: Submission, at: ModelWindow) -> Reply:
    """What becomes of a finding."""
    deps = submission.deps
    form = submission.form(
        SettleFinding,
        {
            "finding_id": at.version_revision,
            "revision": at.model_revision,
            "how": submission.values.get(fields.HOW) or "progress",
        },
    )
    sentence = entered.run(
        submission,
        lambda session: findings.settle_finding(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.details(deps, submission.actor, at.model_id, None, sentence)


def review(submission: Submission, at: ReviewWindow) -> Reply:
    """A review that was done."""
    deps = submission.deps
    due = at.due
    if due is None:
        raise InvalidInput(WINDOW_UNREADABLE)
    sentence = entered.run(
        submission,
        lambda session: reviews.record_review(
            session,
            submission.actor,
            at.model_id,
            due,
            words=submission.text(fields.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=at.card,
        ),
    )
    return entered.confirm(submission, at, sentence)
