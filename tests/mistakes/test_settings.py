"""Mistakes in settings: each is one sentence that names the variable and says what to do, and quotes no secret."""

from pathlib import Path

import pytest

from tests.mistakes.typed import assert_told, typed

SECRET = "hush-hush"

MISTAKES = {
    "an app token for a bot token": (
        {"SLACK_BOT_TOKEN": f"xapp-1-{SECRET}"},
        "SLACK_BOT_TOKEN: this is an app-level token; the bot token starts with xoxb-",
    ),
    "a bot token for an app token": (
        {"SLACK_APP_TOKEN": f"xoxb-{SECRET}"},
        "SLACK_APP_TOKEN: this is a bot token; the app-level token starts with xapp-",
    ),
    "a user's token": (
        {"SLACK_BOT_TOKEN": f"xoxp-{SECRET}"},
        "SLACK_BOT_TOKEN: this is a user token",
    ),
    "something else for a bot token": (
        {"SLACK_BOT_TOKEN": SECRET, "SLACK_API_URL": "https://slack.com/api/"},
        "SLACK_BOT_TOKEN: this isn't a bot token",
    ),
    "a token in two pieces": (
        {"SLACK_BOT_TOKEN": f"xoxb-{SECRET}\n{SECRET}"},
        "SLACK_BOT_TOKEN: holds a blank",
    ),
    "a token for a signing secret": (
        {"SLACK_SIGNING_SECRET": f"xoxb-{SECRET}"},
        "SLACK_SIGNING_SECRET: this is a bot token; the signing secret is under Basic Information",
    ),
    "half a signing secret": (
        {"SLACK_SIGNING_SECRET": SECRET},
        "SLACK_SIGNING_SECRET: this is too short",
    ),
    "no address of Slack's": (
        {"SLACK_API_URL": "slack.com/api"},
        "SLACK_API_URL: isn't a web address",
    ),
    "another kind of database": (
        {"MLGOV_DATABASE_URL": f"mysql://root:{SECRET}@db/mlgov"},
        "it keeps its record in SQLite (sqlite:///mlgov.db) or PostgreSQL (postgresql://",
    ),
    "a path for a database URL": (
        {"MLGOV_DATABASE_URL": "mlgov.db"},
        "MLGOV_DATABASE_URL: isn't a database URL",
    ),
    "two slashes": (
        {"MLGOV_DATABASE_URL": "sqlite://mlgov.db"},
        "needs three slashes before a file's name: sqlite:///mlgov.db",
    ),
    "a database that ends with the process": (
        {"MLGOV_DATABASE_URL": "sqlite://"},
        "MLGOV_DATABASE_URL: needs three slashes",
    ),
    "a database in memory": (
        {"MLGOV_DATABASE_URL": "sqlite:///:memory:"},
        "MLGOV_DATABASE_URL: names no file",
    ),
    "a port in letters": (
        {"MLGOV_DATABASE_URL": f"postgresql://mlgov:{SECRET}@db:port/mlgov"},
        "MLGOV_DATABASE_URL: has a port that isn't a number",
    ),
    "a slash in the password": (
        {"MLGOV_DATABASE_URL": f"postgresql://mlgov:{SECRET}/1@db:5432/mlgov"},
        "%2F for /",
    ),
    "another driver": (
        {"MLGOV_DATABASE_URL": "postgresql+psycopg2://db/mlgov"},
        "start it with postgresql:// alone",
    ),
    "a level of log that there isn't": (
        {"MLGOV_LOG": "loud"},
        "MLGOV_LOG: write 'debug', 'info', 'warning' or 'error'",
    ),
    "workers in words": ({"MLGOV_WORKERS": "many"}, "MLGOV_WORKERS: write a whole number"),
    "no workers": ({"MLGOV_WORKERS": "0"}, "MLGOV_WORKERS: write a number of at least 1"),
    "a pool too small": (
        {"MLGOV_DATABASE_POOL": "1"},
        "MLGOV_DATABASE_POOL: write a number of at least 5",
    ),
    "an endless pause": ({"MLGOV_TICK_SECONDS": "inf"}, "MLGOV_TICK_SECONDS: write a number"),
    "a pause of no length": (
        {"MLGOV_POLL_SECONDS": "0"},
        "MLGOV_POLL_SECONDS: write a number above 0",
    ),
    "hurry against Slack itself": (
        {"MLGOV_TIME_SCALE": "0.5", "SLACK_API_URL": "https://slack.com/api/"},
        "MLGOV_TIME_SCALE is for tests",
    ),
    "a webhook key that can be guessed": (
        {"MLGOV_WEBHOOK_KEY": SECRET},
        "MLGOV_WEBHOOK_KEY: this is too short; it takes 32 random characters",
    ),
    "an anchor in a place unheard of": (
        {"MLGOV_ANCHOR": "s3://bucket/heads"},
        "MLGOV_ANCHOR: write a file's path, or an http(s) address",
    ),
    "MLflow without its scheme": (
        {"MLGOV_MLFLOW_URL": "mlflow:5000"},
        "MLGOV_MLFLOW_URL: isn't a web address; write one like https://mlflow.example.com",
    ),
    "a Prometheus of no port": (
        {"MLGOV_PROMETHEUS_URL": "http://prometheus:many"},
        "MLGOV_PROMETHEUS_URL: isn't a web address",
    ),
    "an API token with a blank": (
        {"MLGOV_TOKEN": f"{SECRET} {SECRET}"},
        "MLGOV_TOKEN: holds a blank",
    ),
    "no app token": ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN is not set"),
    "no bot token": ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN is not set"),
    "a signing key that is none": (
        {"MLGOV_SIGNING_KEY": SECRET},
        "MLGOV_SIGNING_KEY: The signing key is no Ed25519 private key in PEM",
    ),
}

