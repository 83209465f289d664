"""Keeping the mirror: what Slack says about people, groups and channels becomes rows, and only what differs is written.

`read_at` is real time and says that Slack was asked and answered. None means that Slack only told us, in an event: events
can arrive late and out of order, so what they change has to be asked for again before anybody decides by it.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people.channels import find_channel, speaks_in
from storage.people.tables import Channel, Person, UserGroup
from storage.projects import cards
from storage.projects import queries as projects
from workflows import outbox, timers
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.calendar import known_zone
from workflows.outbox import Destination, Subject
from workflows.people import tombstones
from workflows.people.forms import ChannelSeen, GroupSeen, PersonSeen
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
_CHANNEL = ("name", "is_private", "is_archived", "is_shared_outside", "bot_is_member")

LONG_AGO = timedelta(days=366)
"""How long those count as members whom the very first look at an organisation finds in a group."""


def new_id() -> str:
    """A new opaque id: random, so that nothing about the person can be read from it."""
    return f"p_{secrets.token_hex(8)}"


def _values(seen: Any, names: Sequence[str]) -> dict[str, Any]:
    known = {field.name for field in fields(seen)}
    return {
        name: storable(value, NAME) if isinstance(value, str) else value
        for name in names
        if name in known
        for value in (getattr(seen, name),)
    }


def _person_values(seen: PersonSeen) -> dict[str, Any]:
    values = _values(seen, _PERSON)
    values["name"] = values["name"] or seen.slack_id
    email = folded_email(seen.email) if seen.email else None
    if email and len(email) <= EMAIL:
        values["email"] = email
    return values


def _apply(row: Person | UserGroup | Channel, values: dict[str, Any]) -> bool:
    changed = False
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def upsert_people(
    session: Session,
    people: Iterable[PersonSeen],
    *,
    read_at: datetime | None,
    now: datetime,
) -> Upserted:
    """Bring people to what Slack says; who was never seen is added under a new opaque id.

    An e-mail address that Slack did not tell is left as it is, and so is all that only imports know. What recurs for a
    person who lives in another zone now moves there with them. Who was erased and has left stays away, and who is
    active is who they were. `now` is governed time. Raises ErasureKeyMissing.
    """
    by_org: dict[str, dict[str, PersonSeen]] = {}
    for seen in people:
        by_org.setdefault(seen.org_key, {})[seen.slack_id] = seen
    ids: dict[tuple[str, str], str] = {}
    guests: list[str] = []
    stay_away: list[str] = []
    is_other = False
    """Whether somebody may decide who could not, or the other way round."""
    for org_key, wanted in sorted(by_org.items()):
        rows = _as_they_are(session, org_key, wanted)
        missing = wanted.keys() - rows.keys()
        erased = tombstones.known(session, org_key, missing)
        for slack_id in sorted(erased):
            stone = erased[slack_id]
            ids[(org_key, slack_id)] = stone.person_id
            if tombstones.is_back(wanted[slack_id], stone, read_at):
                rows[slack_id] = tombstones.bring_back(
                    session, stone, slack_id, now=now
                )
            else:
                stay_away.append(slack_id)
        if unknown := sorted(missing - erased.keys()):
            queries.insert_people(
                session,
                [
                    _new_person(org_key, slack_id) | _person_values(wanted[slack_id])
                    for slack_id in unknown
                ],
            )
            rows |= {
                row.slack_id: row
                for row in queries.list_by_slack_ids(session, org_key, unknown)
                if row.slack_id is not None
            }
        for slack_id, row in rows.items():
            seen = wanted[slack_id]
            ids[(org_key, slack_id)] = row.id
            was_guest, was_in = row.is_guest or row.is_stranger, row.tz
            was_away, could = row.status_away_until, _could_decide(row)
            changed = _apply(row, _person_values(seen))
            is_other = is_other or could != _could_decide(row)
            if row.status_away_until != was_away:
                row.status_times += row.status_away_until is not None
                outbox.refresh(session, Subject.of("away", row.id), now=now)
            if row.tz and row.tz != was_in and known_zone(row.tz) is not None:
                timers.move_zone(session, row.id, row.tz)
            if (row.is_guest or row.is_stranger) and (
                not was_guest or slack_id in missing
            ):
                guests.append(slack_id)
            if changed and read_at is None:
                row.refreshed_at = None
        session.flush()
        if read_at is not None:
            queries.touch_people(session, [row.id for row in rows.values()], read_at)
    if is_other:
        timers.deciders_changed(session, now=now)
    return Upserted(ids, tuple(guests), tuple(stay_away))


def _could_decide(row: Person) -> bool:
    return row.team_id is not None and not (
        row.is_bot or row.is_guest or row.is_stranger or row.is_deactivated
    )


def _as_they_are(
    session: Session, org_key: str, wanted: Mapping[str, PersonSeen]
) -> dict[str, Person]:
    """Whom the mirror has of these people, by Slack id; those who will be changed are locked, and not erased meanwhile."""
    rows = {
        row.slack_id: row
        for row in queries.list_by_slack_ids(session, org_key, wanted)
        if row.slack_id is not None
    }
    changed = [
        row.id
        for slack_id, row in rows.items()
        if any(
            getattr(row, name) != value
            for name, value in _person_values(wanted[slack_id]).items()
        )
    ]
    if changed:
        queries.lock_people(session, changed)
    return {slack_id: row for slack_id, row in rows.items() if row.slack_id == slack_id}


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


def place_for(session: Session, org_key: str, slack_id: str) -> str | None:
    """The opaque id of somebody who is only known by their Slack id; a place is made for who was never seen.

    Slack is asked about them before they can do anything. None for who was erased: only Slack can bring them back.
    Raises ErasureKeyMissing.
    """
    found = queries.find_by_slack_id(session, org_key, slack_id)
    if found is not None:
        return found.id
    if tombstones.known(session, org_key, [slack_id]):
        return None
    queries.insert_people(session, [_new_person(org_key, slack_id)])
    found = queries.find_by_slack_id(session, org_key, slack_id)
    if found is None:
        raise RuntimeError("a person who was just added is not there")
    return found.id


def upsert_groups(
    session: Session,
    groups: Sequence[GroupSeen],
    *,
    org_key: str,
    read_at: datetime | None,
    now: datetime,
    is_everything: bool = False,
) -> tuple[GroupChange, ...]:
    """Bring user groups, and their members where they were told, to what Slack says; who joined and who left.

    With `is_everything` the groups that are not among them are disabled. `now` is governed time: since when mlgov has
    seen somebody in a group. Whoever is in a group when mlgov looks at an organisation for the first time counts as
    having been there all along.
    """
    wanted = {group.slack_id: group for group in groups}
    is_first = is_everything and not queries.has_groups(session, org_key)
    since = now - LONG_AGO if is_first else now
    changes: list[GroupChange] = []
    is_other = False
    if is_everything and read_at is not None:
        is_other = queries.has_enabled_besides(session, org_key, wanted)
        queries.disable_other_groups(session, org_key, wanted, read_at)
    rows = {row.slack_id: row for row in queries.list_groups(session, org_key, wanted)}
    missing = sorted(wanted.keys() - rows.keys())
    if missing:
        queries.insert_groups(
            session,
            [
                {"org_key": org_key, "slack_id": slack_id}
                | _values(wanted[slack_id], _GROUP)
                for slack_id in missing
            ],
        )
        rows = {
            row.slack_id: row for row in queries.list_groups(session, org_key, wanted)
        }
    everyone = {member for group in groups if group.members for member in group.members}
    ids = _places(session, org_key, everyone)
    moved: set[str] = set()
    for slack_id in sorted(wanted):
        row, seen = rows[slack_id], wanted[slack_id]
        named = (row.handle, row.is_disabled)
        changed = _apply(row, _values(seen, _GROUP))
        is_other = is_other or named != (row.handle, row.is_disabled)
        if seen.members is not None:
            members = {ids[member] for member in seen.members if member in ids}
            before = queries.list_member_ids(session, row.id)
            queries.remove_members(session, row.id, before - members)
            queries.add_members(session, row.id, members - before, since)
            if members != before and not is_first:
                changes.append(
                    GroupChange(
                        row.slack_id,
                        row.handle,
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
        timers.deciders_changed(session, now=now)
    return tuple(changes)


def _publish_homes(
    session: Session, ids: set[str], *, org_key: str, now: datetime
) -> None:
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

    def known() -> dict[str, str]:
        return {
            row.slack_id: row.id
            for row in queries.list_by_slack_ids(session, org_key, slack_ids)
            if row.slack_id is not None
        }

    ids = known()
    missing = slack_ids - ids.keys()
    new = sorted(missing - tombstones.known(session, org_key, missing).keys())
    if new:
        queries.insert_people(session, [_new_person(org_key, one) for one in new])
        ids = known()
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
        changes += upsert_groups(
            session, [seen], org_key=org_key, read_at=read_at, now=now
        )
    return changes


def change_members(
    session: Session,
    group_id: str,
    *,
    added: Iterable[str],
    removed: Iterable[str],
    org_key: str,
    now: datetime,
) -> tuple[GroupChange, ...]:
    """What an event says about a group's members. The group counts as not read until Slack is asked again."""
    moved: set[str] = set()
    changes: list[GroupChange] = []
    for row in queries.list_groups(session, org_key, [group_id]):
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
            changes.append(GroupChange(row.slack_id, row.handle, joined, left))
    session.flush()
    if changes:
        timers.deciders_changed(session, now=now)
    _publish_homes(session, moved, org_key=org_key, now=now)
    return tuple(changes)


