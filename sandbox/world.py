"""The state of the stand-in workspace: who is there, which channels, what happened.

One lock guards it all. Every change is told twice: to `feed` (for a page) and to the listeners of
`happen` (for the app's events).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock, RLock
from typing import Any

from sandbox import org
from sandbox.files import Files
from sandbox.ids import new_id, stable_id
from sandbox.inspector import Feed
from sandbox.messages import Channel, ChannelKind, Message, Messages
from sandbox.org import AppIdentity, Enterprise, Team, User, UserGroup
from sandbox.views import Views

# --- The governed clock
#
# real time plus an offset that a test or a demo may move.


class GovernedClock:
    """Real UTC time plus an offset.

    Messages are stamped by this clock. Signatures, trigger ids, rate limits and the life of a
    response_url use real time and never see the offset.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self._lock = Lock()
        self._offset = timedelta()
        if at is not None:
            self.set(at)

    @property
    def offset(self) -> timedelta:
        """How far the governed time is ahead of the real one (negative: behind)."""
        with self._lock:
            return self._offset

    def now(self) -> datetime:
        """The governed time, in UTC."""
        return datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Move the clock on by `by`; it keeps running."""
        with self._lock:
            self._offset += by

    def set(self, to: datetime) -> None:
        """Make it `to` now; the clock keeps running from there."""
        if to.tzinfo is None:
            raise ValueError("give the clock a time with its zone, for example 2026-01-26T08:50Z")
        with self._lock:
            self._offset = to.astimezone(UTC) - datetime.now(UTC)


# --- The state of the stand-in workspace
#
# who is there, which channels, what happened. One lock guards it all. Every change is told
# twice: to `feed` (for a page) and to the listeners of `happen` (for the app's events).


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that an app could have subscribed to: the inner `event` of an event callback."""

    event: dict[str, Any]
    channel_id: str | None = None
    team_id: str | None = None


