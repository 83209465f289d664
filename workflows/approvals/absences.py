"""Being away: for dated days somebody else may decide in one's place, in one's name, never before and never after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from storage.actions import queries
from storage.approvals import queries as approval_queries
from storage.approvals.queries import StandingRow
from workflows import outbox, permissions, resting, rollout
from workflows.actors import Actor
from workflows.approvals import people
from workflows.approvals.notices import AbsenceTold, AwayOffered
from workflows.approvals.people import Reached
from workflows.approvals.rules import Standing
from workflows.audit import service as audit
from workflows.calendar import local_instant
from workflows.errors import GovernanceError, InvalidInput, NotFound
from workflows.outbox import Destination, Subject
from workflows.policy import Policy

AbsenceRecord = queries.AbsenceRow
"""An absence with names, unescaped."""
NO_ABSENCE = "There is no such absence of yours any more."
OVERLAPS = (
    "You have named somebody for some of these days. End that absence first, or choose others."
)
LONGEST = timedelta(days=180)
_MOMENT = timedelta(microseconds=1)


class Away(BaseModel):
    """Somebody names who decides for them, by Slack id, from one day through another."""

    model_config = ConfigDict(frozen=True)

    stand_in: str
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is away now, in whose place the reader may decide."""

    name: str
    standing: Standing


def record_absence(
    session: Session, actor: Actor, form: Away, *, policy: Policy, org_key: str, now: datetime
) -> int:
    """Let somebody decide in this person's place for these days, in this person's zone; the absence's id.

    It never reaches back, and no chain of absences may lead back to who is away. Raises GovernanceError.
    """
    permissions.require_member(actor, "absence.plan", subject=("person", actor.id))
    zone = ZoneInfo(actor.tz) if actor.tz else policy.organisation.zone
    today = now.astimezone(zone).date()
    if form.since < today:
        raise InvalidInput(
            "An absence can't begin before today: nobody decides for you in the past.",
            field="since",
        )
    if not form.since <= form.until <= form.since + LONGEST:
        raise InvalidInput("Choose a last day after the first, within half a year.", field="until")
    stand_in = people.find_by_slack_id(session, org_key, form.stand_in)
    if stand_in is None or stand_in.id == actor.id:
        raise InvalidInput(
            "Choose somebody else of this organisation, no guest and no bot.", field="stand_in"
        )
    # Before absences are read, so that of two that name each other at one moment the second sees the first.
    queries.lock_people(session, sorted([actor.id, stand_in.id]))
    since = max(now, local_instant(form.since, time(0), zone))
    until = local_instant(form.until + timedelta(days=1), time(0), zone)
    overlapping = queries.list_absences(session, since=since, until=until)
    stand_ins = dict(overlapping)
    if actor.id in stand_ins:
        raise InvalidInput(
            OVERLAPS,
            field="since",
            hint="absences.overlapping",
        )
    # Followed to its end, since a chain of absences that came back here would let nobody decide.
    at: str | None = stand_in.id
    while at is not None and at != actor.id:
        at = stand_ins.pop(at, None)
    if at == actor.id:
        raise InvalidInput(
            f"{stand_in.name} is away in those days too, and their place comes back to you. Choose somebody else.",
            field="stand_in",
        )
    absence_id = queries.insert_absence(
        session,
        person_id=actor.id,
        stand_in_id=stand_in.id,
        since=since,
        until=until,
        created_at=now,
        ended_at=None,
    )
    queries.set_away_until(session, actor.id, stand_in.id)
    audit.record(
        session,
        actor,
        "absence.planned",
        ("person", actor.id),
        now=now,
        absence=absence_id,
        stand_in=stand_in.id,
        since=since.isoformat(timespec="microseconds"),
        until=until.isoformat(timespec="microseconds"),
    )
    outbox.refresh(session, away_offer(actor.id), now=now)
    resting.recheck_all(session, at=now)
    outbox.post(
        session,
        AbsenceTold(absence_id),
        to=Destination.person(org_key, stand_in.slack_id),
        dedupe_key=f"absence:{absence_id}",
        now=now,
        subject=Subject.of("absence", absence_id),
    )
    return absence_id


def away_offer(person_id: str) -> Subject:
    """What the offer to name a stand-in is a view of: this person's being away."""
    return Subject.of("away", person_id)


