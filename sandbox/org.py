"""A world from plain data.

    enterprise: {id: E0ACME, name: Acme, domain: acme}        # only for an Enterprise Grid
    teams:                                                    # the first is the app's
      - {id: T0ACME, name: Acme, domain: acme}
      - {id: T0SUPPLIER, name: Supplier, domain: supplier, foreign: true}
    users:
      - {id: U0ANA, name: ana, real_name: Ana Costa, email: ana@acme.test, tz: Europe/London,
         title: Data scientist, team: T0ACME, teams: [T0ACME], is_admin: false,
         is_restricted: false, is_ultra_restricted: false, is_bot: false, deleted: false}
        # also: global_id, in the Grid, of who was in a workspace before it joined
    channels:
      - {id: C0GENERAL, name: general, members: [U0ANA], app: true}   # the app is a member too
      - {id: C0SHARED, name: with-supplier, teams: [T0ACME, T0SUPPLIER], members: [U0ANA]}
        # also: is_private, is_archived, is_general, topic, purpose, creator
    usergroups:
      - {id: S0FIN, handle: finance, name: Finance, users: [U0ANA], team: T0ACME}
    app: {id: A0APP, name: Helper, bot_user_id: U0HELPER, bot_id: B0HELPER, team: T0ACME,
          org_wide: false, translates_ids: true}

Ids may be left out; they are then made from the names, the same each time. A channel whose `teams`
include a foreign workspace is shared by Slack Connect; several of one's own make it org-shared.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.ids import stable_id
from sandbox.messages import Channel, ChannelKind

if TYPE_CHECKING:
    from sandbox.world import World

# --- Who is in the stand-in workspace
#
# organisations, workspaces, users, user groups, the app.


@dataclass(slots=True)
class Enterprise:
    """An Enterprise Grid organisation."""

    id: str
    name: str
    domain: str


@dataclass(slots=True)
class Team:
    """A workspace. `foreign` workspaces belong to another organisation (Slack Connect)."""

    id: str
    name: str
    domain: str
    enterprise_id: str | None = None
    foreign: bool = False


@dataclass(slots=True)
class User:
    """A person or a bot user.

    `team_ids` are the workspaces the user can see; with an Enterprise Grid there may be several.
    `is_stranger` is normally worked out (another organisation, no channel shared with the app);
    set it to force either answer. Who was in a workspace when it joined a Grid has two ids: `id`, the workspace's own, and
    `global_id`, the Grid's; everybody else has only one.
    """

    id: str
    team_id: str
    name: str
    real_name: str
    display_name: str = ""
    email: str | None = None
    title: str = ""
    status_text: str = ""
    status_emoji: str = ""
    status_expiration: int = 0
    """When the status clears itself, in seconds since 1970; 0 for one that stays."""
    tz: str = "Europe/London"
    enterprise_id: str | None = None
    team_ids: list[str] = field(default_factory=list)
    is_admin: bool = False
    is_owner: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool | None = None
    deleted: bool = False
    color: str = "4d5e26"
    bot_id: str | None = None
    updated: int = 0
    global_id: str = ""

    @property
    def label(self) -> str:
        """The name that a Slack client shows."""
        return self.display_name or self.real_name or self.name


@dataclass(slots=True)
class UserGroup:
    """A user group (`@finance`). `date_delete` is 0 while it is enabled."""

    id: str
    team_id: str
    handle: str
    name: str
    description: str = ""
    user_ids: list[str] = field(default_factory=list)
    enterprise_id: str | None = None
    date_create: int = 0
    date_update: int = 0
    date_delete: int = 0


@dataclass(slots=True)
class AppIdentity:
    """The installed app. `org_wide` is an installation on a whole Enterprise Grid.

    `translates_ids` is Slack's translation layer: on, an app in a workspace that joined a Grid goes on hearing the
    workspace's own user ids, and may use either; off, it hears and uses the Grid's.
    """

    id: str
    name: str
    team_id: str
    bot_id: str
    bot_user_id: str
    org_wide: bool = False
    translates_ids: bool = True


# --- A world from plain data
#
# enterprise: {id: E0ACME, name: Acme, domain: acme} # only for an Enterprise Grid teams: # the
# first is the app's - {id: T0ACME, name: Acme, domain: acme} - {id: T0SUPPLIER, name: Supplier,
# domain: supplier, foreign: true} users: - {id: U0ANA, name: ana, real_name: Ana Costa, email:
# ana@acme.test, tz: Europe/London, title: Data scientist, team: T0ACME, teams: [T0ACME],
# is_admin: false, is_restricted: false, is_ultra_restricted: false, is_bot: false, deleted:
# false} # also: global_id, in the Grid, of who was in a workspace before it joined channels: -
# {id: C0GENERAL, name: general, members: [U0ANA], app: true} # the app is a member too - {id:
# C0SHARED, name: with-supplier, teams: [T0ACME, T0SUPPLIER], members: [U0ANA]} # also:
# is_private, is_archived, is_general, topic, purpose, creator usergroups: - {id: S0FIN, handle:
# finance, name: Finance, users: [U0ANA], team: T0ACME} app: {id: A0APP, name: Helper,
# bot_user_id: U0HELPER, bot_id: B0HELPER, team: T0ACME, org_wide: false, translates_ids: true}
# Ids may be left out; they are then made from the names, the same each time. A channel whose
# `teams` include a foreign workspace is shared by Slack Connect; several of one's own make it
# org-shared.

_KEYS = {
    "": {"enterprise", "teams", "users", "channels", "usergroups", "app"},
    "teams": {"id", "name", "domain", "enterprise_id", "foreign"},
    "users": {
        "id", "name", "real_name", "display_name", "email", "title", "tz", "team", "teams",
        "enterprise_id", "is_admin", "is_owner", "is_bot", "is_restricted", "is_ultra_restricted",
        "is_stranger", "deleted", "color", "status_text", "status_emoji", "status_expiration", "global_id",
    },
    "channels": {
        "id", "name", "members", "app", "teams", "is_private", "is_archived", "is_general",
        "topic", "purpose", "creator",
    },
    "usergroups": {"id", "handle", "name", "description", "users", "team", "date_delete"},
    "app": {"id", "name", "bot_user_id", "bot_id", "team", "org_wide", "translates_ids"},
    "enterprise": {"id", "name", "domain"},
}  # fmt: skip

_COLORS = ("4bbe2e", "e96699", "684b6c", "9f69e7", "e7392d", "2b6836", "d58247", "3c989f")


def fill(world: "World", data: dict[str, Any]) -> None:
    """Fill an empty world; raises ValueError that says which entry is wrong."""
    _known("", data, "the organisation")
    if enterprise := data.get("enterprise"):
        _known("enterprise", enterprise, "enterprise")
        world.enterprise = Enterprise(enterprise["id"], enterprise["name"], enterprise["domain"])
    for entry in data.get("teams") or [{"name": "Acme", "domain": "acme"}]:
        team = _team(world, entry)
        world.teams[team.id] = team
    world.app = _app(world, data.get("app") or {})
    world.add_user(_bot_user(world))
    for index, entry in enumerate(data.get("users") or ()):
        world.add_user(_user(world, entry, index))
    for entry in data.get("channels") or ():
        world.add_channel(_channel(world, entry))
    for entry in data.get("usergroups") or ():
        group = _usergroup(world, entry)
        world.usergroups[group.id] = group


def _known(kind: str, entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected keys and values, got {type(entry).__name__}")
    unknown = sorted(entry.keys() - _KEYS[kind])
    if unknown:
        raise ValueError(
            f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_KEYS[kind]))}"
        )


def _need(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where}: give it a `{key}`")
    return value


def _team(world: "World", entry: dict[str, Any]) -> Team:
    _known("teams", entry, "a team")
    name = _need(entry, "name", "a team")
    foreign = bool(entry.get("foreign"))
    own = world.enterprise.id if world.enterprise and not foreign else None
    return Team(
        id=entry.get("id") or stable_id("T", name),
        name=name,
        domain=entry.get("domain") or name.lower().replace(" ", "-"),
        enterprise_id=entry.get("enterprise_id") or own,
        foreign=foreign,
    )


def _app(world: "World", entry: dict[str, Any]) -> AppIdentity:
    _known("app", entry, "app")
    name = entry.get("name") or "app"
    team_id = entry.get("team") or next(iter(world.teams))
    if team_id not in world.teams:
        raise ValueError(f"app: no workspace {team_id}; add it to `teams`")
    if entry.get("org_wide") and world.enterprise is None:
        raise ValueError("app: org_wide needs an `enterprise`")
    return AppIdentity(
        id=entry.get("id") or stable_id("A", name),
        name=name,
        team_id=team_id,
        bot_id=entry.get("bot_id") or stable_id("B", name),
        bot_user_id=entry.get("bot_user_id") or stable_id("U", name, "bot"),
        org_wide=bool(entry.get("org_wide")),
        translates_ids=bool(entry.get("translates_ids", True)),
    )


def _bot_user(world: "World") -> User:
    app = world.app
    own = [team.id for team in world.teams.values() if not team.foreign]
    return User(
        id=app.bot_user_id,
        team_id=app.team_id,
        name=app.name.lower().replace(" ", "_"),
        real_name=app.name,
        tz="America/Los_Angeles",
        team_ids=own if app.org_wide else [app.team_id],
        is_bot=True,
        bot_id=app.bot_id,
    )


def _user(world: "World", entry: dict[str, Any], index: int) -> User:
    _known("users", entry, "a user")
    name = _need(entry, "name", f"user {entry.get('id') or index + 1}")
    team_id = entry.get("team") or world.app.team_id
    user_id = entry.get("id") or stable_id("W" if world.enterprise else "U", name, team_id)
    if user_id in world.users:
        raise ValueError(f"user {name}: the id {user_id} is taken")
    names = ("is_admin", "is_owner", "is_bot", "is_restricted", "is_ultra_restricted", "deleted")
    flags: dict[str, Any] = {one: bool(entry.get(one)) for one in names}
    return User(
        id=user_id,
        team_id=team_id,
        name=name,
        real_name=entry.get("real_name") or name,
        display_name=entry.get("display_name") or "",
        email=entry.get("email"),
        title=entry.get("title") or "",
        status_text=entry.get("status_text") or "",
        status_emoji=entry.get("status_emoji") or "",
        status_expiration=int(entry.get("status_expiration") or 0),
        tz=entry.get("tz") or "Europe/London",
        enterprise_id=entry.get("enterprise_id"),
        team_ids=list(entry.get("teams") or [team_id]),
        is_stranger=entry.get("is_stranger"),
        color=entry.get("color") or _COLORS[index % len(_COLORS)],
        bot_id=stable_id("B", name) if entry.get("is_bot") else None,
        global_id=entry.get("global_id") or "",
        **flags,
    )


def _channel(world: "World", entry: dict[str, Any]) -> Channel:
    _known("channels", entry, "a channel")
    name = _need(entry, "name", f"channel {entry.get('id') or ''}".strip())
    kind: ChannelKind = "private" if entry.get("is_private") else "public"
    team_ids = list(entry.get("teams") or [world.app.team_id])
    members: dict[str, None] = dict.fromkeys(entry.get("members") or ())
    if entry.get("app"):
        members[world.app.bot_user_id] = None
    return Channel(
        id=entry.get("id") or stable_id("C", name, team_ids[0]),
        name=name.removeprefix("#"),
        kind=kind,
        team_ids=team_ids,
        creator=entry.get("creator") or next(iter(members), world.app.bot_user_id),
        members=members,
        is_archived=bool(entry.get("is_archived")),
        is_general=bool(entry.get("is_general")),
        topic=entry.get("topic") or "",
        purpose=entry.get("purpose") or "",
        is_ext_shared=any(world.teams[one].foreign for one in team_ids if one in world.teams),
    )


def _usergroup(world: "World", entry: dict[str, Any]) -> UserGroup:
    _known("usergroups", entry, "a user group")
    handle = _need(entry, "handle", "a user group")
    users = list(entry.get("users") or ())
    for user_id in users:
        if user_id not in world.users:
            raise ValueError(f"user group {handle}: no user {user_id}; add them to `users`")
    now = world.now_seconds()
    return UserGroup(
        id=entry.get("id") or stable_id("S", handle),
        team_id=entry.get("team") or world.app.team_id,
        handle=handle,
        name=entry.get("name") or handle,
        description=entry.get("description") or "",
        user_ids=users,
        enterprise_id=world.enterprise.id if world.enterprise else None,
        date_create=now,
        date_update=now,
        date_delete=int(entry.get("date_delete") or 0),
    )
