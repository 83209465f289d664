"""Publishing the ledger's head outside the database, so that a cut or rewritten chain is found."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage import ledger
from storage.people.channels import find_channel
from workflows import outbox
from workflows.audit.notices import LedgerHead
from workflows.audit.records import PublishedHead, Verification
from workflows.outbox import Destination
from workflows.policy import Policy


def publish(
    session: Session, *, reason_key: str, policy: Policy, org_key: str, now: datetime
) -> None:
    """Send the head to the policy's audit channel, where the bot knows it, and to the anchor, once this commits.

    `reason_key` names why (`daily:2026-01-26`, `approval:42`), so that one reason publishes once.
    """
    notice = LedgerHead(reason_key)
    if (
        audit_channel := find_channel(session, org_key, policy.channels.audit)
    ) is not None:
        outbox.post(
            session,
            notice,
            to=Destination.channel(org_key, audit_channel),
            dedupe_key=f"head:{reason_key}:channel",
            now=now,
        )
    outbox.anchor_head(session, notice, dedupe_key=f"head:{reason_key}:anchor", now=now)


def current(session: Session, *, now: datetime) -> PublishedHead:
    """The head as it stands now."""
    head = ledger.head(session)
    return PublishedHead(head.seq, head.hash, now)


def verify(session: Session, kept: Sequence[tuple[int, str]]) -> Verification:
    """Check the chain from its first entry, the texts beside it, and the heads that were kept outside."""
    broken = ledger.verify(session, [ledger.Head(seq, digest) for seq, digest in kept])
    head = ledger.head(session)
    if broken is None:
        return Verification(head.seq, head.hash, len(kept))
    return Verification(head.seq, head.hash, len(kept), broken.seq, broken.reason)
