"""Which Slack the bot is installed in, as `auth.test` tells it."""

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.deps import Team
from bot.settings import Settings, SettingsRefused
from bot.slack import errors
from bot.slack.client import Observer, web_client
from bot.slack.errors import Effect, classify
from workflows.sources.http import CertificatesUnreadable


class SlackAway(SettingsRefused):
    """Slack could not be reached, which may pass; the sentence says where it was looked for."""


def client(settings: Settings, *, timeout: int = 5, observer: Observer | None = None) -> WebClient:
    """A Web API client that never repeats a call by itself and never waits longer than `timeout` seconds.

    `observer` hears how each call went.
    """
    token = settings.slack_bot_token
    if token is None:
        raise SettingsRefused(
            "SLACK_BOT_TOKEN is not set. It is on your app's page under OAuth & Permissions (xoxb-…)."
        )
    try:
        return web_client(
            token.get_secret_value(),
            base_url=settings.slack_api_url,
            timeout=timeout,
            observer=observer,
        )
    except CertificatesUnreadable as error:
        raise SettingsRefused(error.sentence) from None


def load_team(settings: Settings, slack: WebClient | None = None) -> Team:
    """The team, enterprise and bot user behind the token.

    Raises SettingsRefused with what to do; SlackAway where it may help to wait.
    """
    return team_of(call_auth_test(settings, slack))


def team_of(answer: SlackResponse) -> Team:
    """The team, enterprise and bot user that `auth.test` tells of."""
    enterprise = answer.get("enterprise_id")
    team_id = str(answer["team_id"])
    return Team(
        org_key=str(enterprise or team_id),
        team_id=team_id,
        enterprise_id=str(enterprise) if enterprise else None,
        bot_user_id=str(answer["user_id"]),
        name=str(answer.get("team") or ""),
        scopes=granted_scopes(answer),
    )


def call_auth_test(settings: Settings, slack: WebClient | None = None) -> SlackResponse:
    """What `auth.test` answers. Raises SettingsRefused with what to do; SlackAway where it may help to wait."""
    try:
        answer = (slack or client(settings)).auth_test()
    except errors.TROUBLE as error:
        passes = not isinstance(error, errors.STUMBLES) and (
            classify(error).effect in (Effect.LIMITED, Effect.UNKNOWN, Effect.PASSING)
        )
        raise (SlackAway if passes else SettingsRefused)(
            errors.describe_refusal(error, "SLACK_BOT_TOKEN", settings.slack_api_url)
        ) from None
    if not answer.get("team_id") or not answer.get("user_id"):
        raise SettingsRefused(
            f"{settings.slack_api_url} doesn't answer as Slack does. Check SLACK_API_URL."
        )
    return answer


def open_socket_url(settings: Settings, opener: WebClient) -> str | None:
    """Where Socket Mode connects, as `apps.connections.open` tells for the app-level token.

    None where Slack limits how often it is asked. Raises SettingsRefused with what to do.
    """
    token = settings.slack_app_token
    if token is None:
        raise SettingsRefused("SLACK_APP_TOKEN is not set.")
    try:
        answer = opener.apps_connections_open(app_token=token.get_secret_value())
    except errors.TROUBLE as error:
        if errors.error_code(error) == "ratelimited":
            return None
        raise SettingsRefused(
            errors.describe_refusal(error, "SLACK_APP_TOKEN", settings.slack_api_url)
        ) from None
    return str(answer["url"]) if answer.get("url") else None


def granted_scopes(answer: SlackResponse) -> frozenset[str]:
    """The scopes of the token with which Slack answered."""
    scopes = header(answer, "x-oauth-scopes").split(",")
    return frozenset(scope.strip() for scope in scopes if scope.strip())


def header(answer: SlackResponse, name: str) -> str:
    """A header of an answer by its name in small letters; empty when it is not there."""
    value = next((v for k, v in answer.headers.items() if k.casefold() == name), "")
    return ",".join(value) if isinstance(value, list) else str(value)
