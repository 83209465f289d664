"""migration.exchange: the ids that people of a workspace have in the Grid that it joined, and back."""

from sandbox.errors import SlackError
from sandbox.web_api.call import Answer, Call

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
