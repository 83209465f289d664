"""Which Slack the bot is installed in, as `auth.test` tells it."""

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.context import Team
from bot.settings import Settings, SettingsRefused
from bot.slack_errors import Effect, classify


class SlackAway(SettingsRefused):
    """Slack could not be reached, which may pass; the sentence says where it was looked for."""


def client(settings: Settings, *, timeout: int = 5) -> WebClient:
    """A Web API client that never repeats a call by itself and never waits longer than `timeout` seconds."""
    token = settings.slack_bot_token
    if token is None:
        raise SettingsRefused(
            "SLACK_BOT_TOKEN is not set. It is on your app's page under OAuth & Permissions (xoxb-…)."
        )
    return WebClient(
        token=token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=timeout,
        retry_handlers=[],
    )


def who_am_i(settings: Settings, slack: WebClient | None = None) -> Team:
    """The team, enterprise and bot user behind the token.

    Raises SettingsRefused with what to do; SlackAway where it may help to wait.
    """
    try:
        answer = (slack or client(settings)).auth_test()
    except SlackApiError as error:
        code = error.response.get("error")
        if classify(error).effect in (Effect.LIMITED, Effect.UNKNOWN, Effect.PASSING):
            raise SlackAway(f"Slack does not say who mlgov is ({code}).") from None
        raise SettingsRefused(
            f"Slack refused SLACK_BOT_TOKEN ({code}). Install the app again and copy its token."
        ) from None
    except (SlackClientError, OSError) as error:
        raise SlackAway(
            f"Slack's API at {settings.slack_api_url} cannot be reached ({type(error).__name__})."
        ) from None
    enterprise = answer.get("enterprise_id")
    team_id = str(answer["team_id"])
    return Team(
        org_key=str(enterprise or team_id),
        team_id=team_id,
        enterprise_id=str(enterprise) if enterprise else None,
        bot_user_id=str(answer["user_id"]),
        name=str(answer.get("team") or ""),
        scopes=granted(answer),
    )


def granted(answer: SlackResponse) -> frozenset[str]:
    """The scopes of the token with which Slack answered."""
    told = header(answer, "x-oauth-scopes").split(",")
    return frozenset(scope.strip() for scope in told if scope.strip())


def header(answer: SlackResponse, name: str) -> str:
    """A header of an answer by its name in small letters; empty when it is not there."""
    value = next((v for k, v in answer.headers.items() if k.casefold() == name), "")
    return ",".join(value) if isinstance(value, list) else str(value)
