"""Keeping the mirror: what Slack says about people, groups and channels becomes rows, and only what differs is written.

`read_at` is real time and says that Slack was asked then, and answered. None means that Slack only told us, in an event:
events can arrive late and out of order, so what they change has to be asked for again before anybody decides by it. What
is older than what stands here changes nothing (`is_overtaken`).
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people.tables import Channel, Person, UserGroup
from storage.people.tombstones import Stone
from workflows import clock, outbox, resting, timers
from workflows.calendar import known_zone
from workflows.outbox import Destination, Subject
from workflows.people import aliases, organisation, tombstones
from workflows.people.forms import GroupSeen, PersonSeen
from workflows.people.records import GroupChange, Upserted
from workflows.sources.text import EMAIL, NAME, folded_email, storable

_PERSON = (
    "team_id",
    "name",
    "title",
    "tz",
    "is_bot",
    "is_guest",
    "is_stranger",
    "is_deactivated",
    "status_away_until",
)
_GROUP = ("handle", "name", "is_disabled")

LONG_AGO = timedelta(days=366)
"""How long those count as members whom the very first look at an organisation finds in a group."""


def new_id() -> str:
    """A new opaque id: random, so that nothing about the person can be read from it."""
    return f"p_{secrets.token_hex(8)}"


def values_of(seen: Any, names: Sequence[str]) -> dict[str, Any]:
    """What Slack said, by the columns that keep it; texts as a database can hold them."""
    known = {field.name for field in fields(seen)}
    return {
        name: storable(value, NAME) if isinstance(value, str) else value
        for name in names
        if name in known
        for value in (getattr(seen, name),)
    }


def _person_values(seen: PersonSeen) -> dict[str, Any]:
    values = values_of(seen, _PERSON)
    values["name"] = values["name"] or seen.slack_id
    email = folded_email(seen.email) if seen.email else None
    if email and len(email) <= EMAIL:
        values["email"] = email
    return values


def is_overtaken(
    row: Person | UserGroup | Channel, read_at: datetime | None, updated: int | None = None
) -> bool:
    """Whether what Slack said is older than what stands here.

    A reading is, when another one of the same began after it, or an event was heard since it began: nobody knows which of
    the two saw more. An event is, when Slack stamped it (`updated`) before the last change that stands here.
    """
    if read_at is not None:
        known = (row.refreshed_at, row.heard_at)
        return any(at is not None and read_at < at for at in known)
    stamped = None if isinstance(row, Channel) else row.slack_updated
    return updated is not None and stamped is not None and updated < stamped


def _doubt(row: Person | UserGroup, read_at: datetime | None) -> None:
    """An event that came late changes nothing, and has Slack asked before anybody decides by what stands here."""
    if read_at is None:
        row.refreshed_at = None


def _note(
    row: Person | UserGroup, updated: int | None, read_at: datetime | None, real_now: datetime
) -> None:
    """What tells older words of Slack's from newer ones."""
    if updated is not None:
        row.slack_updated = max(updated, row.slack_updated or 0)
    if read_at is None:
        row.heard_at = real_now


def apply(row: Person | UserGroup | Channel, values: dict[str, Any]) -> bool:
    """Write what differs; whether anything did."""
    changed = False
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def upsert_people(
    session: Session, people: Iterable[PersonSeen], *, read_at: datetime | None, now: datetime
) -> Upserted:
    """Bring people to what Slack says; who was never seen is added under a new opaque id.

    An e-mail address that Slack did not tell is left as it is, and so is all that only imports know. What recurs for a
    person who lives in another zone now moves there with them. Who was erased and has left stays away, and who is
    active is who they were. `now` is governed time. Raises ErasureKeyMissing.
    """
    heard_at = clock.real_now(session)
    by_org: dict[str, dict[str, PersonSeen]] = {}
    for seen in people:
        by_org.setdefault(seen.org_key, {})[seen.slack_id] = seen
    ids: dict[tuple[str, str], str] = {}
    guests: list[str] = []
    stay_away: list[str] = []
    is_other = False
    """Whether somebody may decide who could not, or the other way round."""
    for org_key, wanted in sorted(by_org.items()):
        rows = _as_they_are(session, org_key, wanted, now)
        missing = wanted.keys() - rows.keys()
        erased = _erased(session, org_key, [wanted[id_] for id_ in missing])
        for slack_id in sorted(erased):
            stone = erased[slack_id]
            ids[(org_key, slack_id)] = stone.person_id
            if tombstones.is_back(wanted[slack_id], stone, read_at):
                rows[slack_id] = tombstones.bring_back(session, stone, slack_id, now=now)
            else:
                stay_away.append(slack_id)
        if unknown := sorted(missing - erased.keys()):
            organisation.require_ours(session, org_key)
            queries.insert_people(
                session,
                [
                    _new_person(org_key, slack_id) | _person_values(wanted[slack_id])
                    for slack_id in unknown
                ],
            )
            rows |= queries.find_by_slack_ids(session, org_key, unknown)
        current: dict[str, Person] = {}
        for slack_id, row in rows.items():
            ids[(org_key, slack_id)] = row.id
            if is_overtaken(row, read_at, wanted[slack_id].updated):
                _doubt(row, read_at)
            else:
                current[slack_id] = row
        aliases.keep(session, org_key, current, wanted, is_read=read_at is not None)
        for slack_id, row in current.items():
            seen = wanted[slack_id]
            _note(row, seen.updated, read_at, heard_at)
            was_guest, was_in = row.is_guest or row.is_stranger, row.tz
            was_away, could = row.status_away_until, _could_decide(row)
            changed = apply(row, _person_values(seen))
            is_other = is_other or could != _could_decide(row)
            if row.status_away_until != was_away:
                row.status_times += row.status_away_until is not None
                outbox.refresh(session, Subject.of("away", row.id), now=now)
            if row.tz and row.tz != was_in and known_zone(row.tz) is not None:
                timers.move_zone(session, row.id, row.tz)
            if (row.is_guest or row.is_stranger) and (not was_guest or slack_id in missing):
                guests.append(slack_id)
            if changed and read_at is None:
                row.refreshed_at = None
        session.flush()
        if read_at is not None:
            touched = {row.id for row in current.values()}
            queries.touch_people(session, touched, read_at)
    if is_other:
        resting.recheck_all(session, at=now)
    return Upserted(ids, tuple(guests), tuple(stay_away))


