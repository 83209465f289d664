"""api.test, team.info, bots.info: whether anybody answers, and who they are."""

from typing import Any

from sandbox.errors import SlackError
from sandbox.people import Team
from sandbox.web_api.call import Answer, Call


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
