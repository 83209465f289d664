"""The windows of findings and reviews, sent."""

from datetime import date

from sqlalchemy.orm import Session

from bot.inventory import acting, entered, fields
from bot.inventory.acting import At
from bot.replies import Reply
from bot.requests import UNREADABLE, Submission
from bot.router import Router
from workflows.errors import InvalidInput
from workflows.inventory import findings, reviews
from workflows.inventory.forms import FileFinding, SettleFinding


def register(router: Router) -> None:
    """Answer the windows of findings and reviews."""
    for callback, handler in (
        (fields.SUBMIT_FINDING, finding),
        (fields.SUBMIT_SETTLE, settle),
        (fields.SUBMIT_REVIEW, review),
    ):
        router.submission(callback, entered.told(handler))


def finding(submission: Submission) -> Reply:
    """Something wrong."""
    deps, at = submission.deps, At.read(submission.metadata)

    def work(session: Session) -> int:
        form = FileFinding.model_validate(
            {
                "model_id": at.model_id,
                "version_id": at.version_id,
                "words": entered.text(submission, fields.WORD),
                "severity": submission.values.get(fields.SEVERITY),
                "owner_id": entered.person(session, submission, fields.OWNER),
                "due": entered.day(submission, fields.DUE),
            }
        )
        return findings.file_finding(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            org_key=deps.team.org_key,
            clicked=acting.clicked_of(submission.metadata),
        )

    entered.run(submission, work)
    return entered.done(submission, at, "Filed. Who mends it is told.")


def settle(submission: Submission) -> Reply:
    """What becomes of a finding."""
    deps, at = submission.deps, At.read(submission.metadata)
    form = SettleFinding.model_validate(
        {
            "finding_id": at.version_revision,
            "revision": at.model_revision,
            "how": submission.values.get(fields.HOW) or "progress",
            "word": entered.text(submission, fields.WORD),
            "until": entered.day(submission, fields.UNTIL),
        }
    )
    said = entered.run(
        submission,
        lambda session: findings.settle_finding(
            session,
            submission.actor,
            form,
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, At("", at.model_id, 0, None, 0), said)


def review(submission: Submission) -> Reply:
    """A review that was done."""
    deps, at = submission.deps, At.read(submission.metadata)
    try:
        due = date.fromisoformat(submission.metadata.rsplit(":", 1)[-1])
    except ValueError:
        raise InvalidInput(UNREADABLE) from None
    said = entered.run(
        submission,
        lambda session: reviews.record_review(
            session,
            submission.actor,
            at.model_id,
            due,
            words=entered.text(submission, fields.WORD),
            policy=deps.policy,
            now=deps.now(session),
            clicked=acting.clicked_of(submission.metadata),
        ),
    )
    return entered.done(submission, at, said)
