"""The environment is read once, secrets also from files, and never quoted back."""

from pathlib import Path

import pytest

from bot import settings
from bot.settings import SettingsRefused

SECRET = "xoxb-very-secret"


def test_defaults() -> None:
    read = settings.read({})
    assert read.slack_api_url == "https://slack.com/api/"
    assert read.mlgov_database_url.get_secret_value() == "sqlite:///mlgov.db"
    assert read.is_real_slack


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("SLACK_BOT_TOKEN", SECRET),
        ("SLACK_APP_TOKEN", "xapp-very-secret"),
        ("SLACK_SIGNING_SECRET", "0123456789abcdef0123456789abcdef"),
        ("MLGOV_DATABASE_URL", "postgresql://mlgov:very-secret@db/mlgov"),
    ],
)
def test_a_secret_may_come_from_a_file(name: str, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")
    read = settings.read({f"{name}_FILE": str(file)})
    assert getattr(read, name.lower()).get_secret_value() == secret
    assert secret not in repr(read)


def test_a_secret_given_twice_is_refused_without_telling_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused) as caught:
        settings.read({"SLACK_BOT_TOKEN": SECRET, "SLACK_BOT_TOKEN_FILE": str(tmp_path)})
    assert "SLACK_BOT_TOKEN_FILE" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="SLACK_BOT_TOKEN_FILE"):
        settings.read({"SLACK_BOT_TOKEN_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("name", "value"),
    [("MLGOV_WORKERS", "many"), ("MLGOV_WORKERS", "0"), ("MLGOV_TIME_SCALE", "2")],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=name):
        settings.read({name: value})


@pytest.mark.parametrize(
    ("url", "real"),
    [
        ("https://slack.com/api/", True),
        ("https://acme.slack.com/api/", True),
        ("http://127.0.0.1:9/api/", False),
        ("https://notslack.com/api/", False),
    ],
)
def test_slack_itself_is_told_from_a_stand_in(url: str, real: bool) -> None:
    assert settings.read({"SLACK_API_URL": url}).is_real_slack is real


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = [
        name.upper() for name in settings.Settings.model_fields if f"`{name.upper()}`" not in text
    ]
    assert missing == []
