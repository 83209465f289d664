"""What the stand-in plays of Slack, and the one list of what it doesn't.

Everything that is refused for not being covered is refused from here: methods and arguments of the Web
API, events, scopes and other parts of a manifest, blocks and elements. `docs/sandbox.md` shows the same
list as a table, and a test compares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EVENTS: dict[str, tuple[str, ...]] = {
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "channel_archive": ("channels:read",),
    "channel_created": ("channels:read",),
    "channel_unarchive": ("channels:read",),
    "file_deleted": ("files:read",),
    "file_shared": ("files:read",),
    "group_archive": ("groups:read",),
    "group_unarchive": ("groups:read",),
    "link_shared": ("links:read",),
    "member_joined_channel": ("channels:read", "groups:read", "mpim:read"),
    "member_left_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "subteam_created": ("usergroups:read",),
    "subteam_members_changed": ("usergroups:read",),
    "subteam_updated": ("usergroups:read",),
    "team_join": ("users:read",),
    "user_change": ("users:read",),
}
"""What a manifest may subscribe to, with the scopes of which one is needed to hear it."""

SCOPES = frozenset(
    {
        "app_mentions:read", "channels:history", "channels:join", "channels:manage", "channels:read",
        "channels:write.invites", "channels:write.topic", "chat:write", "chat:write.customize", "chat:write.public",
        "commands", "files:read", "files:write", "groups:history", "groups:read", "groups:write",
        "groups:write.invites", "groups:write.topic", "im:history", "im:read", "im:write", "im:write.topic",
        "links.embed:write", "links:read", "links:write", "mpim:history", "mpim:read", "mpim:write", "mpim:write.topic", "reactions:read",
        "reactions:write", "team:read", "tokens.basic", "usergroups:read", "users.profile:read", "users:read", "users:read.email",
    }
)  # fmt: skip
"""The bot scopes that a manifest may ask for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of Slack that is refused.

    A method that ends in `.*` stands for its whole family. Arguments are written after their method
    (`chat.update file_ids`), parts of a manifest as paths (`features.assistant_view`).
    """

    title: str
    methods: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    manifest: tuple[str, ...] = ()


GAPS: tuple[Gap, ...] = (
    Gap(
        "agents and assistants",
        methods=("agents.*", "assistant.threads.*", "slackbot.skills.*"),
        events=(
            "agent_session_stopped", "agent_session_title_changed", "app_context_changed",
            "assistant_thread_context_changed", "assistant_thread_started",
        ),
        scopes=("assistant:write",),
        manifest=("features.agent_view", "features.assistant_view", "mcp_servers", "settings.is_mcp_enabled"),
    ),
    Gap(
        "streaming",
        methods=("chat.appendStream", "chat.startStream", "chat.stopStream"),
        blocks=("plan", "task_card"),
    ),
    Gap(
        "canvases",
        methods=("canvases.*", "conversations.canvases.create"),
        scopes=("canvases:read", "canvases:write"),
    ),
    Gap("lists", methods=("slackLists.*",), scopes=("lists:read", "lists:write")),
    Gap(
        "workflow steps and functions",
        methods=("apps.auth.external.*", "apps.datastore.*", "functions.*", "workflows.*"),
        events=("function_executed",),
        scopes=("datastore:read", "datastore:write", "triggers:read", "triggers:write", "workflow.steps:execute"),
        blocks=("workflow_button",),
        manifest=(
            "datastores", "external_auth_providers", "features.functions", "features.workflow_steps", "functions",
            "outgoing_domains", "settings.is_hosted", "types", "workflows",
        ),
    ),
    Gap(
        "new blocks and elements",
        methods=("blocks.validate",),
        blocks=("card", "carousel", "container", "data_table", "rich_text_input"),
    ),
    Gap(
        "Work Objects",
        methods=("entity.*",),
        arguments=("chat.unfurl metadata",),
        events=("entity_comments_requested", "entity_details_requested"),
        blocks=("metadata entities",),
    ),
    Gap(
        "scheduled messages and reminders",
        methods=("chat.deleteScheduledMessage", "chat.scheduleMessage", "chat.scheduledMessages.list", "reminders.*"),
    ),
    Gap(
        "pins, bookmarks and stars",
        methods=("bookmarks.*", "pins.*", "stars.*"),
        events=("pin_added", "pin_removed", "star_added", "star_removed"),
        scopes=("bookmarks:read", "bookmarks:write", "pins:read", "pins:write"),
    ),
    Gap(
        "calls and huddles",
        methods=("calls.*",),
        events=("call_rejected", "user_huddle_changed"),
        scopes=("calls:read", "calls:write"),
        blocks=("call",),
    ),
    Gap(
        "remote and public files, comments on files, snippets",
        methods=("files.comments.*", "files.remote.*", "files.revokePublicURL", "files.sharedPublicURL"),
        arguments=(
            "chat.update file_ids", "files.completeUploadExternal blocks", "files.completeUploadExternal channels",
            "files.getUploadURLExternal snippet_type", "files.list show_files_hidden_by_limit",
            "reactions.get file", "reactions.get file_comment", "reactions.list page", "reactions.remove file", "reactions.remove file_comment",
        ),
        events=(
            "file_change", "file_comment_added", "file_comment_deleted", "file_comment_edited", "file_created",
            "file_public", "file_unshared",
        ),
        scopes=("remote_files:read", "remote_files:share", "remote_files:write"),
        blocks=("file",),
    ),
    Gap(
        "search",
        methods=("assistant.search.*", "search.*"),
        scopes=("search:read.files", "search:read.public", "search:read.users"),
    ),
    Gap(
        "messages that Slack rewrites or shows as another's, and sign-in before an unfurl",
        methods=("chat.meMessage",),
        arguments=(
            "chat.delete as_user", "chat.postEphemeral as_user", "chat.postEphemeral icon_emoji",
            "chat.postEphemeral icon_url", "chat.postEphemeral link_names", "chat.postEphemeral parse",
            "chat.postEphemeral username", "chat.postMessage as_user", "chat.postMessage current_draft_last_updated_ts",
            "chat.postMessage link_names", "chat.postMessage parse", "chat.update as_user", "chat.update link_names",
            "chat.update parse", "chat.update reply_broadcast", "chat.unfurl user_auth_blocks", "chat.unfurl user_auth_message", "chat.unfurl user_auth_required",
            "chat.unfurl user_auth_url", "chat.update unfurled_attachments",
        ),
        blocks=("attachment actions",),
    ),
    Gap(
        "metadata as events",
        events=("message_metadata_deleted", "message_metadata_posted", "message_metadata_updated"),
        scopes=("metadata.message:read",),
        manifest=("settings.event_subscriptions.metadata_subscriptions",),
    ),
    Gap(
        "changing conversations otherwise",
        methods=(
            "conversations.archive", "conversations.close", "conversations.kick", "conversations.leave",
            "conversations.mark", "conversations.rename", "conversations.setPurpose", "conversations.unarchive",
        ),
        arguments=("conversations.open prevent_creation",),
        events=(
            "channel_deleted", "channel_history_changed", "channel_id_changed", "channel_left",
            "channel_posting_permissions", "channel_rename", "group_close", "group_deleted", "group_history_changed",
            "group_left", "group_open", "group_rename", "im_close", "im_created", "im_history_changed", "im_open",
        ),
    ),
    Gap(
        "Slack Connect by invitation",
        methods=(
            "conversations.acceptSharedInvite", "conversations.approveSharedInvite", "conversations.declineSharedInvite",
            "conversations.externalInvitePermissions.set", "conversations.inviteShared",
            "conversations.listConnectInvites", "conversations.requestSharedInvite.*", "team.externalTeams.*",
            "users.discoverableContacts.lookup",
        ),
        events=(
            "channel_shared", "channel_unshared", "shared_channel_invite_accepted", "shared_channel_invite_approved",
            "shared_channel_invite_declined", "shared_channel_invite_received", "shared_channel_invite_requested",
        ),
        scopes=("conversations.connect:manage", "conversations.connect:read", "conversations.connect:write"),
    ),
    Gap(
        "changing people, groups and the workspace",
        methods=(
            "dnd.*", "emoji.list", "team.profile.get", "usergroups.create", "usergroups.disable", "usergroups.enable",
            "usergroups.update", "usergroups.users.update", "users.deletePhoto", "users.getPresence",
            "users.profile.set", "users.setPhoto", "users.setPresence",
        ),
        arguments=(
            "conversations.info include_locale", "users.info include_locale", "users.list include_locale",
            "users.profile.get include_labels", "auth.teams.list include_icon",
        ),
        events=(
            "dnd_updated", "dnd_updated_user", "email_domain_changed", "emoji_changed", "subteam_self_added",
            "subteam_self_removed", "team_domain_change", "team_rename", "user_profile_changed", "user_status_changed",
        ),
        scopes=("dnd:read", "emoji:read", "usergroups:write", "users:write"),
    ),
    Gap(
        "administration",
        methods=(
            "admin.*", "apps.activities.list", "apps.icon.set", "apps.managed.permissions.set", "apps.manifest.*",
            "developer.*", "team.accessLogs", "team.billableInfo", "team.billing.info", "team.integrationLogs",
            "team.preferences.list", "tooling.tokens.rotate",
        ),
        events=(
            "app_deleted", "app_installed", "app_requested", "app_uninstalled_team", "invite_requested",
            "team_access_granted", "team_access_revoked",
        ),
        scopes=("team.billing:read", "team.preferences:read"),
    ),
    Gap(
        "installing by OAuth, user tokens, token rotation, uninstalling, events of a move to a Grid",
        methods=(
            "apps.event.authorizations.list", "apps.uninstall", "apps.user.connection.*", "auth.revoke",
            "oauth.*", "openid.*", "users.identity",
        ),
        events=(
            "app_uninstalled", "grid_migration_finished", "grid_migration_started", "tokens_revoked", "user_connection",
        ),
        manifest=(
            "oauth_config.scopes.user", "oauth_config.scopes.user_optional", "settings.event_subscriptions.user_events",
            "settings.token_rotation_enabled",
        ),
    ),
    Gap(
        "incoming webhooks, global shortcuts, links while they are typed, events above the hourly limit",
        events=("app_rate_limited",),
        scopes=("incoming-webhook",),
        manifest=("features.shortcuts of the type global", "settings.incoming_webhooks.incoming_webhooks_enabled"),
    ),
    Gap(
        "what Slack has retired",
        methods=("channels.*", "dialog.open", "files.upload", "groups.*", "im.*", "mpim.*", "presence.set", "rtm.*", "users.setActive"),
        events=("message.app_home",),
    ),
)  # fmt: skip

_AS_IF_ABSENT = (None, "", False, 0, "false", "0", "none", "client")
"""Values of an argument that ask for nothing beyond the default."""

_BY_EVENT = {name: gap for gap in GAPS for name in gap.events}
_BY_SCOPE = {name: gap for gap in GAPS for name in gap.scopes}
_BY_METHOD = {name: gap for gap in GAPS for name in gap.methods}
_ARGUMENTS: dict[str, dict[str, Gap]] = {}
for _gap in GAPS:
    for _entry in _gap.arguments:
        _method, _, _name = _entry.partition(" ")
        _ARGUMENTS.setdefault(_method, {})[_name] = _gap

BLOCKS_NOT_COVERED = frozenset(name for gap in GAPS for name in gap.blocks)
"""Blocks and elements that Slack knows; the stand-in says so instead of pretending that they are misspelt."""


def method(name: str) -> Gap | None:
    """The gap that a Web API method falls in; None for one that is covered, or that Slack doesn't have."""
    if name in _BY_METHOD:
        return _BY_METHOD[name]
    families = name.split(".")[:-1]
    for length in range(len(families), 0, -1):
        family = ".".join(families[:length]) + ".*"
        if family in _BY_METHOD:
            return _BY_METHOD[family]
    return None


