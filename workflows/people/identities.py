"""One person, several Slack ids: on an Enterprise Grid whoever was in a workspace before it joined has two.

Slack tells both when it describes somebody (`id` and `enterprise_user.id`), and may use either in what it sends. So every
id that was ever told leads to one entry here, and two entries that turn out to be one person become one.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from storage.approvals import queries as approval_queries
from storage.delivery import outbox as delivery_outbox
from storage.people import identities, queries
from storage.people import identities as slack_aliases
from storage.people.lookups import find_channel, is_joined
from storage.people.tables import Person
from workflows import outbox, permissions, rollout
from workflows.audit import service as audit
from workflows.context import Context
from workflows.outbox import Destination, Notice, Subject
from workflows.people.forms import PersonSeen

log = logging.getLogger("mlgov")

JOINED = "approval.person_joined"
"""The entry that seals a request anew because people whom its stages name turned out to be one."""


def find(ctx: Context, wanted: Mapping[str, PersonSeen]) -> dict[str, Person]:
    """Slack id → the one entry there is of each of these people, by any of their ids."""
    ids = {id_ for seen in wanted.values() for id_ in (seen.slack_id, *seen.other_ids)}
    known = queries.find_by_slack_ids(ctx.session, ctx.org, ids)
    people: dict[str, Person] = {}
    for slack_id, seen in wanted.items():
        entries = {
            known[id_].id: known[id_] for id_ in (slack_id, *sorted(seen.other_ids)) if id_ in known
        }
        if len(entries) > 1:
            person = join_aliases(ctx, list(entries.values()))
            known |= {id_: person for id_, row in known.items() if row.id in entries}
            people[slack_id] = person
        elif entries:
            people[slack_id] = next(iter(entries.values()))
    return people


def keep(
    ctx: Context, entries: Mapping[str, Person], wanted: Mapping[str, PersonSeen], *, is_read: bool
) -> None:
    """Let every id by which Slack just named these people lead to their entries; both are by the id they were named by.

    Where Slack was asked (`is_read`), the one that it described them by is the one to call them by. An event, which can
    be old, only adds to what is known.
    """
    ids: dict[str, set[str]] = {}
    before: dict[str, Person] = {}
    for slack_id, row in entries.items():
        seen = wanted[slack_id]
        if not seen.other_ids and row.slack_id == slack_id:
            continue
        ids.setdefault(row.id, set()).update({slack_id, *seen.other_ids})
        if is_read and row.slack_id is not None and row.slack_id != slack_id:
            before[row.slack_id], row.slack_id = row, slack_id
    if not ids:
        return
    for slack_id, row in before.items():
        ids[row.id].add(slack_id)
    called = {row.id: row.slack_id for row in entries.values()}
    slack_aliases.forget_aliases(
        ctx.session, ctx.org, {str(row.slack_id) for row in before.values()}
    )
    known = slack_aliases.list_by_person(ctx.session, ids)
    slack_aliases.add_aliases(
        ctx.session,
        ctx.org,
        {
            alias: person_id
            for person_id, named in ids.items()
            for alias in named - {called[person_id], *known.get(person_id, ())}
        },
    )
    _relocate(ctx, before)


def _relocate(ctx: Context, before: Mapping[str, Person]) -> None:
    """What waits for people under the ids that they had goes to the ones that they have."""
    lanes: dict[str, str] = {}
    for slack_id, row in before.items():
        old = Destination.person(ctx.org, slack_id).key
        new = Destination.person(ctx.org, str(row.slack_id)).key
        lanes |= {old: new, f"home:{old}": f"home:{new}"}
    if lanes:
        delivery_outbox.rename(ctx.session, lanes)


def join_aliases(ctx: Context, entries: Sequence[Person]) -> Person:
    """Entries that are one person become one: the one that has acted, else that Slack has described."""
    acted = identities.has_acted(ctx.session, [row.id for row in entries])
    kept, *others = sorted(
        entries, key=lambda row: (row.id not in acted, row.team_id is None, row.id)
    )
    queries.lock_people(ctx.session, [row.id for row in entries])
    for gone in others:
        _join(ctx, gone, kept, has_acted=gone.id in acted)
    ctx.session.flush()
    ctx.session.refresh(kept)
    return kept


def absorb(ctx: Context, gone: Person, kept: Person) -> None:
    """The first turns out to be the second, who stays: an entry of an organisation that becomes the second's."""
    acted = identities.has_acted(ctx.session, [gone.id])
    queries.lock_people(ctx.session, [gone.id, kept.id])
    _join(ctx, gone, kept, has_acted=bool(acted))


def _join(ctx: Context, gone: Person, kept: Person, *, has_acted: bool) -> None:
    before, org_key = gone.slack_id, gone.org_key
    audit.record(ctx.as_system(), "person.linked", ("person", kept.id), was=gone.id, by="slack")
    names = [*slack_aliases.list_aliases(ctx.session, gone.id), *([before] if before else [])]
    named = identities.list_stages_naming(ctx.session, names) if names else []
    if has_acted:
        log.warning(
            "%s and %s are one person, as the workspace says, and both have acted: they are %s from now on.",
            gone.id,
            kept.id,
            kept.id,
        )
        identities.join_people(ctx.session, gone, kept)
        _take_back_doubles(ctx, gone, kept)
    else:
        gone.slack_id = None
        ctx.session.flush()
        identities.replace_people(ctx.session, {gone.id: kept.id})
    if before is not None and org_key == kept.org_key:
        slack_aliases.add_aliases(ctx.session, org_key, {before: kept.id})
    for approval_id in named:
        audit.record(ctx.as_system(), JOINED, ("approval", approval_id), person=kept.id)


