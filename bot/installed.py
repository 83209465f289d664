"""Files that come with mlgov: beside the package when it is installed, at the top of the tree in a checkout."""

import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from storage import migrate


def resource_path(name: str) -> Path:
    """Where `manifest.yml` or `governance.yml` of this release is."""
    here = Path(__file__).parent
    packaged = here / name
    return packaged if packaged.exists() else here.parent / name


# --- Which mlgov this is
#
# asked of what is installed, in one place.


@cache
def version() -> str:
    """The installed release, as packaging knows it; `0+unknown` where it runs from files that nobody installed."""
    try:
        return metadata.version("mlgov")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def build() -> dict[str, str]:
    """The release, the newest revision of the database that it knows, and the Python that it runs on."""
    return {
        "version": version(),
        "revision": migrate.newest_revision(),
        "python": platform.python_version(),
    }


def describe_version() -> str:
    """The same in a line."""
    return "mlgov {version} (database revision {revision}, Python {python})".format(**build())


# --- The Slack app's manifest for either way of receiving requests


def load_manifest() -> dict[str, Any]:
    """The manifest as it is kept, for Socket Mode."""
    loaded: dict[str, Any] = yaml.safe_load(
        resource_path("manifest.yml").read_text(encoding="utf-8")
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
        return resource_path("manifest.yml").read_text(encoding="utf-8")
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
