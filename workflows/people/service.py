"""What mlgov knows about people: who somebody is, who may decide by a rule, and how a person is erased and exported."""

import json
from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy.orm import Session

from storage.money import money_text
from storage.people import exports, queries
from storage.people.tables import Person
from workflows.context import Actor, ActorKind
from workflows.errors import NotFound
from workflows.people.approvers import read_mirror_age, resolve_approvers
from workflows.people.erasure import erase
from workflows.people.groups import announce as announce_groups
from workflows.people.groups import confirm as confirm_handles
from workflows.people.groups import describe_handles as handles
from workflows.people.groups import list_kept as meant_groups
from workflows.people.groups import settle as settle_handles
from workflows.people.identities import join
from workflows.people.mirror import (
    change_members,
    find_or_add_person,
    forget_channels,
    leave_other_channels,
    list_audiences_to_read,
    refresh_members,
    set_audience,
    upsert_channels,
    upsert_groups,
)
from workflows.people.mirror import upsert_people as upsert_from_slack
from workflows.people.records import PersonRecord
from workflows.sources.text import folded_email

# --- Exporting what is kept about a person, for the person


def export(session: Session, person_id: str) -> dict[str, Any]:
    """Everything about a person as JSON values: records, words, decisions, messages, and ledger entries that name them.

    Raises NotFound.
    """
    person = queries.find_person(session, person_id)
    if person is None:
        raise NotFound(f"Nobody here has the id {person_id!r}.")
    collected = exports.collect(session, person)
    rows: dict[str, Any] = {name: _plain(part) for name, part in collected.items()}
    rows["person"] = rows["person"][0]
    for entry in rows["ledger"]:
        entry["body"] = json.loads(entry["body"])
    return rows


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


# --- What mlgov knows about people
#
# who somebody is, who may decide by a rule, and how a person is erased and exported.

__all__ = [
    "actor",
    "actor_by_slack_id",
    "announce_groups",
    "audience_is_closed",
    "change_members",
    "confirm_handles",
    "erase",
    "export",
    "find_by_email",
    "find_by_slack_id",
    "find_or_add_person",
    "find_outsiders",
    "find_stranger",
    "forget_channels",
    "handles",
    "has_groups",
    "join",
    "leave_other_channels",
    "list_audiences_to_read",
    "list_people",
    "look_up",
    "meant_groups",
    "note_home_opened",
    "read_mirror_age",
    "record",
    "refresh_members",
    "resolve_approvers",
    "set_audience",
    "settle_handles",
    "upsert_channels",
    "upsert_from_slack",
    "upsert_groups",
]

AUDIENCE_AGE = timedelta(hours=2)
"""How old a read of a channel may be and still say that only members read along: two hourly refreshes."""


def record(row: Person) -> PersonRecord:
    """A row as others see it."""
    return PersonRecord(
        id=row.id,
        slack_id=row.slack_id,
        name=row.name,
        email=row.email,
        tz=row.tz,
        manager_id=row.manager_id,
        business_unit=row.business_unit,
        persona=row.persona,
        country=row.country,
        is_bot=row.is_bot,
        is_guest=row.is_guest,
        is_stranger=row.is_stranger,
        is_deactivated=row.is_deactivated,
        home_opened_at=row.home_opened_at,
        erased_at=row.erased_at,
    )