def upsert_channels(
    session: Session,
    channels: Iterable[ChannelSeen],
    *,
    org_key: str,
    read_at: datetime,
    now: datetime,
) -> None:
    """Bring channels to what Slack says. Projects whose channel was only named until now find it.

    Where members were not looked at, what is known of who reads along holds for as long as nothing else changed; it
    keeps its own age. `now` is governed time.
    """
    wanted = {channel.slack_id: channel for channel in channels}
    if not wanted:
        return
    rows = {
        row.slack_id: row for row in queries.list_channels(session, org_key, wanted)
    }
    queries.insert_channels(
        session,
        [
            {"org_key": org_key, "slack_id": slack_id, "has_guests": True}
            | _values(wanted[slack_id], _CHANNEL)
            for slack_id in sorted(wanted.keys() - rows.keys())
        ],
    )
    for row in queries.list_channels(session, org_key, wanted):
        seen = wanted[row.slack_id]
        values = _values(seen, _CHANNEL)
        name, changed = values.pop("name"), _apply(row, values)
        row.name = name
        if seen.has_guests is not None:
            row.has_guests, row.refreshed_at = seen.has_guests, read_at
        elif changed or not row.bot_is_member or row.is_archived:
            row.refreshed_at = None
    session.flush()
    _give_named(session, org_key=org_key, now=now)