def _could_decide(row: Person) -> bool:
    return row.team_id is not None and not (
        row.is_bot or row.is_guest or row.is_stranger or row.is_deactivated
    )


def _erased(session: Session, org_key: str, people: Sequence[PersonSeen]) -> dict[str, Stone]:
    """Slack id → the tombstone of who was erased, by any of their ids."""
    ids = {id_ for seen in people for id_ in (seen.slack_id, *seen.other_ids)}
    stones = tombstones.find_erased(session, org_key, ids)
    return {
        seen.slack_id: stones[id_]
        for seen in people
        for id_ in (*sorted(seen.other_ids), seen.slack_id)
        if id_ in stones
    }


def _as_they_are(
    session: Session, org_key: str, wanted: Mapping[str, PersonSeen], now: datetime
) -> dict[str, Person]:
    """Whom the mirror has of these people, by Slack id; those who will be changed are locked, and not erased meanwhile."""
    rows = aliases.find(session, org_key, wanted, now)
    changed = [
        row.id
        for slack_id, row in rows.items()
        if any(
            getattr(row, name) != value for name, value in _person_values(wanted[slack_id]).items()
        )
    ]
    if changed:
        queries.lock_people(session, changed)
    return {slack_id: row for slack_id, row in rows.items() if row.slack_id is not None}


def _new_person(org_key: str, slack_id: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "org_key": org_key,
        "slack_id": slack_id,
        "team_id": None,
        "name": slack_id or "",
        "email": None,
        "title": "",
        "tz": None,
        "is_bot": False,
        "is_guest": False,
        "is_stranger": False,
        "is_deactivated": False,
    }


def find_or_add_person(session: Session, org_key: str, slack_id: str) -> str | None:
    """The opaque id of somebody who is only known by their Slack id; a place is made for who was never seen.

    Slack is asked about them before they can do anything. None for who was erased: only Slack can bring them back.
    Raises ErasureKeyMissing.
    """
    person = queries.find_by_slack_id(session, org_key, slack_id)
    if person is not None:
        return person.id
    if tombstones.find_erased(session, org_key, [slack_id]):
        return None
    organisation.require_ours(session, org_key)
    queries.insert_people(session, [_new_person(org_key, slack_id)])
    person = queries.find_by_slack_id(session, org_key, slack_id)
    if person is None:
        raise RuntimeError("a person who was just added is not there")
    return person.id


