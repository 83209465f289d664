"""The only reader of the environment."""

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SLACK_API = "https://slack.com/api/"


class SettingsRefused(Exception):
    """The environment cannot be used; the sentence says which variable and what to do."""


class Settings(BaseSettings):
    """What a deployment sets from outside. Each secret `NAME` may also come from a file named by `NAME_FILE`."""

    model_config = SettingsConfigDict(
        extra="ignore", env_ignore_empty=True, frozen=True
    )

    slack_bot_token: SecretStr | None = None
    """Bot token, `xoxb-…`."""
    slack_app_token: SecretStr | None = None
    """App-level token, `xapp-…`: Socket Mode is used when it is set."""
    slack_signing_secret: SecretStr | None = None
    """Proves that HTTP requests come from Slack."""
    slack_api_url: str = SLACK_API
    """Where Slack's Web API is; any stand-in otherwise."""
    mlgov_database_url: SecretStr = SecretStr("sqlite:///mlgov.db")
    """The governance database."""
    mlgov_policy: Path = Path("governance.yml")
    """The policy file."""
    mlgov_anchor: str | None = None
    """A file or an http(s) URL outside the database that keeps the ledger's heads."""
    mlgov_signing_key: SecretStr | None = None
    """Signs statements: an Ed25519 private key in PEM, which never stands in the database."""
    mlgov_webhook_key: SecretStr | None = None
    """From which the secret of each webhook is made."""
    mlgov_webhook_hosts: str = ""
    """Hosts inside the own network that webhooks may reach, separated by commas."""
    mlgov_mlflow_url: str | None = None
    """Where MLflow is, whose registry is read and follows."""
    mlgov_mlflow_token: SecretStr | None = None
    """A bearer token for it."""
    mlgov_mlflow_user: str | None = None
    """Or a user,"""
    mlgov_mlflow_password: SecretStr | None = None
    """with a password (basic auth)."""
    mlgov_mlflow_webhook_secret: SecretStr | None = None
    """Signs its webhooks, which are taken at /mlflow/webhook when this is set."""
    mlgov_prometheus_url: str | None = None
    """Where Prometheus is, from which what is watched in use is read."""
    mlgov_prometheus_token: SecretStr | None = None
    """A bearer token for it."""
    mlgov_url: str | None = None
    """Where `mlgov approvals` and `mlgov gate` find the API."""
    mlgov_token: SecretStr | None = None
    """The token that these commands show."""
    mlgov_workers: int = Field(default=4, ge=1, le=32)
    """Threads that deliver messages."""
    mlgov_log: str = "info"
    """How much is logged: debug, info, warning or error."""
    mlgov_log_format: Literal["text", "json"] = "text"
    """How a line of the log looks."""
    mlgov_lease_seconds: float = Field(default=60.0, gt=0)
    mlgov_http_timeout_seconds: float = Field(default=10.0, gt=0)
    mlgov_pace_seconds: float = Field(default=1.01, gt=0)
    mlgov_poll_seconds: float = Field(default=1.5, gt=0)
    mlgov_tick_seconds: float = Field(default=2.0, gt=0)
    mlgov_time_scale: float = Field(default=1.0, gt=0, le=1)
    """Scales pace, back-off and waiting down for tests; refused against Slack itself."""

    @property
    def is_real_slack(self) -> bool:
        """Whether the Web API is Slack's own and not a stand-in."""
        host = urlsplit(self.slack_api_url).hostname or ""
        return host == "slack.com" or host.endswith((".slack.com", ".slack-gov.com"))


_SECRETS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "MLGOV_DATABASE_URL",
    "MLGOV_SIGNING_KEY",
    "MLGOV_WEBHOOK_KEY",
    "MLGOV_MLFLOW_TOKEN",
    "MLGOV_MLFLOW_PASSWORD",
    "MLGOV_MLFLOW_WEBHOOK_SECRET",
    "MLGOV_PROMETHEUS_TOKEN",
    "MLGOV_TOKEN",
)


def read(environment: dict[str, str], **given: Any) -> Settings:
    """Settings from an environment, `NAME_FILE` files included. Raises SettingsRefused; never quotes a secret."""
    from pydantic import ValidationError

    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        if environment.get(name.upper()):
            values[name] = environment[name.upper()]
    for name in _SECRETS:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            raise SettingsRefused(
                f"Both {name} and {name}_FILE are set; unset one of them."
            )
        try:
            values[name.lower()] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsRefused(
                f"{name}_FILE: {path} cannot be read ({type(error).__name__})."
            ) from None
    values |= given
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise SettingsRefused(
            f"{str(fault['loc'][0]).upper()}: {fault['msg']}."
        ) from None


def another_host(name: str) -> str:
    """The sentence for a SQLite file that another machine has open."""
    return (
        f"The SQLite database of MLGOV_DATABASE_URL is in use on another machine, {name}. Stop mlgov there, or use "
        "PostgreSQL, which serves several machines."
    )
