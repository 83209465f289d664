"""Who is in the stand-in workspace: organisations, workspaces, users, user groups, the app."""

from dataclasses import dataclass, field


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
