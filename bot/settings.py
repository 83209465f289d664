"""The only reader of the environment. What a value alone decides is decided here; a secret is never quoted."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# --- The forms of settings
#
# what is wrong with a value, as words after its name. Pure; no word quotes a value. Each
# function answers an empty text for a value that may be right, and for one that is not set.

_KINDS = (
    ("xoxb-", "a bot token"),
    ("xoxe.xoxb-", "a bot token"),
    ("xapp-", "an app-level token"),
    ("xoxp-", "a user token"),
    ("xoxe.xoxp-", "a user token"),
    ("xoxe-", "a refresh token"),
    ("xoxa-", "a workspace token of old"),
    ("xoxc-", "a browser's token"),
    ("xoxs-", "a browser's token"),
)
_ONE_WORD = re.compile(r"^[!-~]+$")
_BLANKS = "holds a blank or a sign that isn't ASCII; copy it again, in one piece"
SHORTEST_KEY = 32
"""Characters of the key from which webhooks' secrets are made."""
_SHORTEST_SECRET = 16


def kind(token: str) -> str:
    """What a Slack token is, by how it starts; empty when it starts like none."""
    return next((words for start, words in _KINDS if token.startswith(start)), "")


def bot_token(value: str | None, is_real_slack: bool) -> str:
    """A stand-in for Slack may write its tokens as it likes, but not as Slack writes others."""
    where = "the bot token starts with xoxb- and is under OAuth & Permissions"
    return _slack_token(value, "a bot token", where, is_real_slack)


def app_token(value: str | None, is_real_slack: bool) -> str:
    """The same for the app-level token."""
    where = "the app-level token starts with xapp- and is under Basic Information"
    return _slack_token(value, "an app-level token", where, is_real_slack)


def _slack_token(value: str | None, wanted: str, where: str, is_real_slack: bool) -> str:
    if value is None:
        return ""
    if not _ONE_WORD.match(value):
        return _BLANKS
    is_a = kind(value)
    if is_a == wanted or (not is_a and not is_real_slack):
        return ""
    return f"this is {is_a}; {where}" if is_a else f"this isn't {wanted}; {where}"


def signing_secret(value: str | None) -> str:
    """Slack writes 32 hexadecimal digits today and promises nothing, so only what is surely another thing is refused."""
    where = "the signing secret is under Basic Information, 32 letters and digits"
    if value is None:
        return ""
    if is_a := kind(value):
        return f"this is {is_a}; {where}"
    if not _ONE_WORD.match(value):
        return _BLANKS
    return f"this is too short; {where}" if len(value) < _SHORTEST_SECRET else ""


def bearer(value: str | None) -> str:
    """What goes into the header of a request."""
    return "" if value is None or _ONE_WORD.match(value) else _BLANKS


def webhook_key(value: str | None) -> str:
    """Whoever guesses it can forge events."""
    if value is None or len(value) >= SHORTEST_KEY:
        return ""
    return f"this is too short; it takes {SHORTEST_KEY} random characters or more, like `openssl rand -hex 32` prints"


def web_address(value: str | None, example: str) -> str:
    """An http(s) address with a host."""
    if value is None:
        return ""
    wrong = f"isn't a web address; write one like {example}"
    try:
        parsed = urlsplit(value)
        _ = parsed.port
    except ValueError:
        return wrong
    is_right = parsed.scheme in ("http", "https") and parsed.hostname
    return "" if is_right and _ONE_WORD.match(value) else wrong


def anchor(value: str | None) -> str:
    """A path, or an address that takes what is posted."""
    if value is None or "://" not in value:
        return ""
    if web_address(value, ""):
        return "write a file's path, or an http(s) address that takes what is posted"
    return ""


