"""Channels in the mirror: what decides who would read a card there, and projects that wait for the channel they named."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people.channels import find_channel, is_joined
from storage.projects import cards
from storage.projects import queries as projects
from workflows import clock, outbox
from workflows.actors import SYSTEM
from workflows.audit import service as audit
from workflows.outbox import Subject
from workflows.people.forms import ChannelSeen
from workflows.people.mirror import apply, is_overtaken, values_of

_CHANNEL = ("name", "is_private", "is_archived", "is_shared_outside", "bot_is_member")


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
    rows = {row.slack_id: row for row in queries.list_channels(session, org_key, wanted)}
    queries.insert_channels(
        session,
        [
            {"org_key": org_key, "slack_id": slack_id, "has_guests": True}
            | values_of(wanted[slack_id], _CHANNEL)
            for slack_id in sorted(wanted.keys() - rows.keys())
        ],
    )
    for row in queries.lock_channels(session, org_key, wanted):
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
    session.flush()
    _give_named(session, org_key=org_key, now=now)


def _give_named(session: Session, *, org_key: str, now: datetime) -> None:
    """Projects whose file gave a channel's name that nobody knew find it once mlgov is in it."""
    for project in projects.list_with_named_channel(session):
        channel = find_channel(session, org_key, project.channel_name)
        if channel is None or not is_joined(session, org_key, channel):
            continue
        project.channel, project.channel_name = channel, None
        audit.record(session, SYSTEM, "project.channel_found", ("project", project.id), now=now)
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