class ActorColumns(Protocol):
    """What makes somebody who acts; every row that has these columns of a person."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def slack_id(self) -> str | None: ...
    @property
    def tz(self) -> str | None: ...
    @property
    def is_guest(self) -> bool: ...
    @property
    def is_stranger(self) -> bool: ...
    @property
    def is_bot(self) -> bool: ...
    @property
    def is_deactivated(self) -> bool: ...


def as_actor(row: ActorColumns) -> Actor:
    """A person of the mirror as somebody who acts."""
    return Actor(
        id=row.id,
        kind=ActorKind.PERSON,
        name=row.name,
        slack_id=row.slack_id,
        tz=row.tz,
        is_guest=row.is_guest,
        is_stranger=row.is_stranger,
        is_bot=row.is_bot,
        is_deactivated=row.is_deactivated,
    )


def actor(session: Session, person_id: str) -> Actor | None:
    """The person as somebody who acts, as the mirror has them now; None for an id that nobody has."""
    row = queries.find_person(session, person_id)
    return None if row is None else as_actor(row)


def actor_by_slack_id(
    session: Session, org_key: str, slack_id: str
) -> tuple[Actor, str | None, datetime | None] | None:
    """Who acts, the workspace they were seen in, and when Slack told of them; None for who was never seen."""
    row = queries.find_by_slack_id(session, org_key, slack_id)
    return None if row is None else (as_actor(row), row.team_id, row.refreshed_at)


def find_stranger(session: Session, slack_id: str, team_id: str | None) -> Actor | None:
    """Somebody of another organisation who was met before, by Slack id and workspace."""
    for row in queries.list_by_slack_id(session, slack_id):
        if row.is_stranger and row.team_id == team_id:
            return as_actor(row)
    return None


def find_outsiders(
    session: Session, org_key: str, slack_ids: Collection[str]
) -> tuple[list[str], bool]:
    """Of these people, whom the mirror has never met, and whether any is a guest or of another organisation."""
    rows = queries.find_by_slack_ids(session, org_key, slack_ids)
    unknown = [one for one in slack_ids if one not in rows or rows[one].team_id is None]
    return unknown, any(row.is_guest or row.is_stranger for row in rows.values())


def find_by_slack_id(session: Session, org_key: str, slack_id: str) -> PersonRecord | None:
    """A person of an organisation by Slack id."""
    row = queries.find_by_slack_id(session, org_key, slack_id)
    return None if row is None else record(row)


def find_by_email(session: Session, org_key: str, email: str) -> PersonRecord | None:
    """The one person of an organisation with this address; None when nobody or several have it.

    Only imports may match by e-mail: addresses can be changed, so they never say who acts.
    """
    address = folded_email(email)
    people = [
        row for row in queries.list_by_email(session, address or "") if row.org_key == org_key
    ]
    active = [row for row in people if not row.is_deactivated] or people
    return record(active[0]) if len(active) == 1 else None


def list_people(session: Session, ids: Collection[str]) -> dict[str, PersonRecord]:
    """People by opaque ids; ids that nobody has are left out."""
    return {row.id: record(row) for row in queries.list_people(session, ids)}


def look_up(session: Session, text: str) -> PersonRecord:
    """A person by opaque id, Slack id or e-mail address. Raises NotFound, also when it fits several people."""
    wanted = text.strip()
    row = queries.find_person(session, wanted)
    if row is not None:
        return record(row)
    address = folded_email(wanted)
    matches = (
        queries.list_by_email(session, address)
        if address
        else queries.list_by_slack_id(session, wanted.upper())
    )
    if len(matches) == 1:
        return record(matches[0])
    if matches:
        ids = ", ".join(one.id for one in matches)
        raise NotFound(f"{wanted} fits several people: {ids}. Name one by its id.")
    raise NotFound(
        f"Nobody here has the id, member id or e-mail address {wanted!r}. A person is named like p_3f9c…, U024BE7LH or ana@example.com."
    )


def has_groups(session: Session, org_key: str) -> bool:
    """Whether any user group of the organisation was ever seen."""
    return queries.has_groups(session, org_key)


def note_home_opened(session: Session, person_id: str, *, now: datetime) -> None:
    """The person has looked at App Home, so that it is kept in step from now on."""
    row = queries.find_person(session, person_id)
    if row is not None:
        row.home_opened_at = now


def audience_is_closed(
    session: Session,
    org_key: str,
    channel_id: str,
    *,
    real_now: datetime,
    max_age: timedelta = AUDIENCE_AGE,
) -> bool | None:
    """Whether only full members of the organisation read a channel; None when the mirror cannot tell, or too old."""
    row = queries.find_channel_by_id(session, org_key, channel_id)
    if row is None or row.refreshed_at is None or row.refreshed_at < real_now - max_age:
        return None
    return not row.is_shared_outside and not row.has_guests
