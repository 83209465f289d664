"""The only door through which a request is opened and ended: it and its subject change in one transaction."""

from datetime import datetime

from sqlalchemy.orm import Session

from workflows.actors import Actor
from workflows.approvals.forms import Decide, SubmitRequest, Withdraw
from workflows.policy import Policy
from workflows.subjects import SubjectType

SUBJECTS: dict[str, SubjectType] = {}
"""What can be asked for, by subject type."""


def submit(
    session: Session,
    actor: Actor,
    form: SubmitRequest,
    *,
    policy: Policy,
    policy_id: int,
    now: datetime,
    org_key: str,
) -> int:
    """Open a request and ask its first stage; its id. The same `request_key` again changes nothing.

    Raises GovernanceError when the subject refuses the form, or when a stage could never pass.
    """
    raise NotImplementedError


def decide(
    session: Session,
    actor: Actor,
    form: Decide,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """Count one verdict; the last one ends the request and changes its subject.

    `clicked` is the channel and ts of the card: it is redrawn first. Raises GovernanceError with a sentence for
    everyone who may not decide, or not any more; nothing is changed then.
    """
    raise NotImplementedError


def withdraw(
    session: Session,
    actor: Actor,
    form: Withdraw,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """The requester takes the request back."""
    raise NotImplementedError


def expire(
    session: Session,
    approval_id: int,
    *,
    policy: Policy,
    now: datetime,
    org_key: str,
    clicked: tuple[str, str] | None = None,
) -> None:
    """Nobody decided in time. Does nothing when the request has ended or is not due yet."""
    raise NotImplementedError