def upsert_groups(
    session: Session,
    groups: Sequence[GroupSeen],
    *,
    org_key: str,
    read_at: datetime | None,
    now: datetime,
    is_everything: bool = False,
    is_first: bool = False,
) -> tuple[GroupChange, ...]:
    """Bring user groups, and their members where they were told, to what Slack says; who joined and who left.

    With `is_everything` the groups that are not among them are disabled. `now` is governed time: since when mlgov has
    seen somebody in a group. With `is_first`, when mlgov looks at an organisation for the first time, whoever is in a
    group counts as having been there all along, and nobody is news.
    """
    wanted = {group.slack_id: group for group in groups}
    heard_at = clock.real_now(session)
    since = now - LONG_AGO if is_first else now
    changes: list[GroupChange] = []
    is_other = False
    if is_everything and read_at is not None:
        is_other = queries.has_enabled_besides(session, org_key, wanted)
        queries.disable_other_groups(session, org_key, wanted, read_at)
    rows = {row.slack_id: row for row in queries.lock_groups(session, org_key, wanted)}
    missing = sorted(wanted.keys() - rows.keys())
    if missing:
        queries.insert_groups(
            session,
            [
                {"org_key": org_key, "slack_id": slack_id} | values_of(wanted[slack_id], _GROUP)
                for slack_id in missing
            ],
        )
        rows = {row.slack_id: row for row in queries.lock_groups(session, org_key, wanted)}
    everyone = {member for group in groups if group.members for member in group.members}
    ids = _places(session, org_key, everyone)
    moved: set[str] = set()
    for slack_id in sorted(wanted):
        row, seen = rows[slack_id], wanted[slack_id]
        if is_overtaken(row, read_at, seen.updated):
            _doubt(row, read_at)
            continue
        _note(row, seen.updated, read_at, heard_at)
        changed = apply(row, values_of(seen, _GROUP))
        is_other = is_other or changed
        if seen.members is not None:
            members = {ids[member] for member in seen.members if member in ids}
            before = queries.list_member_ids(session, row.id)
            queries.remove_members(session, row.id, before - members)
            queries.add_members(session, row.id, members - before, since)
            if members != before and not is_first:
                changes.append(
                    GroupChange(
                        row.slack_id,
                        tuple(sorted(members - before)),
                        tuple(sorted(before - members)),
                    )
                )
            moved |= before ^ members
            changed = changed or members != before
            if read_at is not None:
                row.refreshed_at = read_at
        if changed and read_at is None:
            row.refreshed_at = None
    session.flush()
    _publish_homes(session, moved, org_key=org_key, now=now)
    if (moved or is_other) and not is_first:
        resting.recheck_all(session, at=now)
    return tuple(changes)


def _publish_homes(session: Session, ids: set[str], *, org_key: str, now: datetime) -> None:
    """What waits for somebody changes with the groups that they are in."""
    outbox.publish_homes(
        session,
        [
            (row.id, Destination.person(org_key, row.slack_id), now)
            for row in queries.has_open_home(session, ids)
            if row.slack_id is not None
        ],
        now=now,
    )


def _places(session: Session, org_key: str, slack_ids: set[str]) -> dict[str, str]:
    """Slack id → opaque id; a place is made for who was never seen. Who was erased is left out: only a reading of
    people, which says whether they are active, brings them back."""

    ids = queries.find_ids_by_slack_id(session, org_key, slack_ids)
    missing = slack_ids - ids.keys()
    new = sorted(missing - tombstones.find_erased(session, org_key, missing).keys())
    if new:
        organisation.require_ours(session, org_key)
        queries.insert_people(session, [_new_person(org_key, id_) for id_ in new])
        ids |= queries.find_ids_by_slack_id(session, org_key, new)
    return ids


def refresh_members(
    session: Session,
    group_id: str,
    members: Sequence[str] | None,
    *,
    org_key: str,
    read_at: datetime,
    now: datetime,
) -> tuple[GroupChange, ...]:
    """The members of one group as Slack just answered; None when Slack says that there is no such group any more."""
    changes: tuple[GroupChange, ...] = ()
    for row in queries.list_groups(session, org_key, [group_id]):
        seen = GroupSeen(
            row.slack_id,
            row.handle,
            row.name,
            is_disabled=row.is_disabled or members is None,
            members=tuple(members or ()),
        )
        changes += upsert_groups(session, [seen], org_key=org_key, read_at=read_at, now=now)
    return changes


def change_members(
    session: Session,
    group_id: str,
    *,
    added: Iterable[str],
    removed: Iterable[str],
    org_key: str,
    now: datetime,
    updated: int | None = None,
) -> tuple[GroupChange, ...]:
    """What an event says about a group's members. The group counts as not read until Slack is asked again.

    `updated` is Slack's own time of the change, in seconds since 1970.
    """
    heard_at = clock.real_now(session)
    moved: set[str] = set()
    changes: list[GroupChange] = []
    for row in queries.lock_groups(session, org_key, [group_id]):
        if is_overtaken(row, None, updated):
            _doubt(row, None)
            continue
        _note(row, updated, None, heard_at)
        ids = _places(session, org_key, {*added, *removed})
        before = queries.list_member_ids(session, row.id)
        gone = before & {ids[one] for one in removed if one in ids}
        new = {ids[one] for one in added if one in ids} - before
        queries.remove_members(session, row.id, gone)
        queries.add_members(session, row.id, new, now)
        moved.update(ids.values())
        row.refreshed_at = None
        if gone or new:
            joined, left = tuple(sorted(new)), tuple(sorted(gone))
            changes.append(GroupChange(row.slack_id, joined, left))
    session.flush()
    if changes:
        resting.recheck_all(session, at=now)
    _publish_homes(session, moved, org_key=org_key, now=now)
    return tuple(changes)
