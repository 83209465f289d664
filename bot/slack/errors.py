"""Slack's error codes: what each means for something that was to be sent, in one table.

Codes are those of the methods that delivery calls (docs.slack.dev/reference/methods). What is not listed is a definite
refusal whose reason may pass: it is tried again, and given up after the last attempt.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

FALLBACK_RETRY_AFTER = 30
"""Seconds, for a 429 that does not say."""


class Effect(StrEnum):
    """What an answer means."""

    PERMANENT = "permanent"
    """It will never be taken: a dead letter at once."""
    TOKEN = "token"  # noqa: S105 - the name of an effect
    """The token is not accepted: nothing is sent for a while, nothing is given up."""
    SCOPE = "scope"
    """The token may not call this method: the same, for this method alone."""
    GONE = "gone"
    """What was to be edited or deleted is not there."""
    LIMITED = "limited"
    """Too many calls: surely not done."""
    PASSING = "passing"
    """Surely not done, for a reason that may pass."""
    UNKNOWN = "unknown"
    """Nobody can tell whether it was done."""


_PERMANENT = """
access_denied as_user_not_supported block_mismatch blocked_from_dm bot_not_found cannot_dm_bot cannot_reply_to_message
cannot_update_message cant_delete_message cant_dm_bot cant_update_message channel_is_limited_access channel_not_found
channel_type_not_supported edit_window_closed external_channel_migrating_forbidden hash_conflict invalid_arguments
invalid_blocks invalid_blocks_format invalid_metadata_format invalid_metadata_schema invalid_user_combination is_archived
is_inactive markdown_text_conflict message_limit_exceeded messages_tab_disabled metadata_must_be_sent_from_app
metadata_too_large method_not_supported_for_channel_type msg_blocks_too_long msg_too_long no_text not_in_channel
restricted_action restricted_action_non_threadable_channel restricted_action_read_only_channel
restricted_action_thread_locked restricted_action_thread_only_channel slack_connect_blocked_file_type
slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked team_access_not_granted team_not_found thread_not_found
too_many_attachments too_many_contact_cards user_disabled user_not_found user_not_visible users_list_not_supplied
users_not_found view_too_large not_enabled invalid_users too_many_users
"""
_SIGNED_OUT = """
account_inactive app_not_installed ekm_access_denied enterprise_is_restricted invalid_auth not_authed
org_login_required team_added_to_org token_expired token_revoked two_factor_setup_required
"""
_SCOPE = "is_bot missing_scope no_permission not_allowed_token_type invalid_scopes"
_GONE = "message_not_found"
_LIMITED = "ratelimited rate_limited message_limit_per_minute"
_PASSING = """
accesslimited invalid_charset invalid_form_data invalid_json invalid_post_type json_not_object method_deprecated
missing_post_type restricted_too_many service_disabled streaming_state_conflict unknown_method
"""
_UNKNOWN = """
duplicate_channel_not_found duplicate_message_not_found fatal_error internal_error request_timeout
service_unavailable team_is_initializing upstream_error
"""

EFFECTS: dict[str, Effect] = {
    code: effect
    for effect, codes in (
        (Effect.PERMANENT, _PERMANENT),
        (Effect.TOKEN, _SIGNED_OUT),
        (Effect.SCOPE, _SCOPE),
        (Effect.GONE, _GONE),
        (Effect.LIMITED, _LIMITED),
        (Effect.PASSING, _PASSING),
        (Effect.UNKNOWN, _UNKNOWN),
    )
    for code in codes.split()
}

MEND = {
    "channel_not_found": "The channel does not exist, or is private and mlgov is not in it: invite mlgov, then retry.",
    "not_in_channel": "Invite mlgov to the channel (`/invite @mlgov`), then retry.",
    "is_archived": "Unarchive the channel or name another one, then retry or cancel.",
    "restricted_action": "The workspace restricts who may post there: allow mlgov, then retry.",
    "user_disabled": "The account is deactivated: cancel, and name somebody else.",
    "user_not_found": "Slack does not know this person: correct the Slack id, or cancel.",
    "messages_tab_disabled": "Enable the Messages tab of mlgov's App Home, then retry.",
    "missing_scope": "Install mlgov again with the scopes of its manifest, then retry.",
}
"""What an operator can do, for the codes that come up."""

_CODE = re.compile(r"^[a-z][a-z0-9_]{2,60}$")


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that did not succeed: what that means, the code or kind of error, and how long to wait after a 429."""

    effect: Effect
    code: str
    retry_after: timedelta = timedelta(0)


def mend(code: str) -> str:
    """What an operator can do about an error; a general answer for what is not listed."""
    if code.startswith("unknown"):
        return "Look in Slack whether it stands there: if so, mark it as sent, else retry."
    return MEND.get(code, "Mend the cause, then retry, or cancel.")


def classify(error: Exception) -> Failure:
    """What an exception of a Slack call means."""
    if isinstance(error, SlackApiError):
        return _answer(error)
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
        return Failure(Effect.PASSING, f"not connected ({type(error).__name__})")
    return Failure(Effect.UNKNOWN, f"no answer ({type(error).__name__})")


def _answer(error: SlackApiError) -> Failure:
    response: Any = error.response
    status = getattr(response, "status_code", 200)
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if status == 429:
        return Failure(Effect.LIMITED, "ratelimited", _retry_after(response))
    if not isinstance(code, str) or not _CODE.match(code):
        if 400 <= status < 500 and status != 408:
            return Failure(Effect.PASSING, f"HTTP {status}")
        return Failure(Effect.UNKNOWN, f"HTTP {status}")
    if status >= 500:
        return Failure(Effect.UNKNOWN, f"HTTP {status} {code}")
    effect = EFFECTS.get(code, Effect.PASSING)
    wait = _retry_after(response) if effect is Effect.LIMITED else timedelta(0)
    return Failure(effect, code, wait)


def _retry_after(response: Any) -> timedelta:
    headers = {str(name).lower(): value for name, value in (response.headers or {}).items()}
    try:
        seconds = float(headers.get("retry-after", FALLBACK_RETRY_AFTER))
    except ValueError:
        seconds = FALLBACK_RETRY_AFTER
    return timedelta(seconds=min(max(seconds, 0.0), 3600.0))


# --- Why Slack cannot be used, in words with the mend
#
# what it refuses a token for, and why it is out of reach.

STUMBLES = (ValueError, AttributeError, TypeError)
"""What slack_sdk raises over an answer that is no JSON, or no object of it."""
TROUBLE = (SlackApiError, SlackClientError, OSError, *STUMBLES)
"""What a call of slack_sdk raises."""


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
_PASSING_ERRORS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
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
    if refused in _PASSING_ERRORS:
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
