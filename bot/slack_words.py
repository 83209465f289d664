"""Why Slack cannot be used, in words with the mend: what it refuses a token for, and why it is out of reach."""

import re
import socket
import ssl
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

STUMBLES = (ValueError, AttributeError, TypeError)
"""What slack_sdk raises over an answer that is no JSON, or no object of it."""
TROUBLE = (SlackApiError, SlackClientError, OSError, *STUMBLES)
"""What a call of slack_sdk raises."""

_CODE = re.compile(r"^[a-z][a-z0-9_]{2,60}$")
"""As Slack writes its codes; slack_sdk puts words of its own there when the answer is no JSON."""
_COPY = {
    "SLACK_BOT_TOKEN": "Install the app again and copy its bot token (OAuth & Permissions).",
    "SLACK_APP_TOKEN": "Make another app-level token with connections:write and copy it (Basic Information).",
}
_ASK = "Ask its administrators to let the app in."
_LATER = "Try again later."
_REFUSALS = {
    "invalid_auth": ("it doesn't know it", None),
    "not_authed": ("it saw none", None),
    "account_inactive": ("the app was uninstalled, or its workspace is gone", None),
    "app_not_installed": ("the app isn't installed", None),
    "token_revoked": ("it was revoked", None),
    "token_expired": (
        "it has expired",
        "Turn token rotation off for the app, install it again and copy the token.",
    ),
    "missing_scope": ("it lacks the scope {needed}", None),
    "no_permission": ("it may not do this", None),
    "not_allowed_token_type": ("it is another kind of token", None),
    "access_denied": ("the workspace doesn't let the app in", _ASK),
    "team_access_not_granted": ("the app wasn't given this workspace", _ASK),
    "enterprise_is_restricted": ("the organisation restricts the app", _ASK),
    "ekm_access_denied": ("the organisation has suspended its keys", _ASK),
    "org_login_required": ("the workspace is moving to an organisation", _LATER),
    "team_added_to_org": ("the workspace is moving to an organisation", _LATER),
    "ratelimited": ("it limits how often it is asked", "Try again in a minute."),
}
"""By Slack's code: why, and the mend; without one, to copy the token anew."""
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
"""Codes of trouble that is Slack's own."""


def describe_refusal(error: Exception, name: str, url: str) -> str:
    """What an operator reads when a call with the token `name` at `url` went wrong. Never quotes a token."""
    if isinstance(error, SlackApiError):
        return _answered(error, name, url)
    return describe_unreachable(error, url)


def error_code(error: Exception) -> str:
    """Slack's code for a refusal; empty when it gave none."""
    response: Any = getattr(error, "response", None)
    data = getattr(response, "data", response)
    value = data.get("error") if isinstance(data, dict) else None
    return value if isinstance(value, str) and _CODE.match(value) else ""


def _answered(error: SlackApiError, name: str, url: str) -> str:
    status = getattr(error.response, "status_code", 200)
    refused = error_code(error)
    if status == 429:
        refused = "ratelimited"
    if status >= 500:
        return f"{url} is in trouble (HTTP {status}). Try again in a minute; https://slack-status.com says how Slack is."
    if refused in _PASSING:
        return f"Slack is in trouble just now ({refused}). Try again in a minute; https://slack-status.com says how Slack is."
    if not refused:
        return f"{url} doesn't answer as Slack does (HTTP {status}). Check SLACK_API_URL, and whether a proxy stands between."
    data: Any = getattr(error.response, "data", {})
    needed = data.get("needed") if isinstance(data, dict) else None
    why, mend = _REFUSALS.get(refused, ("it gives no other reason", None))
    why = why.format(needed=needed or "that this needs")
    return f"Slack refuses {name}: {why} ({refused}). {mend or _COPY[name]}"


def describe_unreachable(error: Exception, url: str) -> str:
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
    if isinstance(error, STUMBLES) or "JSON" in str(error):
        return f"{url} doesn't answer as Slack does. Check SLACK_API_URL, and whether a proxy stands between."
    return f"{url} can't be reached ({type(reason).__name__}). Check SLACK_API_URL, the network, and HTTPS_PROXY."