def argument(method_name: str, arguments: dict[str, Any]) -> tuple[str, Gap] | None:
    """The first argument of a call that is Slack's but not covered, when it asks for something."""
    for name, gap in _ARGUMENTS.get(method_name, {}).items():
        if arguments.get(name) not in _AS_IF_ABSENT:
            return name, gap
    return None


def words(name: str, gap: Gap) -> str:
    """Why something is refused: `pins.add is Slack's, but the sandbox doesn't cover it (pins, …)`."""
    return f"{name} is Slack's, but the sandbox doesn't cover it ({gap.title})"


def refusals(manifest: dict[str, Any]) -> Iterator[str]:
    """Why a manifest is refused, part by part; nothing when all of it is covered."""
    for gap in GAPS:
        for path in gap.manifest:
            if " " not in path and _at(manifest, path):
                yield words(path, gap)
    events = _at(manifest, "settings.event_subscriptions.bot_events") or ()
    for event in events:
        if event in EVENTS:
            continue
        gap_of_event = _BY_EVENT.get(event)
        place = f"settings.event_subscriptions.bot_events: {event}"
        if gap_of_event is None:
            yield f"{place} is no event that a bot can subscribe to"
        else:
            yield words(place, gap_of_event)
    for kind in ("bot", "bot_optional"):
        for scope in _at(manifest, f"oauth_config.scopes.{kind}") or ():
            if scope in SCOPES:
                continue
            gap_of_scope = _BY_SCOPE.get(scope)
            place = f"oauth_config.scopes.{kind}: {scope}"
            if gap_of_scope is None:
                yield f"{place} is no scope that a bot can have"
            else:
                yield words(place, gap_of_scope)


def _at(manifest: dict[str, Any], path: str) -> Any:
    value: Any = manifest
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def table() -> str:
    """The list as docs/sandbox.md shows it, in Markdown."""
    lines = ["| not covered | what is refused |", "|---|---|"]
    for gap in GAPS:
        parts = [
            (kind, ", ".join(f"`{name}`" for name in names))
            for kind, names in (
                ("methods", gap.methods),
                ("arguments", gap.arguments),
                ("events", gap.events),
                ("scopes", gap.scopes),
                ("blocks and elements", gap.blocks),
                ("manifest", gap.manifest),
            )
            if names
        ]
        refused = "; ".join(f"{kind} {names}" for kind, names in parts)
        lines.append(f"| {gap.title} | {refused} |")
    return "\n".join(lines) + "\n"