def offer_stand_ins(
    session: Session,
    asked: Mapping[str, Reached],
    *,
    expires_at: datetime,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    """Offer those whose Slack status says that they are away to name a stand-in, once for each such time.

    A status counts that covers more than a quarter of the time there is to decide. Nothing is delegated by itself.
    """
    for person in asked.values():
        until = person.status_away_until
        # Whoever is back within a quarter of the time has time enough to decide themselves.
        if until is None or min(until, expires_at) - now <= (expires_at - now) / 4:
            continue
        if person.away_until is not None and person.away_until > now:
            continue
        rollout.message_unasked(
            session,
            person.id,
            AwayOffered(person.id),
            to=Destination.person(org_key, person.slack_id),
            dedupe_key=f"away-offer:{person.id}:{person.status_times}",
            policy=policy,
            now=now,
            subject=away_offer(person.id),
            expires_at=expires_at,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """How somebody stands whose status says that they are away."""

    until: datetime | None
    """The end of what their status says; none once it says so no more."""
    is_planned: bool
    """Whether somebody decides for them now."""


def find_offer(session: Session, person_id: str, *, now: datetime) -> Offer | None:
    """How an offer stands; None for somebody who is nobody any more."""
    rows = approval_queries.list_standing(session, person_id)
    if not rows:
        return None
    row = rows[0]
    until = row.status_away_until
    return Offer(
        until if until is not None and until > now else None,
        row.away_until is not None and row.away_until > now,
    )


def end_absence(session: Session, actor: Actor, absence_id: int, *, now: datetime) -> AbsenceRecord:
    """Nobody decides in this person's place any more. Raises NotFound for who is not that person."""
    absence = queries.find_absence(session, absence_id)
    if absence is None or absence.person_id != actor.id:
        raise NotFound(NO_ABSENCE, hint="absences.own")
    if absence.ended_at is not None or absence.until <= now:
        raise GovernanceError("This absence is over already.")
    queries.end_absence(session, absence_id, now=now)
    queries.set_away_until(session, actor.id, absence.stand_in_id)
    audit.record(session, actor, "absence.ended", ("person", actor.id), now=now, absence=absence_id)
    outbox.refresh(session, Subject.of("absence", absence_id), now=now)
    outbox.refresh(session, away_offer(actor.id), now=now)
    resting.recheck_all(session, at=now)
    return absence


def find_absence(session: Session, absence_id: int) -> AbsenceRecord | None:
    """An absence as it stands; None where there is none of this id."""
    return queries.find_absence(session, absence_id)


def list_absences(session: Session, person_id: str, *, now: datetime) -> list[AbsenceRecord]:
    """A person's own absences that are not over, the next one first."""
    return queries.list_absences_of(session, person_id, now=now)


def list_principals(
    session: Session, rows: Sequence[StandingRow], person_id: str, *, now: datetime
) -> tuple[Principal, ...]:
    """Who is away now and has this person in their place, through others who are away too; nearly always nobody.

    `rows` are the person's own rows of `list_standing`: they tell whether there is anything to look for.
    """
    until = rows[0].stands_in_until if rows else None
    if until is None or until <= now:
        return ()
    by_stand_in: dict[str, list[str]] = {}
    for absent_id, stand_in_id in queries.list_absences(session, since=now, until=now + _MOMENT):
        by_stand_in.setdefault(stand_in_id, []).append(absent_id)
    absent: list[str] = []
    waiting = [person_id]
    while waiting:
        for absent_id in by_stand_in.pop(waiting.pop(), ()):
            if absent_id not in absent and absent_id != person_id:
                absent.append(absent_id)
                waiting.append(absent_id)
    theirs = [approval_queries.list_standing(session, absent_id) for absent_id in absent]
    return tuple(Principal(each[0].name, people.build_standing(each)) for each in theirs if each)


def add_stand_ins(
    session: Session, asked: Mapping[str, Reached], *, now: datetime
) -> dict[str, Reached]:
    """Those who are asked, and who stands in for those of them who are away; nothing is read while nobody is."""
    with_them = dict(asked)
    if not any(person.away_until and person.away_until > now for person in asked.values()):
        return with_them
    stand_ins = dict(queries.list_absences(session, since=now, until=now + _MOMENT))
    for person_id in asked:
        seen = {person_id}
        at = stand_ins.get(person_id)
        while at is not None and at not in seen:
            seen.add(at)
            if (stand_in := people.find_person(session, at)) is not None:
                with_them.setdefault(at, stand_in)
            at = stand_ins.get(at)
    return with_them
