"""Naming a stand-in: what waits already reaches them, too."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import Ask
from workflows.actors import Actor
from workflows.approvals import absences, announcements, door, people, reads
from workflows.approvals.absences import AbsenceRecord, Away
from workflows.errors import NotFound
from workflows.policy import Policy


def plan_absence(
    session: Session, actor: Actor, form: Away, *, policy: Policy, org_key: str, now: datetime
) -> AbsenceRecord:
    """Plan an absence, as `absences.record_absence` does; one that begins now brings a card for everything that waits."""
    absence_id = absences.record_absence(
        session, actor, form, policy=policy, org_key=org_key, now=now
    )
    absence = absences.find_absence(session, absence_id)
    if absence is None:
        raise NotFound(absences.NO_ABSENCE, hint="absences.own")
    stand_in = people.find_by_slack_id(session, org_key, form.stand_in)
    if absence.since > now or stand_in is None:
        return absence
    for approval_id in reads.list_waiting_ids(session, actor.id, now=now):
        head, request = door.lock_request(session, approval_id)
        stage = request.current
        if (
            stage.delegate
            and stage.ask is not Ask.QUIET
            and stand_in.id not in {request.requester_id, *request.apart}
        ):
            announcements.ask_newcomer(
                session,
                head.id,
                request.stage,
                stand_in,
                f"away:{absence_id}",
                org_key=org_key,
                expires_at=request.expires_at,
                now=now,
            )
    return absence
