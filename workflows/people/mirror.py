"""Keeping the mirror: what Slack says about people, groups and channels becomes rows, and only what differs is written.

`read_at` is real time and says that Slack was asked then, and answered. None means that Slack only told us, in an event:
events can arrive late and out of order, so what they change has to be asked for again before anybody decides by it. What
is older than what stands here changes nothing (`is_overtaken`).
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people import readings as leaving_queries
from storage.people.erasure import Stone
from storage.people.lookups import find_channel, is_joined
from storage.people.tables import Channel, Person, UserGroup
from storage.projects import queries as project_queries
from storage.projects import queries as projects
from workflows import clock, outbox, resting, timers
from workflows.audit import service as audit
from workflows.calendar import known_zone
from workflows.context import Context
from workflows.outbox import Destination, Notice, Subject
from workflows.people import erasure, identities, organisation
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

LONG_AGO = timedelta(days=366)
"""How long those count as members whom the very first look at an organisation finds in a group."""


def new_id() -> str:
    """A new opaque id: random, so that nothing about the person can be read from it."""
    return f"p_{secrets.token_hex(8)}"


def values_of(seen: PersonSeen | GroupSeen | ChannelSeen, names: Sequence[str]) -> dict[str, Any]:
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
    ctx: Context, people: Iterable[PersonSeen], *, read_at: datetime | None
) -> Upserted:
    """Bring people to what Slack says; who was never seen is added under a new opaque id.

    An e-mail address that Slack did not tell is left as it is, and so is all that only imports know. What recurs for a
    person who lives in another zone now moves there with them. Who was erased and has left stays away, and who is
    active is who they were. `now` is governed time. Raises ErasureKeyMissing.
    """
    heard_at = clock.real_now(ctx.session)
    by_org: dict[str, dict[str, PersonSeen]] = {}
    for seen in people:
        by_org.setdefault(seen.org_key, {})[seen.slack_id] = seen
    ids: dict[tuple[str, str], str] = {}
    guests: list[str] = []
    stay_away: list[str] = []
    is_other = False
    """Whether somebody may decide who could not, or the other way round."""
    for org_key, wanted in sorted(by_org.items()):
        rows = _as_they_are(replace(ctx, org=org_key), wanted)
        missing = wanted.keys() - rows.keys()
        erased = _erased(replace(ctx, org=org_key), [wanted[id_] for id_ in missing])
        for slack_id in sorted(erased):
            stone = erased[slack_id]
            ids[(org_key, slack_id)] = stone.person_id
            if erasure.is_back(wanted[slack_id], stone, read_at):
                rows[slack_id] = erasure.bring_back(ctx, stone, slack_id)
            else:
                stay_away.append(slack_id)
        if unknown := sorted(missing - erased.keys()):
            organisation.require_ours(ctx.session, org_key)
            queries.insert_people(
                ctx.session,
                [
                    _new_person(org_key, slack_id) | _person_values(wanted[slack_id])
                    for slack_id in unknown
                ],
            )
            rows |= queries.find_by_slack_ids(ctx.session, org_key, unknown)
        current: dict[str, Person] = {}
        for slack_id, row in rows.items():
            ids[(org_key, slack_id)] = row.id
            if is_overtaken(row, read_at, wanted[slack_id].updated):
                _doubt(row, read_at)
            else:
                current[slack_id] = row
        identities.keep(replace(ctx, org=org_key), current, wanted, is_read=read_at is not None)
        for slack_id, row in current.items():
            seen = wanted[slack_id]
            _note(row, seen.updated, read_at, heard_at)
            was_guest, was_in = row.is_guest or row.is_stranger, row.tz
            was_away, could = row.status_away_until, _could_decide(row)
            changed = apply(row, _person_values(seen))
            is_other = is_other or could != _could_decide(row)
            if row.status_away_until != was_away:
                row.status_times += row.status_away_until is not None
                outbox.refresh(ctx, Subject.of("away", row.id))
            if row.tz and row.tz != was_in and known_zone(row.tz) is not None:
                timers.move_zone(ctx.session, row.id, row.tz)
            if (row.is_guest or row.is_stranger) and (not was_guest or slack_id in missing):
                guests.append(slack_id)
            if changed and read_at is None:
                row.refreshed_at = None
        ctx.session.flush()
        if read_at is not None:
            touched = {row.id for row in current.values()}
            queries.touch_people(ctx.session, touched, read_at)
    if is_other:
        resting.recheck_all(ctx.session, at=ctx.now)
    return Upserted(ids, tuple(guests), tuple(stay_away))


def _could_decide(row: Person) -> bool:
    return row.team_id is not None and not (
        row.is_bot or row.is_guest or row.is_stranger or row.is_deactivated
    )


def _erased(ctx: Context, people: Sequence[PersonSeen]) -> dict[str, Stone]:
    """Slack id → the tombstone of who was erased, by any of their ids."""
    ids = {id_ for seen in people for id_ in (seen.slack_id, *seen.other_ids)}
    stones = erasure.find_erased(ctx.session, ctx.org, ids)
    return {
        seen.slack_id: stones[id_]
        for seen in people
        for id_ in (*sorted(seen.other_ids), seen.slack_id)
        if id_ in stones
    }


def _as_they_are(ctx: Context, wanted: Mapping[str, PersonSeen]) -> dict[str, Person]:
    """Whom the mirror has of these people, by Slack id; those who will be changed are locked, and not erased meanwhile."""
    rows = identities.find(ctx, wanted)
    changed = [
        row.id
        for slack_id, row in rows.items()
        if any(
            getattr(row, name) != value for name, value in _person_values(wanted[slack_id]).items()
        )
    ]
    if changed:
        queries.lock_people(ctx.session, changed)
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
    if erasure.find_erased(session, org_key, [slack_id]):
        return None
    organisation.require_ours(session, org_key)
    queries.insert_people(session, [_new_person(org_key, slack_id)])
    person = queries.find_by_slack_id(session, org_key, slack_id)
    if person is None:
        raise RuntimeError("a person who was just added is not there")
    return person.id


def upsert_groups(
    ctx: Context,
    groups: Sequence[GroupSeen],
    *,
    read_at: datetime | None,
    is_everything: bool = False,
    is_first: bool = False,
) -> tuple[GroupChange, ...]:
    """Bring user groups, and their members where they were told, to what Slack says; who joined and who left.

    With `is_everything` the groups that are not among them are disabled. `now` is governed time: since when mlgov has
    seen somebody in a group. With `is_first`, when mlgov looks at an organisation for the first time, whoever is in a
    group counts as having been there all along, and nobody is news.
    """
    wanted = {group.slack_id: group for group in groups}
    heard_at = clock.real_now(ctx.session)
    since = ctx.now - LONG_AGO if is_first else ctx.now
    changes: list[GroupChange] = []
    is_other = False
    if is_everything and read_at is not None:
        is_other = queries.has_enabled_besides(ctx.session, ctx.org, wanted)
        queries.disable_other_groups(ctx.session, ctx.org, wanted, read_at)
    rows = {row.slack_id: row for row in queries.lock_groups(ctx.session, ctx.org, wanted)}
    missing = sorted(wanted.keys() - rows.keys())
    if missing:
        queries.insert_groups(
            ctx.session,
            [
                {"org_key": ctx.org, "slack_id": slack_id} | values_of(wanted[slack_id], _GROUP)
                for slack_id in missing
            ],
        )
        rows = {row.slack_id: row for row in queries.lock_groups(ctx.session, ctx.org, wanted)}
    everyone = {member for group in groups if group.members for member in group.members}
    ids = _places(ctx, everyone)
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
            before = queries.list_member_ids(ctx.session, row.id)
            queries.remove_members(ctx.session, row.id, before - members)
            queries.add_members(ctx.session, row.id, members - before, since)
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
    ctx.session.flush()
    _publish_homes(ctx, moved)
    if (moved or is_other) and not is_first:
        resting.recheck_all(ctx.session, at=ctx.now)
    return tuple(changes)


def _publish_homes(ctx: Context, ids: set[str]) -> None:
    """What waits for somebody changes with the groups that they are in."""
    outbox.publish_homes(
        ctx.session,
        [
            (row.id, Destination.person(ctx.org, row.slack_id), ctx.now)
            for row in queries.has_open_home(ctx.session, ids)
            if row.slack_id is not None
        ],
        now=ctx.now,
    )


def _places(ctx: Context, slack_ids: set[str]) -> dict[str, str]:
    """Slack id → opaque id; a place is made for who was never seen. Who was erased is left out: only a reading of
    people, which says whether they are active, brings them back."""

    ids = queries.find_ids_by_slack_id(ctx.session, ctx.org, slack_ids)
    missing = slack_ids - ids.keys()
    new = sorted(missing - erasure.find_erased(ctx.session, ctx.org, missing).keys())
    if new:
        organisation.require_ours(ctx.session, ctx.org)
        queries.insert_people(ctx.session, [_new_person(ctx.org, id_) for id_ in new])
        ids |= queries.find_ids_by_slack_id(ctx.session, ctx.org, new)
    return ids


def refresh_members(
    ctx: Context, group_id: str, members: Sequence[str] | None, *, read_at: datetime
) -> tuple[GroupChange, ...]:
    """The members of one group as Slack just answered; None when Slack says that there is no such group any more."""
    changes: tuple[GroupChange, ...] = ()
    for row in queries.list_groups(ctx.session, ctx.org, [group_id]):
        seen = GroupSeen(
            row.slack_id,
            row.handle,
            row.name,
            is_disabled=row.is_disabled or members is None,
            members=tuple(members or ()),
        )
        changes += upsert_groups(ctx, [seen], read_at=read_at)
    return changes


def change_members(
    ctx: Context,
    group_id: str,
    *,
    added: Iterable[str],
    removed: Iterable[str],
    updated: int | None = None,
) -> tuple[GroupChange, ...]:
    """What an event says about a group's members. The group counts as not read until Slack is asked again.

    `updated` is Slack's own time of the change, in seconds since 1970.
    """
    heard_at = clock.real_now(ctx.session)
    moved: set[str] = set()
    changes: list[GroupChange] = []
    for row in queries.lock_groups(ctx.session, ctx.org, [group_id]):
        if is_overtaken(row, None, updated):
            _doubt(row, None)
            continue
        _note(row, updated, None, heard_at)
        ids = _places(ctx, {*added, *removed})
        before = queries.list_member_ids(ctx.session, row.id)
        gone = before & {ids[one] for one in removed if one in ids}
        new = {ids[one] for one in added if one in ids} - before
        queries.remove_members(ctx.session, row.id, gone)
        queries.add_members(ctx.session, row.id, new, ctx.now)
        moved.update(ids.values())
        row.refreshed_at = None
        if gone or new:
            joined, left = tuple(sorted(new)), tuple(sorted(gone))
            changes.append(GroupChange(row.slack_id, joined, left))
    ctx.session.flush()
    if changes:
        resting.recheck_all(ctx.session, at=ctx.now)
    _publish_homes(ctx, moved)
    return tuple(changes)


# --- Channels in the mirror
#
# what decides who would read a card there, and projects that wait for the channel they named.

_CHANNEL = ("name", "is_private", "is_archived", "is_shared_outside", "bot_is_member")


def upsert_channels(ctx: Context, channels: Iterable[ChannelSeen], *, read_at: datetime) -> None:
    """Bring channels to what Slack says. Projects whose channel was only named until now find it.

    Where members were not looked at, what is known of who reads along holds for as long as nothing else changed; it
    keeps its own age. `now` is governed time.
    """
    wanted = {channel.slack_id: channel for channel in channels}
    if not wanted:
        return
    rows = {row.slack_id: row for row in queries.list_channels(ctx.session, ctx.org, wanted)}
    queries.insert_channels(
        ctx.session,
        [
            {"org_key": ctx.org, "slack_id": slack_id, "has_guests": True}
            | values_of(wanted[slack_id], _CHANNEL)
            for slack_id in sorted(wanted.keys() - rows.keys())
        ],
    )
    for row in queries.lock_channels(ctx.session, ctx.org, wanted):
        seen = wanted[row.slack_id]
        if is_overtaken(row, read_at):
            continue
        values = values_of(seen, _CHANNEL)
        name, changed = values.pop("name"), apply(row, values)
        row.name = name
        if seen.has_guests is not None:
            row.has_guests, row.refreshed_at = seen.has_guests, read_at
        elif changed or not row.bot_is_member or row.is_archived:
            row.refreshed_at = None
    ctx.session.flush()
    _give_named(ctx)


def _give_named(ctx: Context) -> None:
    """Projects whose file gave a channel's name that nobody knew find it once mlgov is in it."""
    for project in projects.list_with_named_channel(ctx.session):
        channel = find_channel(ctx.session, ctx.org, project.channel_name)
        if channel is None or not is_joined(ctx.session, ctx.org, channel):
            continue
        project.channel, project.channel_name = channel, None
        audit.record(ctx.as_system(), "project.channel_found", ("project", project.id))
        for type_, id_ in project_queries.list_subjects(ctx.session, [project.id]):
            outbox.refresh(ctx, Subject.of(type_, id_))
    ctx.session.flush()


