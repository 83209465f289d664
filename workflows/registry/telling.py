"""Messages about the registry, which follow its state."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.people.channels import find_channel
from workflows import outbox
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy

ABOUT = Subject.of("registry", "1")
"""What every message about the registry as a whole is a view of."""


def post_notice(
    session: Session,
    notice: Notice,
    key: str,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    channel: str | None = None,
    subject: Subject = ABOUT,
) -> None:
    """Post in the governance channel, or in another one; once for a key."""
    place = channel or find_channel(
        session, org_key, policy.channels.governance or policy.channels.admin
    )
    if place is None:
        return
    outbox.post(
        session,
        notice,
        to=Destination.channel(org_key, place),
        dedupe_key=f"registry:{key}",
        now=now,
        subject=subject,
    )


def refresh_messages(session: Session, *, now: datetime) -> None:
    """Every message about the registry as a whole shows what is true now."""
    session.flush()
    outbox.refresh(session, ABOUT, now=now)
