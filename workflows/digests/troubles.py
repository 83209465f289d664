"""Telling the owner of a digest what went wrong in a week, on one card that follows; readers are told nothing."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.enums import DigestState
from storage.people.channels import find_channel
from workflows import outbox, rollout
from workflows.digests import readers
from workflows.digests.notices import DigestTroubled
from workflows.digests.records import Trouble
from workflows.due import Occasion
from workflows.outbox import Destination, Subject


def subject(kind: str, week: str) -> Subject:
    """What the card shows."""
    return Subject.of("digest_week", f"{kind}:{week}")


def tell_owners(session: Session, kind: str, week: str, occasion: Occasion) -> None:
    """See to it that the owners have the card, and that it shows how things stand now."""
    policy, now = occasion.policy, occasion.now
    digest = policy.digests.named.get(kind)
    owners = (
        readers.list_owners(session, digest, policy=policy, org_key=occasion.org_key)
        if digest is not None
        else {}
    )
    notice = DigestTroubled(kind, week)
    for person_id, slack_id in sorted(owners.items(), key=lambda item: item[1]):
        rollout.message_unasked(
            session,
            person_id,
            notice,
            to=Destination.person(occasion.org_key, slack_id),
            dedupe_key=f"digest-trouble:{kind}:{week}:{person_id}",
            policy=policy,
            now=now,
            subject=subject(kind, week),
        )
    channel = find_channel(session, occasion.org_key, policy.channels.admin)
    if not owners and channel is not None:
        outbox.post(
            session,
            notice,
            to=Destination.channel(occasion.org_key, channel),
            dedupe_key=f"digest-trouble:{kind}:{week}:channel",
            now=now,
            subject=subject(kind, week),
        )
    refresh_card(session, kind, week, now=now)


def refresh_card(session: Session, kind: str, week: str, *, now: datetime) -> None:
    """The card shows how things stand now, where it was posted."""
    outbox.refresh(session, subject(kind, week), now=now)


def load_trouble(session: Session, kind: str, week: str) -> Trouble:
    """How the digests of a week stand."""
    counts = queries.count_states(session, kind, week)
    failing = queries.list_failing(session, kind, week)
    previews = queries.list_failing_releases(session, kind, week)
    worst = failing[0] if failing else None
    return Trouble(
        kind=kind,
        week=week,
        failing=len(failing),
        previews=len(previews),
        held=counts.get(DigestState.HELD, 0),
        missed=counts.get(DigestState.MISSED, 0),
        sent=counts.get(DigestState.SENT, 0),
        last_error=worst.last_error if worst else previews[0].last_error if previews else None,
        example=worst.person_id if worst else None,
    )