def _give_named(session: Session, *, org_key: str, now: datetime) -> None:
    """Projects whose file gave a channel's name that nobody knew find it once mlgov is in it."""
    for project in projects.list_with_named_channel(session):
        channel = find_channel(session, org_key, project.channel_name)
        if channel is None or not speaks_in(session, org_key, channel):
            continue
        project.channel, project.channel_name = channel, None
        audit.record(
            session, SYSTEM, "project.channel_found", ("project", project.id), now=now
        )
        for type_, id_ in cards.list_subjects(session, [project.id]):
            outbox.refresh(session, Subject.of(type_, id_), now=now)
    session.flush()


def leave_other_channels(
    session: Session, kept: Collection[str], *, org_key: str, began: datetime
) -> None:
    """Slack listed all channels that mlgov is in: it has left the others, but for those it was read to join since."""
    gone = [
        row.slack_id
        for row in queries.list_joined_channels(session, org_key)
        if row.slack_id not in kept
        and (row.refreshed_at is None or row.refreshed_at < began)
    ]
    queries.leave_channels(session, org_key, gone)


def set_audience(
    session: Session,
    channel_id: str,
    has_guests: bool,
    *,
    org_key: str,
    read_at: datetime,
) -> None:
    """Whether guests or people of other organisations read a channel, as its members were just told."""
    row = queries.find_channel_by_id(session, org_key, channel_id)
    if row is not None:
        row.has_guests, row.refreshed_at = has_guests, read_at
        session.flush()


def audiences_to_read(
    session: Session, org_key: str, names: Collection[str], *, since: datetime
) -> list[tuple[str, bool]]:
    """(Slack id, shared outside) of channels whose members were not read since, those that matter most first.

    These are the projects' and those of `names` (`#name` or id); then who was never read, and the longest ago.
    """
    named = {
        slack_id
        for name in names
        if (slack_id := find_channel(session, org_key, name)) is not None
    } | projects.list_channels(session)
    rows = [
        row
        for row in queries.list_joined_channels(session, org_key)
        if not row.is_archived
        and (row.refreshed_at is None or row.refreshed_at < since)
    ]
    rows.sort(
        key=lambda row: (
            row.slack_id not in named,
            row.refreshed_at is not None,
            row.refreshed_at or since,
            row.id,
        )
    )
    return [(row.slack_id, row.is_shared_outside) for row in rows]


def forget_channels(
    session: Session, org_key: str, slack_ids: Sequence[str] | None = None
) -> None:
    """Who reads these channels, or all, may have changed: they count as open until Slack is asked again."""
    queries.forget_channel_reads(session, org_key, slack_ids)