def leave_other_channels(
    session: Session, kept: Collection[str], *, org_key: str, began: datetime
) -> None:
    """Slack listed all channels that mlgov is in: it has left the others, but for those it was read to join since."""
    gone = [
        row.slack_id
        for row in queries.list_joined_channels(session, org_key)
        if row.slack_id not in kept and not is_overtaken(row, began)
    ]
    queries.leave_channels(session, org_key, gone)


def set_audience(
    session: Session, channel_id: str, has_guests: bool, *, org_key: str, read_at: datetime
) -> None:
    """Whether guests or people of other organisations read a channel, as its members were just told."""
    for row in queries.lock_channels(session, org_key, [channel_id]):
        if not is_overtaken(row, read_at):
            row.has_guests, row.refreshed_at = has_guests, read_at
    session.flush()


def list_audiences_to_read(
    session: Session, org_key: str, names: Collection[str], *, since: datetime
) -> list[tuple[str, bool]]:
    """(Slack id, shared outside) of channels whose members were not read since, those that matter most first.

    These are the projects' and those of `names` (`#name` or id); then who was never read, and the longest ago.
    """
    named = {
        slack_id for name in names if (slack_id := find_channel(session, org_key, name)) is not None
    } | projects.list_channels(session)
    rows = [
        row
        for row in queries.list_joined_channels(session, org_key)
        if not row.is_archived and (row.refreshed_at is None or row.refreshed_at < since)
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


def forget_channels(session: Session, org_key: str, slack_ids: Sequence[str] | None = None) -> None:
    """Who reads these channels, or all, may have changed: they count as open until Slack is asked again."""
    queries.forget_channel_reads(session, org_key, slack_ids, heard_at=clock.real_now(session))


# --- Who has left without a word of Slack's
#
# people whom it does not know any more, or no longer lists.

KEPT_FOR = timedelta(days=1)
"""How long Slack has to leave many people out before all of them count as having left."""
FEW = 10
"""As many may go at once, however small the organisation, while at least half of it stays."""
TENTH = 10

UNKNOWN, UNLISTED = "unknown", "unlisted"
"""On the ledger, why somebody counts as having left: Slack was asked and knows nobody by that id, or lists them no more."""


@dataclass(frozen=True, slots=True)
class PeopleMissing(Notice):
    """So many people are listed no more that they are kept for now."""

    kind: ClassVar[str] = "people.missing"
    org_key: str


@dataclass(frozen=True, slots=True)
class MissingTold:
    """Such people, with names, and when they count as having left."""

    names: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Absent:
    """Whom a whole reading did not list: those who have left by it, and those who are kept for now."""

    gone: tuple[str, ...] = ()
    """Slack ids."""
    kept: tuple[str, ...] = ()
    """Opaque ids."""


def leave(ctx: Context, slack_ids: Collection[str], *, read_at: datetime, why: str) -> int:
    """Slack was asked at `read_at` (real time) and knows these people no more: they count as having left.

    Whatever follows when Slack says that somebody is deactivated follows here; it is on the ledger, with `why`. Of whom
    Slack has told since stays as they are. How many have left by it.
    """
    rows = [
        row
        for row in queries.find_by_slack_ids(ctx.session, ctx.org, slack_ids).values()
        # By another of their ids Slack may know somebody no more whom it still knows.
        if row.slack_id in slack_ids
        and row.erased_at is None
        and (row.refreshed_at is None or row.refreshed_at <= read_at)
    ]
    left = [row.id for row in rows if not row.is_deactivated]
    seen = [
        PersonSeen(
            org_key=ctx.org,
            slack_id=row.slack_id,
            team_id=row.team_id,
            name=row.name,
            title=row.title,
            tz=row.tz,
            is_bot=row.is_bot,
            is_guest=row.is_guest,
            is_stranger=row.is_stranger,
            is_deactivated=True,
        )
        for row in rows
        if row.slack_id is not None
    ]
    upsert_people(ctx, seen, read_at=read_at)
    leaving_queries.set_missing(ctx.session, [row.id for row in rows], None)
    for person_id in left:
        audit.record(ctx.as_system(), "person.left", ("person", person_id), why=why)
    return len(left)


def find_absent(
    ctx: Context,
    listed: Collection[str],
    *,
    team_ids: Collection[str],
    began: datetime,
    accept: bool = False,
) -> Absent:
    """Whom Slack left out of a whole reading of these workspaces, which began at `began` (real time).

    Where so many are missing at once that Slack, the token or mlgov may be mistaken, they are kept until Slack has left
    them out for a day, unless somebody accepts it.
    """
    known = leaving_queries.list_known(ctx.session, ctx.org, team_ids, before=began)
    missing = [row for row in known if row.slack_id not in listed]
    if accept or not is_suspicious(
        len(missing), leaving_queries.count_active(ctx.session, ctx.org, team_ids)
    ):
        return Absent(tuple(row.slack_id for row in missing))
    over = [
        row
        for row in missing
        if row.missing_since is not None and row.missing_since <= ctx.now - KEPT_FOR
    ]
    ids = {row.id for row in over}
    return Absent(
        tuple(row.slack_id for row in over), tuple(row.id for row in missing if row.id not in ids)
    )


def is_suspicious(missing: int, active: int) -> bool:
    """Whether too many are missing at once to believe it: more than half, or more than ten and a tenth."""
    return missing * 2 > active or (missing > FEW and missing * TENTH > active)


def keep(ctx: Context, listed: Collection[str], ids: Collection[str]) -> None:
    """These are kept although Slack lists them no more; who is listed again is missing no more."""
    missing = leaving_queries.list_missing(ctx.session, ctx.org)
    leaving_queries.set_missing(ctx.session, set(ids) - {row.id for row in missing}, ctx.now)
    back = {row.id for row in missing if row.slack_id in listed}
    leaving_queries.set_missing(ctx.session, back - set(ids), None)


def notify_administrators(ctx: Context) -> None:
    """Tell the administrators, once a day, of those who are kept."""
    if not leaving_queries.list_missing(ctx.session, ctx.org):
        return
    day = ctx.now.astimezone(ctx.policy.organisation.zone).date()
    identities.notify_administrators(ctx, PeopleMissing(ctx.org), f"missing:{day}", None)


def read(session: Session, notice: PeopleMissing) -> MissingTold:
    """Who is kept, with names."""
    rows = leaving_queries.list_missing(session, notice.org_key)
    since = [row.missing_since for row in rows if row.missing_since is not None]
    return MissingTold(tuple(row.name for row in rows), min(since) + KEPT_FOR if since else None)
