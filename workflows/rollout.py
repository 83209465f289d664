"""Who is ever messaged unasked: every reminder, invitation and digest to a person goes through here."""

from datetime import datetime

from sqlalchemy.orm import Session

from workflows import outbox
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy


def tell(
    session: Session,
    person_id: str,
    notice: Notice,
    *,
    to: Destination,
    dedupe_key: str,
    policy: Policy,
    now: datetime,
    subject: Subject | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> int | None:
    """Message a person who did not ask for it, where the policy's `rollout` lets it; the outbox row or None."""
    return outbox.post(
        session,
        notice,
        to=to,
        dedupe_key=dedupe_key,
        now=now,
        subject=subject,
        due_at=due_at,
        expires_at=expires_at,
    )