def database_url(value: str) -> str:
    """A file of SQLite's, or a PostgreSQL server."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        return "isn't a database URL; write sqlite:///mlgov.db or postgresql://user:password@host/mlgov"
    dialect, _, driver = scheme.casefold().partition("+")
    if dialect == "sqlite":
        return _sqlite(driver, rest)
    if dialect not in ("postgresql", "postgres"):
        return (
            "names a database that mlgov doesn't speak; it keeps its record in SQLite (sqlite:///mlgov.db) or "
            "PostgreSQL (postgresql://user:password@host/mlgov)"
        )
    if driver not in ("", "psycopg"):
        return "names a driver that mlgov doesn't use; start it with postgresql:// alone"
    try:
        _ = urlsplit(value).port
    except ValueError:
        return (
            "has a port that isn't a number; write postgresql://user:password@host:5432/mlgov, and in the password "
            "%40 for @, %3A for : and %2F for /"
        )
    return ""


def _sqlite(driver: str, rest: str) -> str:
    if driver not in ("", "pysqlite"):
        return "names a driver that mlgov doesn't use; start it with sqlite:/// alone"
    if not rest.startswith("/"):
        return "needs three slashes before a file's name: sqlite:///mlgov.db"
    if rest[1:].partition("?")[0] in ("", ":memory:"):
        return "names no file; the record has to outlive the process: sqlite:///mlgov.db"
    return ""


# --- The only reader of the environment
#
# What a value alone decides is decided here; a secret is never quoted.

SLACK_API = "https://slack.com/api/"
DAY = 86_400
"""Seconds; nothing that is waited for here takes longer."""


class SettingsRefused(Exception):
    """The environment cannot be used; each of `sentences` says which variable and what to do."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def _small(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value


LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_small)]
Seconds = Annotated[float, Field(gt=0, le=DAY, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What a deployment sets from outside. Each secret `NAME` may also come from a file named by `NAME_FILE`."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

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
    mlgov_database_pool: int = Field(default=30, ge=5, le=500)
    """The most connections to it that a process opens."""
    mlgov_policy: Path = Path("governance.yml")
    """The policy file."""
    mlgov_anchor: str | None = None
    """A file or an http(s) URL outside the database that keeps the ledger's heads."""
    mlgov_signing_key: SecretStr | None = None
    """Signs statements: an Ed25519 private key in PEM, which never stands in the database."""
    mlgov_webhook_key: SecretStr | None = None
    """From which the secret of each webhook is made."""
    mlgov_erasure_key: SecretStr | None = None
    """By which people who were erased are known again when Slack tells of them."""
    mlgov_erasure_key_file: Path | None = None
    """Or the file that holds it, where one is made at the first start."""
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
    mlgov_api_per_minute: int = Field(default=600, ge=10, le=1_000_000)
    """Requests of one token in a minute."""
    mlgov_uploads: int = Field(default=2, ge=1, le=32)
    """Uploads of the API that are read at a time, each in a process of its own."""
    mlgov_log: LogLevel = "info"
    """How much is logged: debug, info, warning or error."""
    mlgov_log_format: Literal["text", "json"] = "text"
    """How a line of the log looks."""
    mlgov_lease_seconds: Seconds = 60.0
    mlgov_http_timeout_seconds: Seconds = 10.0
    mlgov_pace_seconds: Seconds = 1.01
    mlgov_poll_seconds: Seconds = 1.5
    mlgov_tick_seconds: Seconds = 2.0
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


def read(environment: Mapping[str, str], **given: Any) -> Settings:
    """Settings from an environment, `NAME_FILE` files included. Raises SettingsRefused; never quotes a secret."""
    from pydantic import ValidationError

    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        if text := environment.get(name.upper(), "").strip():
            values[name] = text
    wrong: list[str] = []
    for name in _SECRETS:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            raise SettingsRefused(f"Both {name} and {name}_FILE are set; unset one of them.")
        try:
            values[name.lower()] = _secret_in(Path(path))
        except ValueError as error:
            wrong.append(f"{name}_FILE: {path} {error}.")
    values |= given
    if environment.get("MLGOV_ERASURE_KEY") and environment.get("MLGOV_ERASURE_KEY_FILE"):
        raise SettingsRefused(
            "Both MLGOV_ERASURE_KEY and MLGOV_ERASURE_KEY_FILE are set; unset one of them."
        )
    try:
        read = Settings.model_validate(values)
    except ValidationError as error:
        wrong += _sentences(error.errors(include_url=False, include_input=False))
        raise SettingsRefused(*wrong) from None
    wrong += [f"{name}: {words}." for name, words in _faults(read)]
    if wrong:
        raise SettingsRefused(*wrong)
    return read


def unknown_names(environment: Iterable[str]) -> list[str]:
    """A sentence about each `MLGOV_` name that is no setting, with the one that was probably meant."""
    known = {name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in _SECRETS}
    sentences = []
    for name in sorted(environment):
        if not name.startswith("MLGOV_") or name in known:
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
        meant = f"did you mean {near[0]}?" if near else "docs/configuration.md lists them all."
        sentences.append(f"{name} isn't a setting; {meant}")
    return sentences


def _secret_in(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ValueError("isn't there; name the file that holds the secret") from None
    except IsADirectoryError:
        raise ValueError("is a folder; name the file in it") from None
    except UnicodeDecodeError:
        raise ValueError("isn't text; it holds the secret and nothing else") from None
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror})") from None
    if not text:
        raise ValueError("is empty; it holds the secret and nothing else")
    return text


_WORDS = {
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
    "finite_number": "write a number",
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than_equal": "write a number of at most {le}",
    "literal_error": "write {expected}",
}


def _sentences(faults: Iterable[Any]) -> list[str]:
    sentences = []
    for fault in faults:
        name = str(fault["loc"][0])
        words = _WORDS.get(fault["type"], str(fault["msg"]).replace("{", "{{"))
        usual = Settings.model_fields[name].default
        sentences.append(f"{name.upper()}: {words.format(**fault.get('ctx', {}))}, like {usual}.")
    return sentences


def _faults(read: Settings) -> Iterable[tuple[str, str]]:
    """Variables that cannot be right, whatever the world is like, each with what to do."""
    for name, words in (
        ("SLACK_API_URL", web_address(read.slack_api_url, "https://slack.com/api/")),
        ("SLACK_BOT_TOKEN", bot_token(_open(read.slack_bot_token), read.is_real_slack)),
        ("SLACK_APP_TOKEN", app_token(_open(read.slack_app_token), read.is_real_slack)),
        ("SLACK_SIGNING_SECRET", signing_secret(_open(read.slack_signing_secret))),
        ("MLGOV_DATABASE_URL", database_url(read.mlgov_database_url.get_secret_value())),
        ("MLGOV_ANCHOR", anchor(read.mlgov_anchor)),
        ("MLGOV_WEBHOOK_KEY", webhook_key(_open(read.mlgov_webhook_key))),
        ("MLGOV_ERASURE_KEY", webhook_key(_open(read.mlgov_erasure_key))),
        ("MLGOV_MLFLOW_URL", web_address(read.mlgov_mlflow_url, "https://mlflow.example.com")),
        (
            "MLGOV_PROMETHEUS_URL",
            web_address(read.mlgov_prometheus_url, "https://prometheus.example.com"),
        ),
        ("MLGOV_URL", web_address(read.mlgov_url, "https://mlgov.example.com")),
        *(
            (name, bearer(_open(token)))
            for name, token in (
                ("MLGOV_MLFLOW_TOKEN", read.mlgov_mlflow_token),
                ("MLGOV_PROMETHEUS_TOKEN", read.mlgov_prometheus_token),
                ("MLGOV_TOKEN", read.mlgov_token),
            )
        ),
    ):
        if words:
            yield name, words


def _open(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def explain_another_host(name: str) -> str:
    """The sentence for a SQLite file that another machine has open."""
    return (
        f"The SQLite database of MLGOV_DATABASE_URL is in use on another machine, {name}. Stop mlgov there, or use "
        "PostgreSQL, which serves several machines."
    )