class World:
    """People, channels, messages and views, guarded by one lock.

    Read through its methods or hold `lock` while you look at the dictionaries.
    """

    def __init__(self, clock: GovernedClock | None = None) -> None:
        self.lock = RLock()
        self.clock = clock or GovernedClock()
        self.feed = Feed()
        self.enterprise: Enterprise | None = None
        self.teams: dict[str, Team] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, UserGroup] = {}
        self.app = AppIdentity("A0SANDBOX", "app", "T0SANDBOX", "B0SANDBOX", "U0SANDBOXBOT")
        self.messages = Messages(self)
        self.views = Views(self)
        self.files = Files(self)
        self._listeners: list[Callable[[Happening], None]] = []

    @classmethod
    def from_dict(cls, data: dict[str, Any], clock: GovernedClock | None = None) -> "World":
        """Build a world from plain data; `sandbox.org` documents its shape.

        Raises ValueError that names the entry and what is wrong with it.
        """
        world = cls(clock)
        org.fill(world, data)
        return world

    # --- what happened -------------------------------------------------------------------------

    def listen(self, listener: Callable[[Happening], None]) -> Callable[[], None]:
        """Call `listener` with everything an app could subscribe to; returns how to stop."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def happen(
        self, event: dict[str, Any], *, channel_id: str | None = None, team_id: str | None = None
    ) -> None:
        """Tell the listeners of an event."""
        happening = Happening(event, channel_id, team_id)
        for listener in tuple(self._listeners):
            listener(happening)

    def now_seconds(self) -> int:
        """The governed time as whole seconds since 1970."""
        return int(self.clock.now().timestamp())

    # --- people --------------------------------------------------------------------------------

    @property
    def home_team(self) -> Team:
        """The workspace the app is installed in (its first one, for an org-wide installation)."""
        return self.teams[self.app.team_id]

    def is_foreign(self, user: User) -> bool:
        """Whether the person belongs to another organisation than the app's."""
        return self.teams[user.team_id].foreign

    def is_stranger(self, user: User) -> bool:
        """Slack's `is_stranger`: of another organisation and in no channel that the app is in."""
        if user.is_stranger is not None:
            return user.is_stranger
        if not self.is_foreign(user):
            return False
        bot = self.app.bot_user_id
        with self.lock:
            return not any(
                bot in channel.members and user.id in channel.members
                for channel in self.channels.values()
            )

    def add_user(self, user: User) -> User:
        """Let a person join the organisation; a team_join."""
        with self.lock:
            if user.team_id not in self.teams:
                raise ValueError(f"user {user.id}: no workspace {user.team_id}; add it to `teams`")
            if not user.team_ids:
                user.team_ids = [user.team_id]
            user.enterprise_id = user.enterprise_id or self.teams[user.team_id].enterprise_id
            user.updated = user.updated or self.now_seconds()
            self.users[user.id] = user
            self.feed.append("user", who=user.id)
            if not self.teams[user.team_id].foreign:
                self.happen({"type": "team_join", "user": user.id}, team_id=user.team_id)
            return user

    def join_grid(
        self, enterprise: Enterprise, global_ids: dict[str, str], *, translates_ids: bool = True
    ) -> None:
        """The workspaces join an Enterprise Grid: their people get an id there, beside the one that they had.

        Channels, user groups and direct messages keep their ids, and the app its token.
        """
        with self.lock:
            self.enterprise = enterprise
            self.app = replace(self.app, translates_ids=translates_ids)
            for team_id, team in self.teams.items():
                if not team.foreign:
                    self.teams[team_id] = replace(team, enterprise_id=enterprise.id)
            for user_id, user in self.users.items():
                if not self.is_foreign(user):
                    self.users[user_id] = replace(
                        user,
                        enterprise_id=enterprise.id,
                        global_id=global_ids.get(user_id, user_id),
                    )
            for group_id, group in self.usergroups.items():
                self.usergroups[group_id] = replace(group, enterprise_id=enterprise.id)
            self.feed.append("user", who=self.app.bot_user_id)

    def update_user(self, user_id: str, **changes: Any) -> User:
        """Change a person (`deleted=True`, `real_name=…`, `is_restricted=True`); a user_change."""
        with self.lock:
            user = replace(self.users[user_id], updated=self.now_seconds(), **changes)
            self.users[user_id] = user
            self.feed.append("user", who=user_id)
            self.happen({"type": "user_change", "user": user_id}, team_id=user.team_id)
            return user

    def remove_user(self, user_id: str) -> User:
        """Take a person out altogether: users.list leaves them out, users.info knows nobody by that id, no event says so."""
        with self.lock:
            user = self.users.pop(user_id)
            for group_id, group in self.usergroups.items():
                others = [one for one in group.user_ids if one != user_id]
                self.usergroups[group_id] = replace(group, user_ids=others)
            for channel in self.channels.values():
                if channel.user_id != user_id:
                    channel.members.pop(user_id, None)
            self.feed.append("user", who=user_id)
            return user

    def add_usergroup(self, group: UserGroup) -> UserGroup:
        """Create a user group; a subteam_created."""
        with self.lock:
            now = self.now_seconds()
            group.date_create = group.date_create or now
            group.date_update = now
            self.usergroups[group.id] = group
            self.feed.append("usergroup", usergroup=group.id)
            self.happen({"type": "subteam_created", "subteam": group.id}, team_id=group.team_id)
            return group

    def set_usergroup_members(self, group_id: str, user_ids: list[str]) -> UserGroup:
        """Replace a group's members; a subteam_members_changed and a subteam_updated."""
        with self.lock:
            group = self.usergroups[group_id]
            before, after = group.user_ids, list(user_ids)
            previous_update, now = group.date_update, self.now_seconds()
            group = replace(group, user_ids=after, date_update=now)
            self.usergroups[group_id] = group
            self.feed.append("usergroup", usergroup=group_id)
            added = [one for one in after if one not in before]
            removed = [one for one in before if one not in after]
            self.happen(
                {
                    "type": "subteam_members_changed",
                    "subteam_id": group_id,
                    "team_id": group.team_id,
                    "date_previous_update": previous_update,
                    "date_update": now,
                    "added_users": added,
                    "added_users_count": len(added),
                    "removed_users": removed,
                    "removed_users_count": len(removed),
                },
                team_id=group.team_id,
            )
            self.happen({"type": "subteam_updated", "subteam": group_id}, team_id=group.team_id)
            return group

    def update_usergroup(self, group_id: str, **changes: Any) -> UserGroup:
        """Rename or disable (`date_delete=…`) a user group; a subteam_updated."""
        with self.lock:
            group = replace(self.usergroups[group_id], date_update=self.now_seconds(), **changes)
            self.usergroups[group_id] = group
            self.feed.append("usergroup", usergroup=group_id)
            self.happen({"type": "subteam_updated", "subteam": group_id}, team_id=group.team_id)
            return group

    # --- channels ------------------------------------------------------------------------------

    def add_channel(self, channel: Channel) -> Channel:
        """Create a channel with its members; nobody is told one by one."""
        with self.lock:
            for team_id in channel.team_ids:
                if team_id not in self.teams:
                    raise ValueError(
                        f"channel {channel.name}: no workspace {team_id}; add it to `teams`"
                    )
            for user_id in channel.members:
                if user_id not in self.users:
                    raise ValueError(
                        f"channel {channel.name}: no user {user_id}; add them to `users`"
                    )
            channel.created = channel.created or self.now_seconds()
            self.channels[channel.id] = channel
            self.feed.append("channel", channel=channel.id)
            return channel

    def channel_named(self, name: str) -> Channel | None:
        """The channel with this name, with or without `#`."""
        wanted = name.removeprefix("#")
        with self.lock:
            for channel in self.channels.values():
                if channel.name == wanted and channel.kind in ("public", "private"):
                    return channel
        return None

    def channels_of(self, user_id: str) -> list[Channel]:
        """The conversations a person is in, direct messages too."""
        with self.lock:
            return [one for one in self.channels.values() if user_id in one.members]

    def open_im(self, user_id: str) -> Channel:
        """The direct conversation between the app and a person; made when there is none."""
        with self.lock:
            bot = self.app.bot_user_id
            for channel in self.channels.values():
                if channel.kind == "im" and channel.user_id == user_id:
                    return channel
            return self.add_channel(
                Channel(
                    id=stable_id("D", bot, user_id),
                    name="",
                    kind="im",
                    team_ids=[self.app.team_id],
                    members={bot: None, user_id: None},
                    user_id=user_id,
                )
            )

    def open_mpim(self, user_ids: list[str]) -> Channel:
        """The group conversation of the app and these people; made when there is none."""
        with self.lock:
            members = {self.app.bot_user_id: None} | dict.fromkeys(user_ids)
            for channel in self.channels.values():
                if channel.kind == "mpim" and channel.members.keys() == members.keys():
                    return channel
            handles = "--".join(self.users[one].name for one in members)
            return self.add_channel(
                Channel(
                    id=new_id("C"),
                    name=f"mpdm-{handles}-1",
                    kind="mpim",
                    team_ids=[self.app.team_id],
                    members=members,
                )
            )

    def mentions_app(self, message: Message) -> bool:
        """Whether a message speaks to the app by its bot user."""
        bot = self.app.bot_user_id
        if f"<@{bot}>" in message.text or f"<@{bot}|" in message.text:
            return True
        return _names_user(message.blocks, bot)

    def join(self, channel_id: str, user_id: str, inviter: str | None = None) -> bool:
        """Make someone a member; a member_joined_channel. False when they already were."""
        with self.lock:
            channel = self.channels[channel_id]
            if user_id in channel.members:
                return False
            channel.members[user_id] = None
            self.feed.append("channel", channel=channel_id)
            self._tell_membership("member_joined_channel", channel, user_id, inviter)
            return True

    def leave(self, channel_id: str, user_id: str) -> bool:
        """Take someone out; a member_left_channel. False when they were not in."""
        with self.lock:
            channel = self.channels[channel_id]
            if user_id not in channel.members:
                return False
            # Told first: the app hears of its own removal.
            self._tell_membership("member_left_channel", channel, user_id, None)
            del channel.members[user_id]
            self.feed.append("channel", channel=channel_id)
            return True

    def archive(self, channel_id: str, archived: bool = True) -> None:
        """Archive a channel or bring it back; a channel_archive, or group_archive for private ones."""
        with self.lock:
            channel = self.channels[channel_id]
            changed = channel.is_archived is not archived
            channel.is_archived = archived
            self.feed.append("channel", channel=channel_id)
            if changed:
                prefix = "channel" if channel.kind == "public" else "group"
                self.happen(
                    {
                        "type": f"{prefix}_{'archive' if archived else 'unarchive'}",
                        "channel": channel_id,
                        "user": channel.creator,
                    },
                    channel_id=channel_id,
                    team_id=channel.team_ids[0],
                )

    def set_topic(self, channel_id: str, user_id: str, topic: str) -> None:
        """Change a conversation's topic; Slack's own message says so in it."""
        with self.lock:
            channel = self.channels[channel_id]
            channel.topic, channel.topic_creator = topic, user_id
            channel.topic_set = self.now_seconds()
            self.feed.append("channel", channel=channel_id)
            self.messages.post(
                channel_id,
                user_id,
                f"set the channel topic: {topic}" if topic else "cleared channel topic",
                subtype="group_topic" if channel.kind == "private" else "channel_topic",
                topic=topic,
            )

    def tell_created(self, channel: Channel, creator: str) -> None:
        """Let the app hear of a new public channel: a channel_created."""
        if channel.kind == "public":
            described = {
                "id": channel.id,
                "name": channel.name,
                "created": channel.created,
                "creator": creator,
            }
            self.happen(
                {"type": "channel_created", "channel": described}, team_id=channel.team_ids[0]
            )

    def _tell_membership(
        self, type_: str, channel: Channel, user_id: str, inviter: str | None
    ) -> None:
        letters: dict[ChannelKind, str] = {"public": "C", "private": "G", "im": "D", "mpim": "G"}
        user = self.users[user_id]
        event = {
            "type": type_,
            "user": user_id,
            "channel": channel.id,
            "channel_type": letters[channel.kind],
            "team": user.team_id,
        }
        if inviter:
            event["inviter"] = inviter
        self.happen(event, channel_id=channel.id, team_id=channel.team_ids[0])


def _names_user(value: Any, user_id: str) -> bool:
    """Whether rich text in blocks mentions somebody."""
    if isinstance(value, dict):
        if value.get("type") == "user" and value.get("user_id") == user_id:
            return True
        return any(_names_user(part, user_id) for part in value.values())
    return isinstance(value, list) and any(_names_user(part, user_id) for part in value)
