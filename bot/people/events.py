"""What Slack's events say about people, user groups and channels. They can come late, twice and out of order."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from bot.people import lookup
from bot.people.lookup import SlackReads, SlackSilent, Workspaces
from bot.people.mirror import Refresher, WatchGroups, World
from storage.db import Database
from workflows.people import service as people
from workflows.people.records import Upserted

log = logging.getLogger("mlgov")

Event = Mapping[str, Any]


class Events:
    """Writes what an event says, and has `later` ask Slack for what it leaves open."""

    def __init__(
        self,
        db: Database,
        workspaces: Workspaces,
        bot_user_id: str,
        reads: SlackReads,
        refresher: Refresher,
        *,
        later: Callable[[Callable[[], None]], object],
        world: World,
        watch: WatchGroups,
    ) -> None:
        self._world = world
        self._watch = watch
        self._db = db
        self._ours = workspaces.ours
        self._workspaces = workspaces
        self._bot_user_id = bot_user_id
        self._reads = reads
        self._refresher = refresher
        self._later = later
        self._handlers: dict[str, Callable[[Event], None]] = {
            "user_change": self._person,
            "team_join": self._person,
            "subteam_created": self._group,
            "subteam_updated": self._group,
            "subteam_members_changed": self._members,
            "member_joined_channel": self._joined,
            "member_left_channel": self._left,
        }

    def handle(self, event: Event) -> None:
        """Follow one event; kinds that say nothing about the mirror are left alone."""
        handler = self._handlers.get(str(event.get("type")))
        if handler is not None:
            handler(event)

    def _ask(self, what: str, ask: Callable[[], None]) -> None:
        def asked() -> None:
            try:
                ask()
            except SlackSilent as error:
                log.warning("%s was not refreshed after an event: %s", what, error.code)
            except Exception:
                log.exception("%s was not refreshed after an event", what)

        self._later(asked)

    # --- people and groups

    def _person(self, event: Event) -> None:
        user = event.get("user")
        if not isinstance(user, Mapping) or not user.get("id"):
            return
        try:
            seen = lookup.person(user, self._ours)
        except lookup.JoinedGrid as error:
            log.error("%s", error.sentence)
            return
        if not seen.is_stranger:
            self._workspaces.learn_from(user)

        def work(session: Session) -> Upserted | None:
            known = people.find_by_slack_id(session, seen.org_key, seen.slack_id)
            if known is None and seen.is_stranger:
                return None
            return people.upsert_from_slack(self._world(session), [seen], read_at=None)

        written = self._db.run(work)
        if written is not None and written.became_guests:
            self._ask("a guest's channels", lambda: self._guest_appeared(seen.slack_id))
        if written is not None and written.stay_away and not seen.is_deactivated:
            # An event can be older than the erasure: only an answer says that they are active again.
            self._ask(
                "somebody who was erased", lambda: self._refresher.refresh_person(seen.slack_id)
            )

    def _guest_appeared(self, user_id: str) -> None:
        """The channels of somebody who is a guest now are no longer closed."""
        try:
            channels = [
                str(one["id"])
                for team_id in self._refresher.team_ids()
                for page in self._reads.channels_of(user_id, team_id)
                for one in page
            ]
        except SlackSilent:
            self._db.run(lambda session: people.forget_channels(session, self._ours.org_key))
            raise
        self._forget(*channels)
        for channel_id in dict.fromkeys(channels):
            self._refresher.refresh_channel(channel_id)

    def _group(self, event: Event) -> None:
        subteam = event.get("subteam")
        if not isinstance(subteam, Mapping) or not subteam.get("id"):
            return
        self._workspaces.learn_group(subteam)
        seen = lookup.group(subteam)

        def work(session: Session) -> None:
            ctx = self._world(session)
            changes = people.upsert_groups(ctx, [seen], read_at=None)
            self._watch(ctx, changes)

        self._db.run(work)
        if not seen.is_disabled:
            self._ask("a user group", lambda: self._refresher.refresh_group(seen.slack_id))

    def _members(self, event: Event) -> None:
        group_id = str(event.get("subteam_id") or "")

        def work(session: Session) -> None:
            ctx = self._world(session)
            changes = people.change_members(
                ctx,
                group_id,
                added=[str(one) for one in event.get("added_users") or ()],
                removed=[str(one) for one in event.get("removed_users") or ()],
                updated=lookup.stamp(event.get("date_update")),
            )
            self._watch(ctx, changes)

        self._db.run(work)
        self._ask("a user group", lambda: self._refresher.refresh_group(group_id))

    # --- channels

    def _forget(self, *channel_ids: str) -> None:
        self._db.run(
            lambda session: people.forget_channels(session, self._ours.org_key, channel_ids)
        )

    def _joined(self, event: Event) -> None:
        channel_id, user_id = str(event.get("channel")), str(event.get("user"))
        if user_id == self._bot_user_id or self._may_open(user_id):
            self._forget(channel_id)
            self._ask("a channel", lambda: self._refresher.refresh_channel(channel_id))

    def _left(self, event: Event) -> None:
        channel_id, user_id = str(event.get("channel")), str(event.get("user"))
        if user_id == self._bot_user_id or self._may_open(user_id):
            self._ask("a channel", lambda: self._refresher.refresh_channel(channel_id))

    def _may_open(self, user_id: str) -> bool:
        """Whether this person's being in a channel may let others than full members read it."""
        with self._db.read() as session:
            unknown, outsider = people.find_outsiders(session, self._ours.org_key, [user_id])
        return bool(unknown) or outsider
