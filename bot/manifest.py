"""The Slack app's manifest for either way of receiving requests."""

from typing import Any
from urllib.parse import urlsplit

import yaml

from bot import resources


def load_manifest() -> dict[str, Any]:
    """The manifest as it is kept, for Socket Mode."""
    loaded: dict[str, Any] = yaml.safe_load(
        resources.resource_path("manifest.yml").read_text(encoding="utf-8")
    )
    return loaded


def list_scopes() -> tuple[set[str], set[str]]:
    """The scopes that the bot needs, and the optional ones."""
    declared = load_manifest()["oauth_config"]["scopes"]
    return set(declared["bot"]), set(declared.get("bot_optional", ()))


def render_text(http_url: str | None = None) -> str:
    """The manifest to paste into Slack: for Socket Mode, or with the request URLs of an HTTP deployment.

    Raises ValueError for a URL that Slack would refuse.
    """
    if http_url is None:
        return resources.resource_path("manifest.yml").read_text(encoding="utf-8")
    parts = urlsplit(http_url)
    if parts.scheme != "https" or not parts.netloc:
        raise ValueError(
            f"--http {http_url}: Slack needs a public https URL, like https://mlgov.example.com."
        )
    endpoint = http_url.rstrip("/").removesuffix("/slack/events") + "/slack/events"
    manifest = load_manifest()
    manifest["settings"]["socket_mode_enabled"] = False
    manifest["settings"]["event_subscriptions"]["request_url"] = endpoint
    manifest["settings"]["interactivity"]["request_url"] = endpoint
    for command in manifest["features"]["slash_commands"]:
        command["url"] = endpoint
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)
