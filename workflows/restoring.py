"""What a copy of the database must be told when it comes back: that it is old, and who was erased after it."""

import json
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from storage import runtime
from storage.audit.queries import list_about
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


def list_still_known(session: Session, noted: Iterable[NotedErasure]) -> list[NotedErasure]:
    """Of those who were erased, whom this database still knows, though it knows nothing of their last erasure.

    Whoever came back after it stays: then the ledger has the entry of the erasure.
    """
    wanted = {one.person_id: one for one in noted}
    known = [
        wanted[row.id] for row in queries.list_people(session, wanted) if row.erased_at is None
    ]
    moments = _moments(session, [one.person_id for one in known])
    return [one for one in known if not any(one.at in each for each in moments[one.person_id])]


def _moments(session: Session, person_ids: Collection[str]) -> dict[str, list[set[datetime]]]:
    """When each was erased by this ledger, oldest first; what was done once more in a copy has its first time, too."""
    moments: dict[str, list[set[datetime]]] = {one: [] for one in person_ids}
    for entry in list_about(session, [("person", one) for one in person_ids]):
        if entry.action == heads.ERASED:
            first = json.loads(entry.body)["facts"].get("replayed")
            moments[entry.subject_id].append(
                {entry.at, datetime.fromisoformat(first) if first else entry.at}
            )
    return moments


def replay(session: Session, noted: NotedErasure, *, now: datetime) -> None:
    """Erase a person once more, from a copy that is older than their erasure.

    Requests that wait in the copy, and which they opened or decided in, are withdrawn first: they would be nobody's. The
    erasure makes their tombstones here as it did there, so that who has left stays away and who is active is the same.
    """
    for approval_id in erasure_queries.open_requests(session, noted.person_id):
        version = policies.in_force(session)
        if version is None:
            raise GovernanceError(
                "A request waits in this database, and no policy was ever in force: it is damaged."
            )
        approvals.withdraw_for_erasure(
            session,
            approval_id,
            subjects=decisions.SUBJECTS,
            policy=policies.version(session, version),
            org_key=str(runtime.facts(session).get("org_key", "")),
            now=now,
        )
        decisions.refresh_showing(session, approval_id, now=now, clicked=None)
        session.flush()
    people.erase(session, SYSTEM, noted.person_id, now=now, noted=noted)


def list_unnoted_erasures(session: Session, kept: Kept) -> list[NotedErasure]:
    """Erasures that the anchor does not know of: it was set, or came back, after them."""
    known = {(one.person_id, one.at) for one in kept.erasures}
    erased = queries.list_erased(session)
    moments = _moments(session, erased)
    return [
        noted
        for person_id in erased
        if not any((person_id, at) in known for at in _last(moments[person_id]))
        and (noted := heads.find_erasure(session, person_id)) is not None
    ]


def _last(moments: list[set[datetime]]) -> set[datetime]:
    return moments[-1] if moments else set()


def list_unnoted_restorations(session: Session, kept: Kept) -> list[NotedRestoration]:
    """Copies that were put in place, and of which the anchor does not know."""
    known = {(one.seq, one.at) for one in kept.restorations}
    return [
        noted
        for hold in holding.list_holds(session)
        if (noted := describe_restoration(hold)) is not None and (noted.seq, noted.at) not in known
    ]


def release(session: Session, actor: Actor, *, looks: bool, now: datetime) -> None:
    """Let everything go again, as holding.release; administrators are told of a copy that was put in place."""
    restored = [
        hold
        for hold in holding.list_holds(session)
        if hold.released_at is None and hold.why is not HoldReason.ASKED
    ]
    holding.release(session, actor, looks=looks, now=now)
    version = policies.in_force(session)
    if not restored or version is None:
        return
    org_key = str(runtime.facts(session).get("org_key", ""))
    admin = find_channel(session, org_key, policies.version(session, version).channels.admin)
    if admin is not None:
        latest = restored[-1]
        outbox.post(
            session,
            CopyRestored(latest.id),
            to=Destination.channel(org_key, admin),
            dedupe_key=f"restored:{latest.held_at.isoformat()}",
            now=now,
        )


def describe_restoration(hold: HoldRecord) -> NotedRestoration | None:
    """What the anchor keeps of a hold; None for one that an operator asked for, after which the ledger simply goes on."""
    if hold.known_seq is None:
        return None
    return NotedRestoration(hold.copy_seq, hold.copy_hash, hold.known_seq, hold.held_at)
