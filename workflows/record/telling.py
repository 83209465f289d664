"""Telling of faults, once each: on the ledger, in the governance channel, and to administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy.orm import Session

from storage import ledger
from storage.audit import governed
from storage.people.channels import find_channel, is_joined
from workflows import outbox, rollout, visibility
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.audit.notices import LedgerHead
from workflows.calendar import local_instant
from workflows.outbox import Destination
from workflows.policy import Policy
from workflows.record import wording
from workflows.record.looking import Look
from workflows.record.notices import RecordChanged
from workflows.record.records import DescribedFault, Fault

FAULT = "fault"
"""The type of subject under which the ledger keeps faults, each by its key."""
FOUND, GONE = "record.fault_found", "record.fault_gone"
CHECKED, CHECKPOINT = "record.checked", "record.checkpoint"
RECORD = "record"
AT = time(4)
"""When the record is checked every night, in the organisation's zone."""
NAMED = 8
"""Faults that one message names."""
MOST_AT_ONCE = 50
"""Faults that are put on the ledger one by one; of more, how many there are says enough."""


def find_night(now: datetime, policy: Policy) -> tuple[str, datetime]:
    """The night whose check is due last, by its date, and when it began to be due."""
    zone = policy.organisation.zone
    day = now.astimezone(zone).date()
    begins = local_instant(day, AT, zone)
    if now < begins:
        day -= timedelta(days=1)
        begins = local_instant(day, AT, zone)
    return day.isoformat(), begins


def is_due(session: Session, night: str, begins: datetime) -> bool:
    """Whether the check of this night is still to be done: a ledger that began after it has nothing to check."""
    first = governed.find_first_at(session)
    if first is None or first >= begins:
        return False
    return ledger.find_last_about(session, CHECKED, RECORD, night) is None


def find_checkpoint(session: Session, night: str) -> ledger.Head:
    """How far the chain was walked in this night by somebody who then stopped: the last checkpoint on the ledger."""
    facts = governed.find_last_facts(session, CHECKPOINT, RECORD, night)
    if facts is None:
        return ledger.Head(0, ledger.GENESIS)
    at = ledger.Head(int(facts["seq"]), str(facts["hash"]))
    return at if ledger.check_trusted(session, at) is None else ledger.Head(0, ledger.GENESIS)


def checkpoint(session: Session, night: str, at: ledger.Head, *, now: datetime) -> None:
    """Keep on the ledger how far the chain was walked."""
    audit.record(session, SYSTEM, CHECKPOINT, (RECORD, night), now=now, seq=at.seq, hash=at.hash)


def finish_night(
    session: Session, night: str, look: Look, *, policy: Policy, org_key: str, now: datetime
) -> int:
    """The check of a night is done: what is new is told, what is mended too; how many new faults there were.

    The head after it goes to the anchor, so that the next check can be trusted to begin there.
    """
    if ledger.find_last_about(session, CHECKED, RECORD, night) is not None:
        return 0
    alarms = notify_new_faults(session, look.faults, policy=policy, org_key=org_key, now=now)
    standing = {fault.key for fault in look.faults}
    for key in governed.open_subjects(session, FAULT, FOUND):
        if key not in standing:
            audit.record(session, SYSTEM, GONE, (FAULT, key), now=now)
    audit.record(
        session,
        SYSTEM,
        CHECKED,
        (RECORD, night),
        now=now,
        seq=look.at.seq,
        hash=look.at.hash,
        subjects=look.subjects,
        faults=len(look.faults),
    )
    outbox.anchor_head(
        session, LedgerHead(f"checked:{night}"), dedupe_key=f"head:checked:{night}:anchor", now=now
    )
    return alarms


def notify_new_faults(
    session: Session, faults: Sequence[Fault], *, policy: Policy, org_key: str, now: datetime
) -> int:
    """Tell of those faults that were not told yet; how many those are."""
    known = set(governed.open_subjects(session, FAULT, FOUND))
    fresh = {fault.key: fault for fault in faults if fault.key not in known}
    if not fresh:
        return 0
    for key, fault in list(fresh.items())[:MOST_AT_ONCE]:
        audit.record(session, SYSTEM, FOUND, (FAULT, key), now=now, fault=fault.facts())
    notice = RecordChanged(tuple(list(fresh)[:NAMED]), len(fresh))
    name = f"{now:%Y%m%dT%H%M%S}:{next(iter(fresh))}"
    governance = find_channel(session, org_key, policy.channels.governance)
    admin = find_channel(session, org_key, policy.channels.admin)
    places = [
        place
        for place in dict.fromkeys((governance, admin))
        if place and is_joined(session, org_key, place)
    ]
    for place in places:
        outbox.post(
            session,
            notice,
            to=Destination.channel(org_key, place),
            dedupe_key=f"record:{name}:{place}",
            now=now,
        )
    if admin not in places:
        admins = visibility.list_holders(session, rollout.ADMIN, policy=policy, org_key=org_key)
        for _, slack_id in sorted(admins.items()):
            # Whatever the rollout: a record that was meddled with is for whoever administers it.
            outbox.post(
                session,
                notice,
                to=Destination.person(org_key, slack_id),
                dedupe_key=f"record:{name}:{slack_id}",
                now=now,
            )
    return len(fresh)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a message about the record shows."""

    faults: tuple[DescribedFault, ...]
    number: int


def read(session: Session, notice: RecordChanged) -> Alarm:
    """The faults of a message, in words, with the names that people have now."""
    faults = []
    for key in notice.keys:
        facts = governed.find_last_facts(session, FOUND, FAULT, key)
        if facts is not None:
            faults.append(Fault.of(facts["fault"]))
    return Alarm(tuple(wording.describe_faults(session, faults)), notice.number)
