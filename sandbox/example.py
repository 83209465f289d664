"""An app that may do everything that the stand-in covers, and companies of any size, for a start without files."""

from typing import Any

from sandbox import coverage
from sandbox.ids import stable_id

MOST_PEOPLE = 100_000
_TEAM = "T0ACME"

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Helper", "description": "Helps"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "bot_user": {"display_name": "Helper", "always_online": True},
        "slash_commands": [
            {
                "command": "/helper",
                "description": "Helps",
                "usage_hint": "[with what]",
                "should_escape": True,
            }
        ],
        "shortcuts": [
            {
                "name": "Help with this",
                "type": "message",
                "callback_id": "help",
                "description": "Helps with what somebody wrote",
            }
        ],
        "unfurl_domains": ["example.com"],
    },
    "oauth_config": {"scopes": {"bot": sorted(coverage.SCOPES)}},
    "settings": {
        "event_subscriptions": {"bot_events": sorted(coverage.EVENTS)},
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": True,
        "socket_mode_enabled": True,
        "token_rotation_enabled": False,
    },
}
"""Every scope and event that is covered, a slash command `/helper`, a message shortcut, Home and Messages tabs."""

_FIRST = (
    "Ana", "Bob", "Chidi", "Dilnoza", "Elif", "Fred", "Grace", "Hana", "Ivan", "Jun", "Kofi", "Lena", "Maya", "Noor",
    "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tom", "Uma", "Viktor", "Wei", "Ximena", "Yara", "Zoltán",
)  # fmt: skip
_LAST = (
    "Costa", "Ito", "Okafor", "Karimova", "Yılmaz", "Martin", "Hopper", "Novák", "Petrov", "Tanaka", "Mensah",
    "Schmidt", "Lindqvist", "Haddad", "Farouk", "Nair", "O'Brien", "Rossi", "Berg", "Ferreira", "Sharma", "Popov",
    "Zhang", "Torres", "Cohen", "Nagy", "Dubois", "Jansen", "Kim",
)  # fmt: skip
_TITLES = (
    "Data scientist", "Machine learning engineer", "Product manager", "Software engineer", "Financial analyst",
    "Head of department", "Designer", "Site reliability engineer", "Lawyer", "Support specialist", "Sales manager",
)  # fmt: skip
_ZONES = (
    "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kolkata",
    "Australia/Sydney",
)  # fmt: skip
_TOPICS = (
    "ml", "data", "support", "finance", "platform", "search", "growth", "billing", "vision", "forecasts", "incidents",
    "releases", "hiring", "legal", "random",
)  # fmt: skip


def company(people: int, app_name: str) -> dict[str, Any]:
    """An organisation of this many people, the same each time, as `sandbox.org` reads it.

    Every 50th is a guest; for each 40 there is one more who has left. Everybody who is there shares
    #general with the app; a channel and a user group for each 25 people follow, half of the channels with
    the app, every fifth private. Raises ValueError for fewer than one person or more than 100,000.
    """
    if not 1 <= people <= MOST_PEOPLE:
        raise ValueError(f"give 1 to {MOST_PEOPLE} people, not {people}")
    users = [_person(n) for n in range(people)]
    present = [user["id"] for user in users]
    staff = [user["id"] for user in users if not user["is_restricted"]]
    users += [_person(n) | {"deleted": True} for n in range(people, people + people // 40)]
    channels: list[dict[str, Any]] = [
        {"name": "general", "is_general": True, "members": present, "app": True}
    ]
    groups: list[dict[str, Any]] = []
    for n in range(people // 25):
        name = f"{_TOPICS[n % len(_TOPICS)]}-{n // len(_TOPICS) + 1}"
        members = staff[n * 20 : n * 20 + 40]
        private = n % 5 == 4
        channels.append(
            {"name": name, "members": members, "is_private": private, "app": n % 2 == 0}
        )
        groups.append({"handle": f"{name}-team", "name": name, "users": members[:20]})
    return {
        "teams": [{"id": _TEAM, "name": "Acme", "domain": "acme"}],
        "app": {"name": app_name},
        "users": users,
        "channels": channels,
        "usergroups": groups,
    }


def _person(n: int) -> dict[str, Any]:
    first = _FIRST[n % len(_FIRST)]
    last = _LAST[(n // len(_FIRST) + n) % len(_LAST)]
    handle = first.lower().replace("á", "a") + (str(n) if n >= len(_FIRST) else "")
    return {
        "id": stable_id("U", handle, _TEAM),
        "name": handle,
        "real_name": f"{first} {last}",
        "email": f"{handle}@acme.test",
        "title": _TITLES[n % len(_TITLES)],
        "tz": _ZONES[n % len(_ZONES)],
        "is_admin": n == 0,
        "is_owner": n == 0,
        "is_restricted": n % 50 == 49,
    }
