"""Whom a file named by e-mail turns out to be in Slack: both entries become one, once."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from storage.people import identities, queries
from storage.people.channels import find_channel, is_joined
from storage.people.tables import Person
from workflows import outbox, rollout, visibility
from workflows.actors import SYSTEM, Actor
from workflows.audit import service as audit
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy

MOST = 250
"""People who are joined in one transaction, so that no click waits for many."""
_KEPT = ("manager_id", "business_unit", "persona", "country")
"""What only files know of a person."""

Pair = tuple[Person, Person]
"""An entry that a file made, and the person in Slack who it is."""


@dataclass(frozen=True, slots=True)
class PeopleJoined(Notice):
    """People who were named by address and were found in Slack by one reading, at `linked_at`."""

    kind: ClassVar[str] = "people.joined"
    org_key: str
    linked_at: str


@dataclass(frozen=True, slots=True)
class PeopleNotJoined(Notice):
    """People named by address whom nobody was joined with: it could be several. Opaque ids, together by address."""

    kind: ClassVar[str] = "people.not_joined"
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class JoinedTold:
    """Who was joined, by name."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotJoinedTold:
    """Of each address that nobody was joined by: the address, entries of files, people in Slack, and whether one of
    those was joined before."""

    addresses: tuple[tuple[str, int, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """What one go at joining did, and whether there is more to do."""

    joined: int
    has_more: bool


# --- by a reading of Slack


def join(session: Session, *, policy: Policy, org_key: str, now: datetime) -> Joined:
    """Join whom files named by address with the one active full member who has it, and tell the administrators.

    For after Slack's people were read whole. Nobody is joined who has acted, or was joined before; an address that two
    entries or two members have joins nobody, and is told once. At most `MOST` at a time: go on with the same `now`,
    which names the message, while `has_more`.
    """
    if not policy.people.link_by_email:
        return Joined(0, False)
    matches = identities.list_clear(session, org_key, most=MOST + 1)
    if matches:
        link(session, SYSTEM, _pairs(session, matches[:MOST]), now=now, why="email")
        _tell_joined(session, policy=policy, org_key=org_key, now=now)
    if len(matches) > MOST:
        return Joined(MOST, True)
    if unclear := identities.list_unclear(session, org_key):
        groups = [identities.list_ids_by_email(session, org_key, one.email) for one in unclear]
        _tell_unclear(session, groups, policy=policy, org_key=org_key, now=now)
    return Joined(len(matches), False)


def _pairs(session: Session, matches: Sequence[identities.Match]) -> list[Pair]:
    ids = [id_ for one in matches for id_ in (one.entry_id, one.member_id)]
    rows = {row.id: row for row in queries.list_people(session, ids)}
    return [(rows[one.entry_id], rows[one.member_id]) for one in matches]


# --- joining


def link(
    session: Session, actor: Actor, pairs: Sequence[Pair], *, now: datetime, why: str | None = None
) -> None:
    """Both entries of each pair become the one that Slack knows; what only files know moves over where it is empty."""
    for entry, person in pairs:
        for name in _KEPT:
            value = getattr(entry, name)
            if getattr(person, name) is None and value is not None:
                setattr(person, name, value)
        person.linked_at = now
        facts = {"was": entry.id} | ({"by": why} if why else {})
        audit.record(session, actor, "person.linked", ("person", person.id), now=now, **facts)
    identities.replace_people(session, {entry.id: person.id for entry, person in pairs})
    above = identities.list_managers(session, pairs[0][1].org_key) if pairs else {}
    for _, person in pairs:
        if _leads_back(above, person.id):
            person.manager_id = None
            del above[person.id]
    session.flush()


def _leads_back(above: Mapping[str, str], person_id: str) -> bool:
    """Whether the line of managers above somebody comes back to them."""
    seen, at = {person_id}, above.get(person_id)
    while at is not None and at not in seen:
        seen.add(at)
        at = above.get(at)
    return at == person_id


# --- telling


def _tell_joined(session: Session, *, policy: Policy, org_key: str, now: datetime) -> None:
    key = now.isoformat()
    notice, subject = PeopleJoined(org_key, key), Subject.of("people_joined", key)
    notify_administrators(session, notice, f"joined:{key}", subject, policy, org_key, now)
    outbox.refresh(session, subject, now=now)


def _tell_unclear(
    session: Session,
    unclear: Sequence[Sequence[str]],
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    groups = tuple(tuple(ids) for ids in unclear)
    digest = hashlib.sha256(repr(sorted(groups)).encode()).hexdigest()[:16]
    notify_administrators(
        session, PeopleNotJoined(groups), f"not-joined:{digest}", None, policy, org_key, now
    )


def notify_administrators(
    session: Session,
    notice: Notice,
    key: str,
    subject: Subject | None,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> None:
    """In the administrators' channel where mlgov is in it, else to each of them; once for a key."""
    channel = find_channel(session, org_key, policy.channels.admin)
    if channel is not None and is_joined(session, org_key, channel):
        outbox.post(
            session,
            notice,
            to=Destination.channel(org_key, channel),
            dedupe_key=f"people:{key}",
            now=now,
            subject=subject,
        )
        return
    admins = visibility.list_holders(session, rollout.ADMIN, policy=policy, org_key=org_key)
    for person_id, slack_id in sorted(admins.items()):
        rollout.message_unasked(
            session,
            person_id,
            notice,
            to=Destination.person(org_key, slack_id),
            dedupe_key=f"people:{key}:{person_id}",
            policy=policy,
            now=now,
            subject=subject,
        )


def read_joined(session: Session, notice: PeopleJoined) -> JoinedTold:
    """Who was joined, with names."""
    at = datetime.fromisoformat(notice.linked_at)
    rows = identities.list_linked(session, notice.org_key, at)
    return JoinedTold(tuple(row.name for row in rows))


def read_not_joined(session: Session, notice: PeopleNotJoined) -> NotJoinedTold:
    """Which addresses are not one person's, as they are now."""

    def told() -> Iterator[tuple[str, int, int, bool]]:
        for ids in notice.groups:
            rows = [row for row in queries.list_people(session, ids) if row.email]
            if rows:
                entries = sum(row.slack_id is None for row in rows)
                before = any(row.linked_at is not None for row in rows)
                yield str(rows[0].email), entries, len(rows) - entries, before

    return NotJoinedTold(tuple(told()))