ASK_SLACK_ITSELF = {"hurry against Slack itself"}
"""What the doctor could not look at without asking Slack itself."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_setting(mistake: str, right: dict[str, str], tmp_path: Path) -> None:
    wrong, words = MISTAKES[mistake]
    ended = typed(right | wrong, tmp_path, "run", "--port", "0")
    assert_told(ended, words)
    assert SECRET not in ended.said
    assert not ended.out


@pytest.mark.parametrize("mistake", sorted({*MISTAKES} - ASK_SLACK_ITSELF))
def test_doctor_finds_it_too(mistake: str, right: dict[str, str], tmp_path: Path) -> None:
    wrong, words = MISTAKES[mistake]
    ended = typed(right | wrong, tmp_path, "doctor")
    failed = [line for line in ended.out.splitlines() if line.startswith("failed")]
    if mistake == "no app token":
        assert (ended.code, failed) == (0, []), "the signing secret is there: HTTP"
        return
    assert ended.code == 1
    assert any(words in line for line in failed), ended.out
    assert (SECRET in ended.said, ended.err) == (False, "")


def test_all_wrong_settings_are_told_at_once(right: dict[str, str], tmp_path: Path) -> None:
    wrong = {"MLGOV_LOG": "loud", "MLGOV_WORKERS": "many"}
    ended = typed(right | wrong, tmp_path, "run")
    assert_told(ended, "MLGOV_LOG:", "MLGOV_WORKERS:")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "isn't there"),
        ("folder", "is a folder"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xff\xfe\x00", "isn't text"),
    ],
)
def test_a_secrets_file(
    content: bytes | str | None, words: str, right: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "bot-token"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    del right["SLACK_BOT_TOKEN"]
    ended = typed(right | {"SLACK_BOT_TOKEN_FILE": str(file)}, tmp_path, "run")
    assert_told(ended, f"SLACK_BOT_TOKEN_FILE: {file} {words}")


def test_a_line_break_at_the_end_of_a_secret_does_no_harm(
    right: dict[str, str], tmp_path: Path
) -> None:
    right["SLACK_BOT_TOKEN"] += "\n"
    assert typed(right, tmp_path, "doctor").code == 0


def test_an_rsa_key_signs_no_statements(right: dict[str, str], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    wrong = right | {"MLGOV_SIGNING_KEY": pem.decode()}
    assert_told(typed(wrong, tmp_path, "run", "--port", "0"), "no Ed25519 private key")
    assert "failed  signing key: " in typed(wrong, tmp_path, "doctor").out


def test_a_name_that_is_no_setting_is_told_with_the_one_that_was_meant(
    right: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slip = right | {"MLGOV_DATABSE_URL": "postgresql://x", "MLGOV_XYZZY": "1"}
    with caplog.at_level("WARNING", "mlgov"):
        typed(slip | {"SLACK_BOT_TOKEN": "xoxb-1"}, tmp_path, "run")
    (line, _) = [one.message for one in caplog.records if "setting" in one.message]
    assert line == ("MLGOV_DATABSE_URL isn't a setting; did you mean MLGOV_DATABASE_URL?")
    ended = typed(slip, tmp_path, "doctor")
    assert ended.code == 0, "only a warning"
    assert (
        "warning settings: MLGOV_DATABSE_URL isn't a setting; did you mean MLGOV_DATABASE_URL? "
        "MLGOV_XYZZY isn't a setting;" in ended.out
    )
