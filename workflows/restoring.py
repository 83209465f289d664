"""What a copy of the database must be told when it comes back: that it is old, and who was erased after it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from storage import runtime
from storage.enums import HoldReason
from storage.people import erasure as erasure_queries
from storage.people import queries
from storage.people.channels import find_channel
from workflows import decisions, outbox
from workflows.actors import SYSTEM, Actor
from workflows.approvals import service as approvals
from workflows.audit import heads
from workflows.audit.records import Kept, NotedErasure, NotedRestoration
from workflows.delivery import holding
from workflows.delivery.notices import CopyRestored
from workflows.delivery.records import HoldRecord
from workflows.errors import GovernanceError
from workflows.outbox import Destination
from workflows.people import service as people
from workflows.policies import service as policies


def still_known(session: Session, noted: Iterable[NotedErasure]) -> list[NotedErasure]:
    """Of those who were erased, whom this database still knows."""
    wanted = {one.person_id: one for one in noted}
    return [
        wanted[row.id]
        for row in queries.list_people(session, wanted)
        if row.erased_at is None
    ]


def replay(session: Session, noted: NotedErasure, *, now: datetime) -> None:
    """Erase a person once more, from a copy that is older than their erasure.

    Requests that wait in the copy, and which they opened or decided in, are withdrawn first: met again in Slack they
    would be somebody new, who could then decide their own request, or twice.
    """
    for approval_id in erasure_queries.open_requests(session, noted.person_id):
        version = policies.in_force(session)
        if version is None:
            raise GovernanceError(
                "A request waits in this database, and no policy was ever in force: it is damaged."
            )
        approvals.end_unheard(
            session,
            approval_id,
            subjects=decisions.SUBJECTS,
            policy=policies.version(session, version),
            org_key=str(runtime.facts(session).get("org_key", "")),
            now=now,
        )
        decisions.follow(session, approval_id, now=now, clicked=None)
        session.flush()
    people.erase(session, SYSTEM, noted.person_id, now=now, noted=noted)


def unnoted_erasures(session: Session, kept: Kept) -> list[NotedErasure]:
    """Erasures that the anchor does not know of: it was set, or came back, after them."""
    known = {one.person_id for one in kept.erasures}
    return [
        noted
        for person_id in queries.list_erased(session)
        if person_id not in known
        and (noted := heads.erasure(session, person_id)) is not None
    ]


def unnoted_restorations(session: Session, kept: Kept) -> list[NotedRestoration]:
    """Copies that were put in place, and of which the anchor does not know."""
    known = {(one.seq, one.at) for one in kept.restorations}
    return [
        noted
        for hold in holding.every(session)
        if (noted := restoration(hold)) is not None
        and (noted.seq, noted.at) not in known
    ]


def release(session: Session, actor: Actor, *, looks: bool, now: datetime) -> None:
    """Let everything go again, as holding.release; administrators hear first of a copy that was put in place."""
    restored = [
        hold
        for hold in holding.every(session)
        if hold.released_at is None and hold.why is not HoldReason.ASKED
    ]
    holding.release(session, actor, looks=looks, now=now)
    version = policies.in_force(session)
    if not restored or version is None:
        return
    org_key = str(runtime.facts(session).get("org_key", ""))
    admin = find_channel(
        session, org_key, policies.version(session, version).channels.admin
    )
    if admin is not None:
        latest = restored[-1]
        outbox.post(
            session,
            CopyRestored(latest.id),
            to=Destination.channel(org_key, admin),
            dedupe_key=f"restored:{latest.held_at.isoformat()}",
            now=now,
        )


def restoration(hold: HoldRecord) -> NotedRestoration | None:
    """What the anchor keeps of a hold; None for one that an operator asked for, after which the ledger simply goes on."""
    if hold.known_seq is None:
        return None
    return NotedRestoration(hold.copy_seq, hold.copy_hash, hold.known_seq, hold.held_at)
