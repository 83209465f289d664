"""`python -m sandbox`: the stand-in for any bot, with files that say who is there or without."""

import signal
import threading
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import yaml

from sandbox import coverage
from sandbox.ids import stable_id
from sandbox.server import Sandbox
from sandbox.world import GovernedClock, World

# --- An app that may do everything that the stand-in covers, and companies of any size, for a
#     start without files

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


# --- `python -m sandbox`
#
# the stand-in for any bot, with files that say who is there or without.

DEFAULT_PEOPLE = 3


def main() -> None:
    """Run the command line."""
    typer.run(run)


def run(
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="the app's manifest, YAML or JSON; an app that may do everything if none"
        ),
    ] = None,
    org: Annotated[
        Path | None, typer.Option(help="people and channels, YAML or JSON; a company if none")
    ] = None,
    people: Annotated[
        int | None,
        typer.Option(
            help=f"how many people that company has, up to {MOST_PEOPLE:,}; {DEFAULT_PEOPLE} if not given"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen at; 0 takes a free one")] = 8765,
    deliver_to: Annotated[
        str | None, typer.Option(help="the app's request URL; none means Socket Mode")
    ] = None,
    at: Annotated[str | None, typer.Option(help="start the governed clock here (ISO 8601)")] = None,
    limits: Annotated[bool, typer.Option(help="keep Slack's rate limits")] = True,
    bot_token: Annotated[str | None, typer.Option(help="made up when not given")] = None,
    app_token: Annotated[str | None, typer.Option(help="made up when not given")] = None,
    signing_secret: Annotated[str | None, typer.Option(help="made up when not given")] = None,
) -> None:
    """A local stand-in for Slack, for the app of this manifest or for any."""
    try:
        app_manifest = _read(manifest) if manifest else MANIFEST
        world = World.from_dict(_organisation(org, people, app_manifest), _clock(at))
        sandbox = Sandbox(
            world,
            app_manifest,
            host=host,
            port=port,
            limits=limits,
            bot_token=bot_token,
            app_token=app_token,
            signing_secret=signing_secret,
        )
        sandbox.start()
    except (ValueError, OSError) as error:
        typer.echo(f"The sandbox did not start: {error}", err=True)
        raise typer.Exit(2) from None
    sandbox.deliver_to(deliver_to)
    asked = _heard()  # before anybody is told that it runs, and may stop it
    present = sum(not user.is_bot and not user.deleted for user in world.users.values())
    size = f"{present:,} people and {len(world.channels):,} channels"
    typer.echo(f"A stand-in for Slack with {size} is at {sandbox.url}. Give your app:")
    for name, value in sandbox.environment().items():
        typer.echo(f"export {name}={value}")
    typer.echo("Stop it with Ctrl+C.")
    asked.wait()
    sandbox.stop()


def _organisation(org: Path | None, people: int | None, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the world is made of: the file's, or a company of this size."""
    if org is not None:
        if people is not None:
            raise ValueError("give --org or --people, not both")
        return _read(org)
    described = manifest.get("display_information")
    name = described.get("name") if isinstance(described, dict) else None
    return company(DEFAULT_PEOPLE if people is None else people, str(name or "app"))


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is neither YAML nor JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected keys and values")
    return data


def _clock(at: str | None) -> GovernedClock:
    return GovernedClock(datetime.fromisoformat(at) if at else None)


def _heard() -> threading.Event:
    """Set by Ctrl+C or a polite kill."""
    asked = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        asked.set()

    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, stop)
    return asked
