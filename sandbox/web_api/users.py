"""auth.test, users.*, usergroups.*: who there is."""

from typing import Any

from sandbox import render
from sandbox.errors import SlackError
from sandbox.org import Team
from sandbox.web_api.call import Answer, Call, paged


def auth_test(call: Call) -> Answer:
    """auth.test."""
    world, app = call.world, call.world.app
    team, enterprise = world.home_team, world.enterprise
    answer: Answer = {
        "ok": True,
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": world.users[app.bot_user_id].name,
        "team_id": team.id,
        "user_id": app.bot_user_id,
        "bot_id": app.bot_id,
        "is_enterprise_install": app.org_wide,
    }
    if enterprise is not None:
        answer["enterprise_id"] = enterprise.id
        if app.org_wide:
            answer |= {
                "url": f"https://{enterprise.domain}.enterprise.slack.com/",
                "team": enterprise.name,
                "team_id": enterprise.id,
            }
    return answer


def teams(call: Call) -> Answer:
    """auth.teams.list: the workspaces that the app is installed in."""
    world = call.world
    own = [
        one
        for one in world.teams.values()
        if not one.foreign and (world.app.org_wide or one.id == world.app.team_id)
    ]
    page, cursor = call.page(own, call.whole("limit", 100, 1, 1000))
    described = [{"id": team.id, "name": team.name} for team in page]
    return {"ok": True, "teams": described, **paged(cursor)}


def info(call: Call) -> Answer:
    """users.info."""
    user = call.user(call.needed("user", "user_not_found"))
    return {"ok": True, "user": render.user(call.world, user, with_email=_with_email(call))}


def list_(call: Call) -> Answer:
    """users.list: the people of the workspace, those who left too."""
    call.needs_team()
    team_id, with_email = call.team_id(), _with_email(call)
    users = [one for one in call.world.users.values() if team_id in one.team_ids]
    # Without a limit Slack tries to give them all.
    page, cursor = call.page(users, call.whole("limit", max(len(users), 1), 1, 1000))
    return {
        "ok": True,
        "members": [render.user(call.world, one, with_email=with_email) for one in page],
        "cache_ts": call.world.now_seconds(),
        **paged(cursor),
    }


def lookup_by_email(call: Call) -> Answer:
    """users.lookupByEmail: people of the organisation who are still there."""
    wanted = call.needed("email", "users_not_found").casefold()
    for user in call.world.users.values():
        if (user.email or "").casefold() == wanted and not user.deleted and not user.is_bot:
            if call.world.is_foreign(user):
                break
            return {"ok": True, "user": render.user(call.world, user, with_email=True)}
    raise SlackError("users_not_found")


def profile(call: Call) -> Answer:
    """users.profile.get: a person's profile, or the app's own."""
    user = call.user(call.text("user") or call.world.app.bot_user_id)
    content = render.user(call.world, user, with_email=_with_email(call))
    return {"ok": True, "profile": content["profile"]}


def _with_email(call: Call) -> bool:
    return "users:read.email" in call.installation.granted


def usergroups(call: Call) -> Answer:
    """usergroups.list."""
    call.needs_team()
    with_users, with_count = call.flag("include_users"), call.flag("include_count")
    disabled, team_id = call.flag("include_disabled"), call.team_id()
    return {
        "ok": True,
        "usergroups": [
            render.usergroup(one, with_users=with_users, with_count=with_count)
            for one in call.world.usergroups.values()
            if one.team_id == team_id and (disabled or not one.date_delete)
        ],
    }


def usergroup_users(call: Call) -> Answer:
    """usergroups.users.list: the members, without those who left."""
    call.needs_team()
    group = call.world.usergroups.get(call.needed("usergroup", "no_such_subteam"))
    if group is None or group.team_id != call.team_id():
        raise SlackError("no_such_subteam")
    if group.date_delete and not call.flag("include_disabled"):
        raise SlackError("no_such_subteam")
    return {
        "ok": True,
        "users": [one for one in group.user_ids if not call.world.users[one].deleted],
    }


# --- api.test, team.info, bots.info
#
# whether anybody answers, and who they are.


def api_test(call: Call) -> Answer:
    """api.test: what was sent comes back, as an error when one was asked for. It needs no token."""
    arguments = {name: value for name, value in call.args.items() if name != "token"}
    error = call.text("error")
    if error:
        raise SlackError(error, args=arguments)
    return {"ok": True, "args": arguments}


def team_info(call: Call) -> Answer:
    """team.info: a workspace of the app's own organisation, by its id or (in a Grid) by its domain."""
    world = call.world
    team_id, domain = call.text("team"), call.text("domain")
    if domain and not team_id:
        if world.enterprise is None:
            raise SlackError("team_not_on_enterprise")
        team_id = next((team.id for team in world.teams.values() if team.domain == domain), "")
        if not team_id:
            raise SlackError("team_not_found")
    team = world.teams.get(team_id or world.app.team_id)
    if team is None or team.foreign:
        raise SlackError("team_not_found")
    return {"ok": True, "team": _team(call, team)}


def _team(call: Call, team: Team) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": team.id,
        "name": team.name,
        "domain": team.domain,
        "url": f"https://{team.domain}.slack.com/",
        "email_domain": "",
        "icon": {"image_default": True},
    }
    enterprise = call.world.enterprise
    if enterprise is not None:
        content |= {
            "enterprise_id": enterprise.id,
            "enterprise_name": enterprise.name,
            "enterprise_domain": enterprise.domain,
        }
    return content


def bot_info(call: Call) -> Answer:
    """bots.info: a bot user of the workspace, by its bot id (`B…`)."""
    world = call.world
    call.needs_team()
    wanted = call.needed("bot", "bot_not_found")
    bot = next((user for user in world.users.values() if user.bot_id == wanted), None)
    if bot is None or call.team_id() not in bot.team_ids:
        raise SlackError("bot_not_found")
    content: dict[str, Any] = {
        "id": bot.bot_id,
        "deleted": bot.deleted,
        "name": bot.real_name,
        "updated": bot.updated,
        "user_id": bot.id,
        "icons": {},
    }
    if bot.id == world.app.bot_user_id:
        content["app_id"] = world.app.id
    return {"ok": True, "bot": content}


# --- migration.exchange
#
# the ids that people of a workspace have in the Grid that it joined, and back.

MOST = 400


def exchange(call: Call) -> Answer:
    """migration.exchange: a map of the ids that were given, and those that belong to nobody of the workspace.

    Whoever has one id only is on both sides of the map with it.
    """
    world = call.world
    if world.enterprise is None:
        raise SlackError("not_enterprise_team")
    call.needs_team()
    team_id, to_old = call.team_id(), call.flag("to_old")
    asked = [one.strip() for one in call.needed("users").split(",") if one.strip()]
    if len(asked) > MOST:
        raise SlackError("too_many_users")
    known = {
        either: user
        for user in world.users.values()
        if team_id in user.team_ids
        for either in (user.id, user.global_id)
        if either
    }
    return {
        "ok": True,
        "team_id": team_id,
        "enterprise_id": world.enterprise.id,
        "user_id_map": {
            one: known[one].id if to_old else known[one].global_id or known[one].id
            for one in asked
            if one in known
        },
        "invalid_user_ids": [one for one in asked if one not in known],
    }
