"""Who gets a digest, and the schedules that follow from it."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.people import queries as people_queries
from storage.people.tables import Person
from workflows import permissions, timers
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.policy import Policy
from workflows.policy.sections import Digest

KINDS = ("weekly",)
SELF = "self"
"""The audience of those who subscribed by themselves."""


def schedule_kind(kind: str) -> str:
    """The kind of schedule by which a digest recurs for a person."""
    return f"digest.{kind}"


def calendar_of(person: Person, policy: Policy) -> WorkingCalendar:
    """A reader's working calendar, in their own zone."""
    return calendar_for(policy, tz=person.tz, country=person.country)


def list_readers(session: Session, kind: str, *, policy: Policy, org_key: str) -> dict[str, str]:
    """Who gets this digest now: person id → the word of the policy that says so, or `self`. Their own word goes first."""
    digest = policy.digests.named.get(kind)
    if digest is None:
        return {}
    words: dict[str, str] = {}
    for word in digest.audience:
        for person_id in permissions.list_members(session, word, policy=policy, org_key=org_key):
            words.setdefault(person_id, word)
    own_words = queries.list_subscriptions(session, kind)
    wanted = [reader_id for reader_id, yes in own_words.items() if yes and reader_id not in words]
    for person in people_queries.list_people(session, wanted):
        if person.is_member:
            words[person.id] = SELF
    return {reader_id: word for reader_id, word in words.items() if own_words.get(reader_id, True)}


def word_for(session: Session, person_id: str, kind: str, *, policy: Policy) -> str | None:
    """The word through which this person gets this digest now, or `self`; None when they do not get it."""
    digest = policy.digests.named.get(kind)
    wants = queries.find_subscription(session, person_id, kind)
    if digest is None or wants is False:
        return None
    word = permissions.find_reaching_word(session, person_id, digest.audience, policy=policy)
    if word is not None or wants is None:
        return word
    person = people_queries.find_person(session, person_id)
    return SELF if person is not None and person.is_member else None


def list_owners(
    session: Session, digest: Digest, *, policy: Policy, org_key: str
) -> dict[str, str]:
    """Who answers for a digest: person id → Slack id."""
    return permissions.list_members(session, digest.owner, policy=policy, org_key=org_key)


def enrol_readers(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    """Bring the schedules to who gets which digest now, each at the policy's wall time in their own zone."""
    for kind in KINDS:
        wanted = list_readers(session, kind, policy=policy, org_key=org_key)
        known = queries.list_scheduled(session, schedule_kind(kind))
        people = {row.id: row for row in people_queries.list_people(session, wanted)}
        for person_id in sorted(wanted.keys() & people.keys()):
            _schedule(session, kind, people[person_id], known, policy=policy, now=now)
        for person_id in sorted(known.keys() - wanted.keys()):
            timers.unschedule(session, person_id, schedule_kind(kind))


def enrol_reader(
    session: Session, person_id: str, kind: str, *, policy: Policy, now: datetime
) -> None:
    """Let a digest recur for one person, from its next time on."""
    person = people_queries.find_person(session, person_id)
    if person is not None:
        _schedule(session, kind, person, {}, policy=policy, now=now)


def _schedule(
    session: Session,
    kind: str,
    person: Person,
    known: Mapping[str, tuple[str, int | None, str]],
    *,
    policy: Policy,
    now: datetime,
) -> None:
    at = policy.digests.named[kind].at
    zone = calendar_of(person, policy).zone.key
    wall = f"{at.wall:%H:%M}"
    if known.get(person.id) == (wall, at.weekday, zone):
        return
    timers.schedule(
        session, person.id, schedule_kind(kind), wall, zone, now=now, weekday=at.weekday
    )
