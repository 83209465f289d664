"""What a request rests on changed, or who could decide it: it is looked at again, in a moment and on its own.

The change itself only starts timers here. `approvals.service.recheck` does the rest, and every decision looks for itself.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.approvals import activity
from workflows import timers
from workflows.outbox import Subject

RECHECK = "approval.look"
"""The timer that has a request looked at again."""
SOON = timedelta(minutes=1)
"""By when every replica goes by a policy that was put in force."""


def recheck_about(
    session: Session, subject_type: str, ids: Collection[int], *, now: datetime
) -> None:
    """These subjects are not what they were."""
    if ids:
        recheck(session, activity.list_open_about(session, subject_type, ids), at=now)


def recheck_projects(
    session: Session, projects: Collection[int], *, now: datetime, subject_type: str | None = None
) -> None:
    """Something of these projects is not what it was; only what is asked about one type of subject, where one is named."""
    if projects:
        recheck(session, activity.list_open_in(session, projects, subject_type), at=now)


def recheck_all(session: Session, *, at: datetime) -> None:
    """Every request that waits is looked at again then: time, the policy, or people and groups may have changed something."""
    recheck(session, activity.list_open(session), at=at)


def recheck(session: Session, approval_ids: Iterable[int], *, at: datetime) -> None:
    """Look at these requests again at this instant; one that is to be looked at earlier is."""
    subjects = [Subject.of("approval", each) for each in sorted(approval_ids)]
    timers.wake(session, subjects, RECHECK, at)