def _take_back_doubles(ctx: Context, gone: Person, kept: Person) -> None:
    """Nobody decides on what they asked themselves, or twice: such verdicts in requests that wait are void, and the
    request is back with the stage in which they stood."""
    doubles = identities.list_waiting_doubles(ctx.session, [gone.id, kept.id])
    first: dict[int, int] = {}
    for row in doubles:
        at = first.get(row.approval_id, row.position)
        first[row.approval_id] = min(at, row.position)
    for row in doubles:
        audit.record(
            ctx.as_system(),
            "approval.taken_back",
            ("approval", row.approval_id),
            decision=row.id,
            verdict=row.verdict,
            stage=row.position,
            back_from=row.stage,
        )
    for approval_id, position in first.items():
        is_passed = any(row.approval_id == approval_id and row.stage > position for row in doubles)
        void = [row.id for row in doubles if row.approval_id == approval_id]
        if is_passed:
            void = identities.list_verdicts_from(ctx.session, approval_id, position)
        approval_queries.void_decisions(ctx.session, sorted(set(void)), at=ctx.now)
        approval_queries.revise(
            ctx.session, approval_id, **({"stage": position} if is_passed else {})
        )
        outbox.refresh(ctx, Subject.of("approval", approval_id))


# --- Whom a file named by e-mail turns out to be in Slack
#
# both entries become one, once.

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


def join(ctx: Context) -> Joined:
    """Join whom files named by address with the one active full member who has it, and tell the administrators.

    For after Slack's people were read whole. Nobody is joined who has acted, or was joined before; an address that two
    entries or two members have joins nobody, and is told once. At most `MOST` at a time: go on with the same `now`,
    which names the message, while `has_more`.
    """
    if not ctx.policy.people.link_by_email:
        return Joined(0, False)
    matches = identities.list_clear(ctx.session, ctx.org, most=MOST + 1)
    if matches:
        link(ctx.as_system(), _pairs(ctx.session, matches[:MOST]), why="email")
        _tell_joined(ctx)
    if len(matches) > MOST:
        return Joined(MOST, True)
    if unclear := identities.list_unclear(ctx.session, ctx.org):
        groups = [identities.list_ids_by_email(ctx.session, ctx.org, one.email) for one in unclear]
        _tell_unclear(ctx, groups)
    return Joined(len(matches), False)


def _pairs(session: Session, matches: Sequence[identities.Match]) -> list[Pair]:
    ids = [id_ for one in matches for id_ in (one.entry_id, one.member_id)]
    rows = {row.id: row for row in queries.list_people(session, ids)}
    return [(rows[one.entry_id], rows[one.member_id]) for one in matches]


# --- joining


def link(ctx: Context, pairs: Sequence[Pair], *, why: str | None = None) -> None:
    """Both entries of each pair become the one that Slack knows; what only files know moves over where it is empty."""
    for entry, person in pairs:
        for name in _KEPT:
            value = getattr(entry, name)
            if getattr(person, name) is None and value is not None:
                setattr(person, name, value)
        person.linked_at = ctx.now
        facts = {"was": entry.id} | ({"by": why} if why else {})
        audit.record(ctx, "person.linked", ("person", person.id), **facts)
    identities.replace_people(ctx.session, {entry.id: person.id for entry, person in pairs})
    above = identities.list_managers(ctx.session, pairs[0][1].org_key) if pairs else {}
    for _, person in pairs:
        if _leads_back(above, person.id):
            person.manager_id = None
            del above[person.id]
    ctx.session.flush()


def _leads_back(above: Mapping[str, str], person_id: str) -> bool:
    """Whether the line of managers above somebody comes back to them."""
    seen, at = {person_id}, above.get(person_id)
    while at is not None and at not in seen:
        seen.add(at)
        at = above.get(at)
    return at == person_id


# --- telling


def _tell_joined(ctx: Context) -> None:
    key = ctx.now.isoformat()
    notice, subject = PeopleJoined(ctx.org, key), Subject.of("people_joined", key)
    notify_administrators(ctx, notice, f"joined:{key}", subject)
    outbox.refresh(ctx, subject)


def _tell_unclear(ctx: Context, unclear: Sequence[Sequence[str]]) -> None:
    groups = tuple(tuple(ids) for ids in unclear)
    digest = hashlib.sha256(repr(sorted(groups)).encode()).hexdigest()[:16]
    notify_administrators(ctx, PeopleNotJoined(groups), f"not-joined:{digest}", None)


def notify_administrators(ctx: Context, notice: Notice, key: str, subject: Subject | None) -> None:
    """In the administrators' channel where mlgov is in it, else to each of them; once for a key."""
    channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.admin)
    if channel is not None and is_joined(ctx.session, ctx.org, channel):
        outbox.post(
            ctx.session,
            notice,
            to=Destination.channel(ctx.org, channel),
            dedupe_key=f"people:{key}",
            now=ctx.now,
            subject=subject,
        )
        return
    admins = permissions.list_holders(ctx, rollout.ADMIN)
    for person_id, slack_id in sorted(admins.items()):
        rollout.message_unasked(
            ctx,
            person_id,
            notice,
            to=Destination.person(ctx.org, slack_id),
            dedupe_key=f"people:{key}:{person_id}",
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
