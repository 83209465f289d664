"""What an app's manifest says: scopes, commands, events, surfaces."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox import coverage


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command, as the composer offers it."""

    command: str
    description: str
    usage_hint: str
    should_escape: bool


MOST_SHORTCUTS = 10
MOST_UNFURL_DOMAINS = 5
_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A message shortcut, as a message's menu offers it."""

    callback_id: str
    name: str
    description: str


def _shortcuts(entries: Any, scopes: tuple[str, ...]) -> dict[str, Shortcut]:
    """Message shortcuts by callback_id; ValueError for what Slack would not take, or the sandbox does not play."""
    shortcuts: dict[str, Shortcut] = {}
    for n, entry in enumerate(entries or ()):
        where = f"features.shortcuts[{n}]"
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: expected keys and values")
        if entry.get("type") != "message":
            raise ValueError(
                f"{where}: the type must be message (Slack also has global; the sandbox does not)"
            )
        for key, most in (("name", 24), ("description", 150), ("callback_id", 255)):
            text = entry.get(key)
            if not isinstance(text, str) or not 0 < len(text) <= most:
                raise ValueError(f"{where}: {key} needs 1 to {most} characters")
        if entry["callback_id"] in shortcuts:
            raise ValueError(f"{where}: {entry['callback_id']} is there twice")
        shortcuts[entry["callback_id"]] = Shortcut(
            entry["callback_id"], entry["name"], entry["description"]
        )
    if len(shortcuts) > MOST_SHORTCUTS:
        raise ValueError(f"features.shortcuts: no more than {MOST_SHORTCUTS}")
    if shortcuts and "commands" not in scopes:
        raise ValueError("features.shortcuts needs the scope `commands`")
    return shortcuts


def _unfurl_domains(entries: Any) -> tuple[str, ...]:
    """The domains whose links the app hears of; ValueError for what Slack would not take."""
    domains = tuple(entries or ())
    if len(domains) > MOST_UNFURL_DOMAINS:
        raise ValueError(f"features.unfurl_domains: no more than {MOST_UNFURL_DOMAINS} domains")
    for domain in domains:
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
            raise ValueError(
                f"features.unfurl_domains: {domain!r} is no domain such as example.com"
            )
    return domains


class Manifest:
    """Reads a manifest (the dictionary that Slack takes as YAML or JSON).

    Raises ValueError for what Slack would not take, and for what it would but the stand-in doesn't play.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        if not isinstance(data, dict) or "display_information" not in data:
            raise ValueError("this is no app manifest: display_information is missing")
        refused = list(coverage.refusals(data))
        if refused:
            raise ValueError("; ".join(refused))
        self.data = data
        features = data.get("features") or {}
        settings = data.get("settings") or {}
        home = features.get("app_home") or {}
        scopes = (data.get("oauth_config") or {}).get("scopes") or {}
        self.name: str = (features.get("bot_user") or {}).get("display_name") or (
            data["display_information"].get("name") or "app"
        )
        self.home_tab = bool(home.get("home_tab_enabled"))
        # Slack's own default: the Messages tab is there unless switched off.
        self.messages_tab = bool(home.get("messages_tab_enabled", True))
        self.messages_read_only = bool(home.get("messages_tab_read_only_enabled"))
        self.interactive = bool((settings.get("interactivity") or {}).get("is_enabled"))
        self.socket_mode = bool(settings.get("socket_mode_enabled"))
        self.events = frozenset((settings.get("event_subscriptions") or {}).get("bot_events") or ())
        self.unfurl_domains = _unfurl_domains(features.get("unfurl_domains"))
        self.required_scopes = tuple(scopes.get("bot") or ())
        self.optional_scopes = tuple(scopes.get("bot_optional") or ())
        self.shortcuts = _shortcuts(features.get("shortcuts"), self.scopes)
        self.commands = {
            entry["command"]: Command(
                entry["command"],
                entry.get("description") or "",
                entry.get("usage_hint") or "",
                bool(entry.get("should_escape")),
            )
            for entry in features.get("slash_commands") or ()
        }

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every bot scope asked for, the optional ones too."""
        return self.required_scopes + tuple(
            one for one in self.optional_scopes if one not in self.required_scopes
        )
