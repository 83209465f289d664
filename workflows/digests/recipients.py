"""Who gets a digest, and the schedules that follow from it."""

from collections.abc import Mapping

from storage.digests import queries
from storage.people import queries as people_queries
from storage.people.tables import Person
from workflows import permissions, timers
from workflows.calendar import WorkingCalendar, calendar_for
from workflows.context import Context
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


def list_readers(ctx: Context, kind: str) -> dict[str, str]:
    """Who gets this digest now: person id → the word of the policy that says so, or `self`. Their own word goes first."""
    digest = ctx.policy.digests.named.get(kind)
    if digest is None:
        return {}
    words: dict[str, str] = {}
    for word in digest.audience:
        for person_id in permissions.list_members(ctx, word):
            words.setdefault(person_id, word)
    own_words = queries.list_subscriptions(ctx.session, kind)
    wanted = [reader_id for reader_id, yes in own_words.items() if yes and reader_id not in words]
    for person in people_queries.list_people(ctx.session, wanted):
        if person.is_member:
            words[person.id] = SELF
    return {reader_id: word for reader_id, word in words.items() if own_words.get(reader_id, True)}


def word_for(ctx: Context, person_id: str, kind: str) -> str | None:
    """The word through which this person gets this digest now, or `self`; None when they do not get it."""
    digest = ctx.policy.digests.named.get(kind)
    wants = queries.find_subscription(ctx.session, person_id, kind)
    if digest is None or wants is False:
        return None
    word = permissions.find_reaching_word(
        ctx.session, person_id, digest.audience, policy=ctx.policy
    )
    if word is not None or wants is None:
        return word
    person = people_queries.find_person(ctx.session, person_id)
    return SELF if person is not None and person.is_member else None


def list_owners(ctx: Context, digest: Digest) -> dict[str, str]:
    """Who answers for a digest: person id → Slack id."""
    return permissions.list_members(ctx, digest.owner)


def enrol_readers(ctx: Context) -> None:
    """Bring the schedules to who gets which digest now, each at the policy's wall time in their own zone."""
    for kind in KINDS:
        wanted = list_readers(ctx, kind)
        known = queries.list_scheduled(ctx.session, schedule_kind(kind))
        people = {row.id: row for row in people_queries.list_people(ctx.session, wanted)}
        for person_id in sorted(wanted.keys() & people.keys()):
            _schedule(ctx, kind, people[person_id], known)
        for person_id in sorted(known.keys() - wanted.keys()):
            timers.unschedule(ctx.session, person_id, schedule_kind(kind))


def enrol_reader(ctx: Context, person_id: str, kind: str) -> None:
    """Let a digest recur for one person, from its next time on."""
    person = people_queries.find_person(ctx.session, person_id)
    if person is not None:
        _schedule(ctx, kind, person, {})


def _schedule(
    ctx: Context, kind: str, person: Person, known: Mapping[str, tuple[str, int | None, str]]
) -> None:
    at = ctx.policy.digests.named[kind].at
    zone = calendar_of(person, ctx.policy).zone.key
    wall = f"{at.wall:%H:%M}"
    if known.get(person.id) == (wall, at.weekday, zone):
        return
    timers.schedule(
        ctx.session, person.id, schedule_kind(kind), wall, zone, now=ctx.now, weekday=at.weekday
    )
