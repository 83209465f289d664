"""auth.test, users.*, usergroups.*: who there is."""

from sandbox import render
from sandbox.errors import SlackError
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
