"""Why Slack cannot be used, in words with the mend: what it refuses a token for, and why it is out of reach."""

import socket
import ssl
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

TROUBLE = (SlackApiError, SlackClientError, OSError, ValueError)
"""What a call of slack_sdk raises: it reads an answer that is no JSON as a ValueError in places."""

_PLACES = {
    "SLACK_BOT_TOKEN": "install the app again and copy its bot token (OAuth & Permissions)",
    "SLACK_APP_TOKEN": "make another app-level token with connections:write (Basic Information) and copy it",
}
_REFUSALS = {
    "invalid_auth": "Slack doesn't know {name} (invalid_auth): {place}",
    "not_authed": "Slack saw no token (not_authed): {place}",
    "account_inactive": "the app was uninstalled or its workspace is gone (account_inactive): {place}",
    "app_not_installed": "the app isn't installed (app_not_installed): {place}",
    "token_revoked": "{name} was revoked (token_revoked): {place}",
    "token_expired": "{name} has expired (token_expired): turn token rotation off for the app, then {place}",
    "missing_scope": "{name} lacks the scope {needed} (missing_scope): {place}",
    "no_permission": "{name} may not do this (no_permission): {place}",
    "not_allowed_token_type": "{name} is another kind of token (not_allowed_token_type): {place}",
    "access_denied": "the workspace doesn't let the app in (access_denied): ask its administrators to approve it",
    "team_access_not_granted": "the app was not given this workspace (team_access_not_granted): ask the "
    "administrators of the organisation to add it",
    "enterprise_is_restricted": "the organisation restricts the app (enterprise_is_restricted): ask its administrators",
    "ekm_access_denied": "the organisation has suspended its keys (ekm_access_denied): ask its administrators",
    "org_login_required": "the workspace is being moved to an organisation (org_login_required): try again later",
    "team_added_to_org": "the workspace is being moved to an organisation (team_added_to_org): try again later",
    "ratelimited": "it limits how often it is asked (ratelimited): try again in a minute",
}


def refusal(error: Exception, name: str, url: str) -> str:
    """What an operator reads when a call with the token `name` at `url` went wrong. Never quotes a token."""
    if isinstance(error, SlackApiError):
        return _answered(error, name, url)
    return unreachable(error, url)


def code(error: Exception) -> str:
    """Slack's code for a refusal; empty when it gave none."""
    response: Any = getattr(error, "response", None)
    data = getattr(response, "data", response)
    found = data.get("error") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


def _answered(error: SlackApiError, name: str, url: str) -> str:
    status = getattr(error.response, "status_code", 200)
    refused = code(error)
    if status == 429:
        refused = "ratelimited"
    if status >= 500:
        return f"{url} is in trouble (HTTP {status}). Try again in a minute; https://slack-status.com says how Slack is."
    if not refused:
        return f"{url} doesn't answer as Slack does (HTTP {status}). Check SLACK_API_URL, and whether a proxy stands between."
    data: Any = getattr(error.response, "data", {})
    words = _REFUSALS.get(refused, "it says {code}: {place}").format(
        name=name, code=refused, place=_PLACES[name], needed=data.get("needed") or ""
    )
    return f"Slack refused {name}: {words}."


def unreachable(error: Exception, url: str) -> str:
    """Why nothing came back from `url`, with the mend."""
    reason: object = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"{url}: its certificate isn't trusted ({reason.verify_message}). If your company's proxy signs anew, set "
            "SSL_CERT_FILE to the company's CA bundle."
        )
    if isinstance(reason, ssl.SSLError):
        return f"{url} doesn't speak TLS there ({reason.reason or type(reason).__name__}). Check SLACK_API_URL and HTTPS_PROXY."
    if isinstance(reason, socket.gaierror):
        return f"{url}: its name can't be resolved (DNS). Check SLACK_API_URL, the network, and HTTPS_PROXY."
    if isinstance(reason, ConnectionRefusedError):
        return f"{url} can't be reached (connection refused). Check SLACK_API_URL, the network, and HTTPS_PROXY."
    if isinstance(reason, TimeoutError):
        return f"{url} can't be reached (no answer in time). Check the network and HTTPS_PROXY."
    if isinstance(error, ValueError) or "JSON" in str(error):
        return f"{url} doesn't answer as Slack does. Check SLACK_API_URL, and whether a proxy stands between."
    return f"{url} can't be reached ({type(reason).__name__}). Check SLACK_API_URL, the network, and HTTPS_PROXY."
